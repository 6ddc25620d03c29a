"""Energies of the bundled corpora's crystals by CHGNet 0.3.0, computed once and bundled.

``motifdesk/data/phases/chgnet-0.3.0.npz`` (made by `benchmarks.make_phase_energies`): eV/atom of every crystal of
`mp_20` and `mpts_52` as tabulated, and of the crystals of `elements.element`. With them a hull costs milliseconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from motifdesk.data import path
from motifdesk.structures import corpus
from motifdesk.structures.arrays import element_symbols

from .hull import CORPORA, Hull, competing_phases

CALCULATOR = "chgnet-0.3.0"


@cache
def bundled_energies(calculator: str) -> dict[str, float]:
    """id (as in `competing_phases`) -> eV/atom of the crystal as tabulated; empty for any other calculator."""
    file = path("phases", f"{CALCULATOR}.npz")
    if calculator != CALCULATOR or not file.is_file():
        return {}
    with np.load(file, allow_pickle=False) as table:
        found = {
            f"{name}/{i}": float(e)
            for name in CORPORA
            if len(table[name]) == len(corpus(name))
            for i, e in zip(corpus(name).ids, table[name], strict=True)
        }
        symbols = element_symbols()
        pairs = zip(table["element_z"].tolist(), table["element_energy"].tolist(), strict=True)
        return found | {f"element/{symbols[z]}": float(e) for z, e in pairs}


@cache
def bundled_hull(numbers: tuple[int, ...], calculator: str = CALCULATOR, max_atoms: int = 60) -> Hull | None:
    """The hull of these elements from bundled energies; None where the calculator has none."""
    energies = bundled_energies(calculator)
    if not energies:
        return None
    phases = competing_phases(numbers, max_atoms)
    return Hull(numbers, [(a.numbers, energies[i]) for i, a in phases.items() if i in energies])
