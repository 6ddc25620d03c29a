"""Put motifs together from centres and their neighbour sets: what crystals and molecules share."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from motifdesk.structures.errors import MotifError

from ..figures.shapes import classify
from ..hierarchy.graph import Motif
from .clock import Clock

#: Angstrom; nearer atoms are one atom twice.
CLOSEST = 0.1


def refuse_overlap(arrays: Any, symbols: list[str], a: int, b: int, distance: float) -> None:
    raise MotifError(
        f"sites {a} ({symbols[a]}) and {b} ({symbols[b]}) are {distance:.3f} A apart",
        where=arrays.formula,
        remedy="remove one of the two atoms, or check the cell",
    )


def assemble(
    arrays: Any, symbols: list[str], centres: list[int], sets: tuple, source: list[int], clock: Clock | None = None
) -> tuple[tuple[Motif, ...], tuple[tuple[int, ...], ...]]:
    """Motifs of `centres` with the neighbour sets `sets` (of every site), and their orbits: centres with one `source`.

    The figure of an orbit is that of its first motif.
    """
    cell = arrays.cell if arrays.cell is not None else np.zeros((3, 3))
    watch = clock.watch("shapes", len(centres)) if clock is not None else None
    known: dict[int, tuple[int, str, str, str, float | None]] = {}
    members: list[list[int]] = []
    motifs = []
    for index, centre in enumerate(centres):
        ligands, key = sets[centre], source[centre]
        if key not in known:
            if watch is not None:
                watch(index)
            near = [x.site for x in ligands]
            images = np.array([x.image for x in ligands], dtype=float).reshape(-1, 3)
            found = figure(arrays.positions[near] + images @ cell - arrays.positions[centre])
            known[key] = len(members), motif_formula(symbols[centre], [symbols[k] for k in near]), *found
            members.append([])
        orbit, formula, name, symbol, measure = known[key]
        members[orbit].append(index)
        label = f"{formula} {name} ({symbols[centre]}{centre})"
        motifs.append(Motif(index, centre, tuple(ligands), formula, name, symbol, measure, orbit, label))
    return tuple(motifs), tuple(tuple(orbit) for orbit in members)


def figure(ligands: np.ndarray) -> tuple[str, str, float | None]:
    """Name, symbol and symmetry measure of ligands float [k, 3] relative to the centre."""
    if not len(ligands):
        return "isolated", "?:0", None
    found = classify(ligands)
    if found is None:
        return f"{len(ligands)}-fold", f"?:{len(ligands)}", None
    return found.name, found.symbol, found.csm


def motif_formula(centre: str, ligands: list[str]) -> str:
    """Centre first, then ligands by number and name: IrO6, CaO8, TiO4F2."""
    counts = sorted(Counter(ligands).items(), key=lambda item: (-item[1], item[0]))
    return centre + "".join(f"{s}{n if n > 1 else ''}" for s, n in counts)


def symbol_of(site: Any) -> str:
    specie = site.specie
    return str(getattr(specie, "symbol", None) or specie.element.symbol)
