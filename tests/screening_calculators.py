"""Calculators that misbehave, for the tests of campaigns; plans name them as ``screening_calculators:Class``."""

from __future__ import annotations

import os
import time

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Steady(Calculator):
    """Zero forces, an energy that depends on the volume: quick and always right."""

    implemented_properties = ["energy", "forces", "stress"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": -len(atoms) + 0.001 * atoms.get_volume(),
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.zeros(6),
        }


class Slow(Steady):
    """Takes a while, as real ones do."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        time.sleep(0.05)
        super().calculate(atoms, properties, system_changes)


class Troubled(Steady):
    """Throws for lithium, hangs for sodium, says NaN for potassium, dies for rubidium; right for everything else."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        species = set(atoms.get_chemical_symbols())
        if "Li" in species:
            raise RuntimeError("the density did not converge")
        if "Na" in species:
            time.sleep(3600)
        if "K" in species:
            self.results["energy"] = float("nan")
        if "Rb" in species:
            os._exit(9)


class Slope(Calculator):
    """The first atom slides down a slope without end: 50 ms a step, and no step is the last."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, steepness: float = 0.2):
        super().__init__()
        self.steepness = steepness

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        time.sleep(0.05)
        super().calculate(atoms, properties, system_changes)
        forces = np.zeros((len(atoms), 3))
        forces[0, 0] = self.steepness
        energy = -self.steepness * float(atoms.get_positions()[0, 0])
        self.results = {"energy": energy, "forces": forces, "stress": np.zeros(6)}


class Misshapen(Steady):
    """Forces of one atom too many, or a stress of four numbers."""

    def __init__(self, what: str = "forces"):
        super().__init__()
        self.what = what

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results[self.what] = np.zeros((len(atoms) + 1, 3) if self.what == "forces" else 4)


class Unlicensed:
    """Does not start."""

    def __init__(self):
        raise OSError("no licence for this machine")


class Wordy:
    """Batched; of a crystal with potassium it says a word, not a number."""

    name = "wordy"

    def ase(self):
        return Steady()

    def energies(self, structures):
        return ["much" if 19 in a.numbers else -1.0 for a in structures]
