"""Two molecules of one formula laid on each other: which atom is which, and the rotation between them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, element_symbols

from ..detection.molecules import bonded_pairs
from .lattice_maps import Deadline
from .pairing import assign, kinds_of

_SEED = 11
_STARTS = 60
# isomorphisms compared at most: a molecule with five methyl groups has 7,776
_ISOMORPHISMS = 4000


@dataclass(frozen=True, eq=False)
class MoleculeMatch:
    """order: int64 [N], the atom of b for each atom of a. positions: float64 [N, 3], b turned and shifted onto a, in
    a's order, Angstrom. rmsd: Angstrom. bonded: whether the pairing keeps every bond."""

    order: np.ndarray
    positions: np.ndarray
    rmsd: float
    bonded: bool


def kabsch(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """float64 [3, 3] R, proper: ``sources @ R`` is nearest to `targets` (both [N, 3], centred). W. Kabsch, Acta Cryst.
    A32, 922 (1976)."""
    left, _, right = np.linalg.svd(sources.T @ targets)
    left[:, -1] *= np.sign(np.linalg.det(left @ right)) or 1.0
    return left @ right


def match_molecules(a: AtomArrays, b: AtomArrays, deadline: Deadline) -> MoleculeMatch:
    """The pairing of like atoms with the least root-mean-square distance; where both have the same bonds, of those
    pairings that keep them all. Hands are kept: a mirror image is not turned into its other."""
    first = a.positions - a.positions.mean(axis=0)
    second = b.positions - b.positions.mean(axis=0)
    bonds_a, bonds_b = bonds_of(a), bonds_of(b)
    colours_a, colours_b = _colours(a.numbers, bonds_a, bonds_b, b.numbers)
    same_graph = np.array_equal(np.sort(colours_a), np.sort(colours_b))
    if not same_graph:
        colours_a, colours_b = a.numbers, b.numbers
    best = _by_turns(first, second, kinds_of(colours_a, colours_b), deadline)
    bonded = same_graph and _keeps(best[1], bonds_a, bonds_b)
    if same_graph:
        found = _by_isomorphism(first, second, (colours_a, bonds_a), (colours_b, bonds_b), best, bonded, deadline)
        if found is not None:
            best, bonded = found, True
    rmsd, order = best
    turned = second[order] @ kabsch(second[order], first)
    return MoleculeMatch(order, turned + a.positions.mean(axis=0), rmsd, bool(bonded))


def _rmsd(first: np.ndarray, second: np.ndarray, order: np.ndarray) -> float:
    moved = second[order]
    return float(np.sqrt(((moved @ kabsch(moved, first) - first) ** 2).sum(axis=1).mean()))


def _by_turns(first: np.ndarray, second: np.ndarray, kinds: Any, deadline: Deadline) -> tuple[float, np.ndarray]:
    """Assignment and rotation in turn, from the principal axes and from random rotations."""
    rng = np.random.default_rng(_SEED)
    axes_a, axes_b = (np.linalg.svd(x, full_matrices=True)[2] for x in (first, second))
    starts = [np.eye(3)]
    for signs in itertools.product((1.0, -1.0), repeat=3):
        turn = axes_b.T @ np.diag(signs) @ axes_a
        if np.linalg.det(turn) > 0:
            starts.append(turn)
    for _ in range(_STARTS):
        q, r = np.linalg.qr(rng.standard_normal((3, 3)))
        q = q * np.sign(np.diag(r))
        starts.append(q * np.sign(np.linalg.det(q)))
    best: tuple[float, np.ndarray] | None = None
    for turn in starts:
        order = assign(second @ turn, first, kinds, None)
        for _ in range(20):
            turn = kabsch(second[order], first)
            again = assign(second @ turn, first, kinds, None)
            if np.array_equal(again, order):
                break
            order = again
        value = _rmsd(first, second, order)
        if best is None or value < best[0] - 1e-9:
            best = value, order
        if best[0] < 1e-9 or deadline.over():
            break
    assert best is not None
    return best


def _by_isomorphism(
    first: np.ndarray, second: np.ndarray, a: Any, b: Any, best: Any, bonded: bool, deadline: Deadline
) -> tuple[float, np.ndarray] | None:
    """The best of the pairings that keep all bonds, the one at hand included if it does; None if there is none."""
    import networkx as nx

    graphs = []
    for colours, bonds in (a, b):
        graph = nx.Graph()
        graph.add_nodes_from((k, {"colour": int(c)}) for k, c in enumerate(colours))
        graph.add_edges_from(bonds.tolist())
        graphs.append(graph)
    matcher = nx.algorithms.isomorphism.GraphMatcher(
        *graphs, node_match=nx.algorithms.isomorphism.categorical_node_match("colour", 0)
    )
    out = best if bonded else None
    for count, mapping in enumerate(matcher.isomorphisms_iter()):
        order = np.array([mapping[k] for k in range(len(first))], dtype=np.int64)
        value = _rmsd(first, second, order)
        if out is None or value < out[0] - 1e-9:
            out = value, order
        if count >= _ISOMORPHISMS or out[0] < 1e-9 or deadline.over():
            break
    return out


def bonds_of(arrays: AtomArrays) -> np.ndarray:
    """int64 [B, 2], i < j, as `find_motifs` takes them for molecules."""
    symbols = element_symbols()
    distance = np.linalg.norm(arrays.positions[:, None] - arrays.positions[None], axis=2)
    return bonded_pairs(distance, [symbols[int(z)] for z in arrays.numbers])


def _colours(a: np.ndarray, bonds_a: np.ndarray, bonds_b: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Atom classes int64 [N] of both molecules by element and surroundings (Weisfeiler and Leman's refinement)."""
    colours = [list(map(int, a)), list(map(int, b))]
    near: list[list[list[int]]] = [[[] for _ in a], [[] for _ in b]]
    for which, bonds in enumerate((bonds_a, bonds_b)):
        for i, j in bonds.tolist():
            near[which][i].append(j)
            near[which][j].append(i)
    for _ in range(len(a)):
        words = [
            [(own[k], tuple(sorted(own[j] for j in around))) for k, around in enumerate(near[which])]
            for which, own in enumerate(colours)
        ]
        book = {word: n for n, word in enumerate(sorted(set(words[0]) | set(words[1])))}
        new = [[book[word] for word in side] for side in words]
        if len(set(new[0]) | set(new[1])) == len(set(colours[0]) | set(colours[1])):
            break
        colours = new
    return np.array(colours[0], dtype=np.int64), np.array(colours[1], dtype=np.int64)


def _keeps(order: np.ndarray, bonds_a: np.ndarray, bonds_b: np.ndarray) -> bool:
    wanted = {(min(i, j), max(i, j)) for i, j in bonds_b.tolist()}
    made = {(int(min(order[i], order[j])), int(max(order[i], order[j]))) for i, j in bonds_a.tolist()}
    return made == wanted
