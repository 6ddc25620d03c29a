"""The orbits of a parent crystal: their names, how a person picks them, and structures made of their sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, element_symbols, from_arrays
from motifdesk.structures.errors import MotifError

from .supercells import Supercell


def orbits_of(cell: Supercell) -> dict[str, np.ndarray]:
    """ "O 3c" -> parent sites, in the order of the sites; a second orbit of the same name is "O 3c 2"."""
    out: dict[str, np.ndarray] = {}
    symbols = element_symbols()
    for first in dict.fromkeys(cell.orbits.tolist()):
        name = f"{symbols[cell.parent.numbers[first]]} {cell.multiplicity[first]}{cell.letters[first]}"
        count = sum(1 for tag in out if tag == name or tag.startswith(name + "~"))
        out[name if not count else f"{name}~{count + 1}"] = np.flatnonzero(cell.orbits == first)
    return out


def chosen_orbits(cell: Supercell, sites: Any) -> set[int]:
    """First sites of the orbits that `sites` names."""
    orbits = orbits_of(cell)
    if sites is None:
        return {int(members[0]) for members in orbits.values()}
    asked = [sites] if isinstance(sites, (str, int, np.integer)) or not isinstance(sites, Sequence) else list(sites)
    out: set[int] = set()
    for word in asked:
        found = []
        for n, (tag, members) in enumerate(orbits.items()):
            element, place = tag.split(" ")
            site_letter = place.split("~")[0].lstrip("0123456789")
            names = {tag, tag.replace(" ", ""), element, site_letter, place, f"{element} {site_letter}"}
            same = n == int(word) if isinstance(word, (int, np.integer)) else str(word) in names
            if same:
                found.append(int(members[0]))
        if not found:
            raise MotifError(
                f"no orbit of sites is {word!r}", where=cell.parent.formula, remedy=f"choose from {', '.join(orbits)}"
            )
        out.update(found)
    return out


def dressed(cell: Supercell, parent: Any, positions: np.ndarray) -> Any:
    arrays = AtomArrays(cell.numbers, positions, cell.cell)
    if not hasattr(parent, "sites"):
        return from_arrays(arrays)
    from pymatgen.core import Lattice, Structure

    order = cell.source
    properties = {name: [values[s] for s in order] for name, values in parent.site_properties.items()}
    return Structure(
        Lattice(cell.cell),
        [parent[int(s)].specie for s in order],
        positions,
        coords_are_cartesian=True,
        site_properties=properties,
        labels=[parent[int(s)].label for s in order],
    )
