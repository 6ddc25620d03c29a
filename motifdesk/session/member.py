"""Which member of which family of topologies a design is, and whether it still is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifDeskError

TOLERANCE = 1e-6
"""Angstrom: a design nearer than this to the member, atom by atom, is the member."""


@dataclass(frozen=True, eq=False)
class Built:
    """Where a design comes from: the family's name, its complete parameters (JSON types), the member's arrays.

    ``neutral``: whether it had to be neutral.
    """

    family: str
    parameters: Mapping[str, Any]
    arrays: AtomArrays = field(repr=False)
    neutral: bool = True

    def holds(self, arrays: AtomArrays) -> bool:
        """Whether a design with these arrays still is the member (atoms and cell within `TOLERANCE`)."""
        mine = self.arrays
        if arrays is mine:
            return True
        if len(mine.numbers) != len(arrays.numbers) or arrays.cell is None or mine.cell is None:
            return False
        return bool(
            (mine.numbers == arrays.numbers).all()
            and np.abs(mine.cell - arrays.cell).max() < TOLERANCE
            and np.abs(mine.positions - arrays.positions).max() < TOLERANCE
        )

    @property
    def recipe(self) -> dict[str, Any]:
        """What ``motifdesk.build`` needs to make the member again (the family's name under "family")."""
        return {"family": self.family, **self.parameters}


def recognised(structure: Any, arrays: AtomArrays) -> Built | None:
    """The member that a structure made by ``motifdesk.build`` says it is, if it is that; else None.

    The recipe in ``structure.properties["motifdesk"]`` outlives whatever was done to the structure since, so it is
    built again and compared: same species in order, positions up to lattice vectors, same cell, within 1e-4 Angstrom.
    """
    about = structure.properties.get("motifdesk") if arrays.cell is not None else None
    recipe = about.get("recipe") if isinstance(about, Mapping) else None
    if not isinstance(recipe, Mapping) or not isinstance(recipe.get("family"), str):
        return None
    from motifdesk.structures.arrays import to_arrays
    from motifdesk.topologies import member

    try:
        made = member(neutral=False, **{("name" if k == "family" else k): v for k, v in recipe.items()})
    except (MotifDeskError, TypeError):
        return None
    there = to_arrays(made.structure)
    assert there.cell is not None and arrays.cell is not None
    if len(there.numbers) != len(arrays.numbers) or (there.numbers != arrays.numbers).any():
        return None
    if np.abs(there.cell - arrays.cell).max() > 1e-4:
        return None
    apart = (there.positions - arrays.positions) @ np.linalg.inv(there.cell)
    if np.abs((apart - np.round(apart)) @ there.cell).max() > 1e-4:
        return None
    return Built(made.family, made.parameters, arrays, neutral=bool(made.charges))
