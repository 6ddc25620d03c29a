"""Reference crystals of the elements: what a hull ends in at its corners.

Simple lattices come from ASE's table of reference states; elements whose structure is no simple lattice (alpha-boron,
black phosphorus, alpha-manganese, molecular hydrogen and halogens, ...) from ``motifdesk/data/elements/elements.json``:
published crystallography, each entry with its source, and with a note where a part of it was not measured.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from motifdesk.data import path
from motifdesk.structures import AtomArrays, corpus, to_arrays
from motifdesk.structures.arrays import element_symbols


@cache
def tabulated() -> dict[str, dict[str, Any]]:
    """symbol -> {"name", "space_group", "source", "cell" (rows, Angstrom), "fractional", maybe "note"}."""
    return json.loads(path("elements", "elements.json").read_text(encoding="utf-8"))


@cache
def element(z: int) -> AtomArrays | None:
    """The reference crystal of an element by its atomic number; None where there is none (Po needs none: ASE has it;
    At, Rn, Fr, Ra have no crystal here, nor do models know them)."""
    from ase.build import bulk

    symbol = element_symbols()[z]
    if symbol == "C":
        c = corpus("carbon_24")
        return c[int(np.argmin(c.labels["energy_per_atom"]))]
    if symbol in tabulated():
        entry = tabulated()[symbol]
        cell, places = np.array(entry["cell"]), np.array(entry["fractional"])
        return AtomArrays(np.full(len(places), z), places @ cell, cell)
    try:
        return to_arrays(bulk(symbol))
    except (ValueError, RuntimeError, KeyError, TypeError):  # gases, and cells with a basis of their own
        return None
