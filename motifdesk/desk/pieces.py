"""Pieces: what of the design the structure pane draws. A view, like the number of cells: the design stays whole.

A piece is a choice of drawn atoms, each a site with a lattice image, so every motion moves it in place and a pick in it
is a pick in the design.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.errors import SessionError
from motifdesk.structures.slabs import MOST_LAYERS, Slab, cut, miller

if TYPE_CHECKING:
    from motifdesk.motifs import Motif, MotifGraph
    from motifdesk.structures.arrays import AtomArrays

Shift = tuple[int, int, int]
KINDS = ("cells", "molecules", "molecule", "motif", "slab")
MOST_DRAWN = 4000
_HOME: Shift = (0, 0, 0)


@dataclass(frozen=True)
class Piece:
    """kind: "cells" (as the cell has them), "molecules" (whole ones, not cut at the cell's faces), "molecule" (the one
    with ``site``), "motif" (the one around ``site`` and those it shares ligands or bonds with) or "slab" (planes
    ``hkl`` of the cell, ``layers``, ``vacuum`` in Angstrom)."""

    kind: str = "cells"
    site: int = 0
    hkl: tuple[int, int, int] = (0, 0, 1)
    layers: int = 3
    vacuum: float = 15.0


@dataclass(frozen=True)
class Drawn:
    """What a piece draws.

    images: for each site the lattice images drawn, none for one that is hidden. bounded: ligands beyond these images
    are not drawn, nor the polyhedra they would close. centres: the (motif, image) that are drawn as motifs; None: every
    one whose centre is drawn. frame: the box as fractional coordinates of its corner and its three vectors (12 numbers)
    instead of the cell; () for none. words: what is seen, for the note under the structure.
    """

    images: list[list[Shift]]
    bounded: Callable[[int, Shift], bool] | None = None
    centres: dict[int, list[Shift]] | None = None
    frame: tuple[float, ...] | None = None
    words: str = ""
    fragments: tuple[Any, ...] = field(default=(), compare=False)


def available(arrays: AtomArrays, graph: MotifGraph | None) -> list[list[str]]:
    """[kind, words] of the pieces that this structure has, beside whole cells."""
    if arrays.cell is None or graph is None:
        return []
    out = []
    molecules = [f for f in graph.fragments() if f.dimensionality == 0]
    if molecules:
        out += [["molecules", "whole molecules"], ["molecule", "one molecule"]]
    out += [["motif", "motif and neighbours"], ["slab", "slab …"]]
    return out


def asked(message: dict[str, Any]) -> dict[str, Any]:
    """The slab that a message of the page describes; what is wrong with it is told by who makes it."""
    default = Piece()
    return {
        "hkl": miller(message.get("hkl", default.hkl)),
        "layers": message.get("layers", default.layers),
        "vacuum": message.get("vacuum", default.vacuum),
    }


def choose(piece: Piece, arrays: AtomArrays, graph: MotifGraph | None, repeat: Shift) -> Drawn | None:
    """What `piece` draws of a crystal; None for whole cells. SessionError or StructureError where it cannot."""
    if piece.kind == "cells":
        return None
    if arrays.cell is None:
        raise SessionError("a molecule is drawn whole", where="view", remedy="open a crystal")
    if piece.kind == "slab":
        return _slab(arrays, graph, piece, repeat)
    if graph is None:
        raise SessionError("the motifs of this structure are not known", where="view", remedy="draw whole cells")
    if not 0 <= piece.site < len(arrays.numbers):
        raise SessionError("what was looked at is gone", where="view", remedy="pick something and choose the view anew")
    return _neighbours(arrays, graph, piece.site) if piece.kind == "motif" else _molecules(arrays, graph, piece, repeat)


def _molecules(arrays: AtomArrays, graph: MotifGraph, piece: Piece, repeat: Shift) -> Drawn:
    found = [f for f in graph.fragments() if f.dimensionality == 0]
    alone = piece.kind == "molecule"
    if alone:
        found = [f for f in found if piece.site in f.sites]
    if not found:
        what = "the picked atom is in no molecule" if alone else "there are no molecules in this crystal"
        raise SessionError(what, where="view", remedy="pick an atom of a molecule" if alone else "draw whole cells")
    to_fractional = np.linalg.inv(np.asarray(arrays.cell))
    images: list[list[Shift]] = [[] for _ in arrays.numbers]
    cells = [_HOME] if alone else list(itertools.product(*(range(n) for n in repeat)))
    for fragment in found:
        own = np.array([atom.image for atom in fragment.atoms])
        middle = (np.asarray(arrays.positions)[list(fragment.sites)] @ to_fractional + own).mean(axis=0)
        home = -np.floor(middle + 1e-6).astype(int)  # its middle in the cell
        for cell in cells:
            for atom in fragment.atoms:
                images[atom.site].append(_shift(np.add(atom.image, home) + cell))
    if not alone:  # single ions beside the molecules, where the cell has them
        images = [own or [_shift(cell) for cell in cells] for own in images]
    name = found[0].name
    words = f"one {name}, {len(found[0].atoms)} atoms" if alone else "molecules drawn whole"
    return Drawn(images, frame=() if alone else None, words=words, fragments=tuple(found))


def _neighbours(arrays: AtomArrays, graph: MotifGraph, site: int) -> Drawn:
    motif = graph.motif_at(site)
    if motif is None:
        raise SessionError("no motif is picked", where="view", remedy="click a polyhedron, then choose the view")
    centres: dict[int, list[Shift]] = {motif.index: [_HOME]}
    for link in graph.links_of(motif):
        shifts = centres.setdefault(link.b, [])
        if _shift(link.image) not in shifts:
            shifts.append(_shift(link.image))
    images: list[list[Shift]] = [[] for _ in arrays.numbers]

    def add(index: int, image: Shift) -> None:
        if image not in images[index]:
            images[index].append(image)

    for index, shifts in centres.items():
        other: Motif = graph.motifs[index]
        for shift in shifts:
            add(other.centre, shift)
            for ligand in other.ligands:
                add(ligand.site, _shift(np.add(ligand.image, shift)))
    count = sum(map(len, centres.values())) - 1
    words = f"{motif.formula} with the {count} motif{'s' if count != 1 else ''} around it"
    return Drawn(images, centres=centres, frame=(), words=words)


def _slab(arrays: AtomArrays, graph: MotifGraph | None, piece: Piece, repeat: Shift) -> Drawn:
    cell = np.asarray(arrays.cell)
    bonds = None if graph is None else graph.bonds()
    slab = cut(np.asarray(arrays.positions), cell, piece.hkl, piece.layers, piece.vacuum, bonds=bonds)
    count = len(arrays.numbers) * slab.layers * repeat[0] * repeat[1]
    if count > MOST_DRAWN:
        raise SessionError(
            f"{count} atoms, more than {MOST_DRAWN} drawn",
            where="slab",
            remedy=f"take fewer layers (at most {MOST_LAYERS}) or cells",
        )
    sides = list(itertools.product(range(repeat[0]), range(repeat[1])))
    images = [
        [_shift(image + i * slab.surface[0] + j * slab.surface[1]) for image in layers for i, j in sides]
        for layers in slab.image
    ]
    rows = slab.box * np.array([repeat[0], repeat[1], 1])[:, None]
    planes = " ".join(str(k) for k in slab.hkl)
    words = f"({planes}) slab, {slab.layers} × {slab.spacing:.2f} Å"
    return Drawn(images, _between(slab), frame=(*slab.origin.tolist(), *rows.ravel().tolist()), words=words)


def _between(slab: Slab) -> Callable[[int, Shift], bool]:
    """Whether an image of a site lies between the two faces of the slab: its steps along w are among the site's own."""
    steps = np.linalg.inv(slab.surface.astype(float))[:, 2]  # the w part of a translation
    own = np.rint(slab.image @ steps).astype(int)  # [N, L]
    low, high = own.min(axis=1), own.max(axis=1)

    def inside(site: int, shift: Shift) -> bool:
        return bool(low[site] <= round(float(np.dot(shift, steps))) <= high[site])

    return inside


def _shift(image: Any) -> Shift:
    i, j, k = (int(x) for x in image)
    return i, j, k


__all__ = ["KINDS", "Drawn", "Piece", "asked", "available", "choose"]
