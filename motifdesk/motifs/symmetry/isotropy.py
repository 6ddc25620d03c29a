"""Where a distortion leads: special directions of an order parameter, and the space group a motif's mode keeps.

For the order parameter of a crystal mode (all components of one irrep copy) every direction that some subgroup singles
out is listed with its space group, as in the tables of isotropy subgroups (Stokes and Hatch, 1988): the tilts of a
perovskite at R lead to I4/mcm (0,0,a), Imma (0,a,a) and R-3c (a,a,a).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import MotifError
from motifdesk.structures.symmetry import SpaceGroup

from ..detection.finding import find_motifs
from ..distortion.network import Network
from ..distortion.subgroups import Action, asked_fields, operations_of
from ..hierarchy.graph import MotifGraph
from .alignment import keepers, special_directions
from .crystal_modes import CrystalMode, CrystalModes
from .modes import Mode, mode_by_key
from .supercells import group_of_operations

#: Order parameters of more components than this are followed only along their own components.
_LARGEST = 12


@dataclass(frozen=True)
class Direction:
    """A special direction of an order parameter.

    weights: mode key -> component, the sum of squares is 1; components that are 0 are left out. group: the space group
    it leads to. written: ISODISTORT-like, "(0,a,a)". index: the parent's operations to each one kept (in the
    supercell).
    """

    weights: Mapping[str, float]
    group: SpaceGroup
    written: str
    index: int


def directions(modes: CrystalModes, mode: CrystalMode | str) -> tuple[Direction, ...]:
    """The directions of the order parameter of `mode` that a subgroup singles out, one of each equivalent set, those
    that keep most of the parent's symmetry first.

    Order parameters of more than 12 components are followed along their components alone, and of those above 6 not
    every direction may be found; where no direction is singled out the first component stands for all.
    """
    partners = modes.partners(mode)
    size = len(partners)
    vectors = np.array([m.vectors for m in partners])
    cell = modes.operations
    turned = np.array([np.einsum("ckx,dkx->cd", vectors, _acted(cell, g, vectors)) for g in range(len(cell.turns))])
    flat = vectors.reshape(size, -1)
    shifted = np.array([flat @ vectors[:, np.argsort(p)].reshape(size, -1).T for p in cell.translation_permutations])
    images = np.einsum("tab,gbc->gtac", shifted, turned).reshape(-1, size, size)
    _, first = np.unique(np.round(images, 3).reshape(len(images), -1) + 0.0, axis=0, return_index=True)
    image = images[np.sort(first)]
    left = [v for v in np.eye(size) if _line(image, v)]
    left += list(special_directions(image)) if size <= _LARGEST else []
    left = left or list(np.eye(size)[:1])
    answers = []
    while left:
        orbit = np.concatenate([image @ left[0], -(image @ left[0])])
        codes = {tuple(v) for v in np.round(orbit, 3) + 0.0}
        left = [v for v in left if tuple(np.round(v, 3) + 0.0) not in codes]
        weights = _nicest(orbit)
        kept = int(keepers(image, weights).sum())
        named = {m.key: float(w) for m, w in zip(partners, weights, strict=True) if abs(w) > 1e-6}
        answers.append(Direction(named, modes.subgroup(named), _written(weights), len(image) // max(kept, 1)))
    return tuple(sorted(answers, key=lambda d: (d.index, -d.group.number, d.written)))


def _line(image: np.ndarray, vector: np.ndarray) -> bool:
    """Whether the operations that keep a direction keep no other one."""
    return bool(abs(np.trace(image[keepers(image, vector)].mean(axis=0)) - 1.0) < 1e-3)


def _acted(cell: Any, g: int, vectors: np.ndarray) -> np.ndarray:
    out = np.empty_like(vectors)
    out[:, cell.permutations[g]] = vectors @ cell.turns[g].T
    return out


def _nicest(orbit: np.ndarray) -> np.ndarray:
    """Of equivalent directions [n, d] the one with most zeros, fewest negative and the largest first components."""
    told = np.round(orbit, 3) + 0.0
    order = np.lexsort((*told.T[::-1], -(told < 0).sum(axis=1), (told == 0).sum(axis=1)))
    chosen: np.ndarray = np.where(np.abs(orbit[order[-1]]) < 1e-6, 0.0, orbit[order[-1]])
    return chosen


def _written(weights: np.ndarray) -> str:
    """ "(a,a,0)", with a letter for each size that occurs."""
    sizes: list[float] = []
    words = []
    for w in weights:
        if abs(w) < 1e-3:
            words.append("0")
            continue
        near = [n for n, s in enumerate(sizes) if abs(s - abs(w)) < 2e-3]
        if not near:
            sizes.append(abs(float(w)))
        letter = "abcdefghijklmnop"[near[0] if near else len(sizes) - 1]
        words.append(("-" if w < 0 else "") + letter)
    return "(" + ",".join(words) + ")"


_ACTIONS: WeakKeyDictionary[MotifGraph, Action] = WeakKeyDictionary()


def subgroup_of(
    structure: Any,
    mode: Mode | str | Mapping[Mode | str, float],
    *,
    graph: MotifGraph | None = None,
) -> SpaceGroup:
    """The space group that turning a motif's mode on leads to, before anything is moved.

    The operations of the structure (at the tolerance of its motif graph) that carry the asked displacements of the
    motifs into themselves, identified as a space group. The distorted structure has this group or, where the network
    takes the request up more evenly than it was asked, a supergroup.

    Parameters
    ----------
    structure
        a crystal.
    mode
        a distortion mode of it (scope "motif", "orbit" or "all"), its key, or several as {mode or key: Angstrom}.
    graph
        its motif graph, if it is at hand; what does not depend on the mode is then remembered with it.

    Raises
    ------
    MotifError
        an unknown mode, an amplitude that is not finite, a molecule.
    """
    arrays = to_arrays(structure)
    if arrays.cell is None:
        raise MotifError("a molecule has no space group", where=arrays.formula, remedy="give a crystal")
    graph = graph if graph is not None else find_motifs(structure)
    action = _ACTIONS.get(graph)
    if action is None:
        net = Network(arrays, graph, site_weight=1.0, strain_share=1.0)  # the weights are for solving, not asked here
        action = Action(net, operations_of(arrays, graph.tolerance))
        _ACTIONS[graph] = action
    asked = mode if isinstance(mode, Mapping) else {mode: 1.0}
    wanted = []
    for given, value in asked.items():
        found = given if isinstance(given, Mode) else mode_by_key(graph, given)
        graph.index_of(found.motif)
        if not math.isfinite(float(value)):
            raise MotifError(f"an amplitude of {value}", where=found.key, remedy="give a finite number of Angstrom")
        wanted.append((found, float(value)))
    kept = action.keeping(asked_fields(action.net, wanted))
    operations = action.operations.select(kept)
    return group_of_operations(
        operations.rotations, operations.translations, np.eye(3), np.asarray(arrays.cell), graph.tolerance
    )
