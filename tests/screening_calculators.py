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


class Springs(Calculator):
    """Every atom on a weak spring to the origin's plane of rest; 50 ms a step, hundreds of steps to the bottom."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, stiffness: float = 0.01):
        super().__init__()
        self.stiffness = stiffness

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        time.sleep(0.05)
        super().calculate(atoms, properties, system_changes)
        at = atoms.get_positions()
        forces = -self.stiffness * at
        self.results = {
            "energy": 0.5 * self.stiffness * float((at**2).sum()),
            "forces": forces,
            "stress": np.zeros(6),
        }
