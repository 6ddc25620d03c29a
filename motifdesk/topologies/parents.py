"""Nonpolar parents of a polar crystal: a climb through its pseudo-symmetry.

From the crystal, one more operation at a time is taken into its group (see `pseudosymmetry`) and the crystal averaged:
the supergroups of the group are reached along chains, as by PSEUDO (E. Kroumova et al., J. Appl. Cryst. 34, 783
(2001)). A step may shrink the primitive cell, so that rotations that the crystal's own cell does not show are found on
the next. How far atoms move is counted from the crystal itself all along.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import StructureError, TopologyError
from motifdesk.structures.symmetry import SpaceGroup, dataset, short_symbol, space_group

from .pseudosymmetry import (
    Operations,
    averaged,
    closure,
    coset_matrices,
    generators,
    labelled,
    near_matrices,
    near_operations,
)

#: Space groups whose point group has a unique direction: 1, m, 2, mm2, 4, 4mm, 3, 3m, 6, 6mm.
POLAR = frozenset(
    [1, *range(3, 10), *range(25, 47), *range(75, 81), *range(99, 111), *range(143, 147), *range(156, 162)]
    + [*range(168, 174), *range(183, 187)]
) - {2}
_TOLERANCE = 1e-3
_MOST_ATOMS = 400
#: states kept of one generation, and groups and operations that a state is extended by
_BEAM, _BRANCHES, _TRIES = 12, 30, 100
#: root mean square displacement over the largest one: above this no operation is looked at
_RMS = 0.7


@dataclass(frozen=True, eq=False)
class Parent:
    """A more symmetric structure near a crystal.

    structure: primitive cell of the parent. group: its space group. largest: the furthest an atom is from its place in
    the parent, Angstrom, drift removed, in the crystal's metric; rms: the root mean square of it. strain: the largest
    principal logarithmic strain from parent to crystal. polar: whether the parent is polar too. index: primitive cells
    of the parent in one of the crystal. reference: the parent in the crystal's primitive cell, crystal: the crystal in
    it, atom by atom in the same order, so that ``crystal.frac_coords - reference.frac_coords`` are the displacements.
    """

    structure: Any = field(repr=False)
    group: SpaceGroup
    largest: float
    strain: float
    polar: bool
    rms: float = 0.0
    index: int = 1
    reference: Any = field(default=None, repr=False)
    crystal: Any = field(default=None, repr=False)

    @cached_property
    def displacements(self) -> np.ndarray:
        """float64 [N, 3], Cartesian, Angstrom: from `reference` to `crystal`, in the crystal's frame and metric."""
        return (self.crystal.frac_coords - self.reference.frac_coords) @ self.crystal.lattice.matrix


@dataclass(eq=False)
class _State:
    """An averaged crystal on the climb.

    numbers [m], fractional [m, 3], metric [3, 3]: its reduced primitive cell. basis: float64 [3, 3], rows are its
    vectors in those of the start. sites, offsets: for each atom of the start its site and lattice vector here. moved:
    the start's atoms here, fractional in the start's cell. group: its space group's operations.
    """

    numbers: np.ndarray
    fractional: np.ndarray
    metric: np.ndarray
    basis: np.ndarray
    sites: np.ndarray
    offsets: np.ndarray
    moved: np.ndarray
    group: Operations
    number: int
    symbol: str
    largest: float
    rms: float
    strain: float
    cost: float
    start_metric: np.ndarray
    shortest: float

    @property
    def key(self) -> tuple:
        return (self.number, len(self.numbers), round(self.largest, 3), round(self.rms, 3), round(self.strain, 3))


def nonpolar_parents(
    structure: Any,
    *,
    largest: float = 1.0,
    strain: float = 0.08,
    each: int = 1,
    seconds: float = 60.0,
    polar_too: bool = False,
) -> tuple[Parent, ...]:
    """Nonpolar structures from which a polar crystal follows by small displacements, the nearest first.

    Nearest by tenths of an Angstrom of the largest displacement; among those alike the most symmetric comes first. The
    free coordinates and the cell of a parent are the average that the crystal gives; a relaxed parent's differ.

    Parameters
    ----------
    structure
        a crystal; its own symmetry is found first.
    largest, strain
        atoms may move so far (Angstrom), the cell may strain so much (principal, logarithmic).
    each
        of one space group and cell size give so many, the nearest: atoms may be paired in more than one way.
    seconds
        stop the search after this time, with what was found.
    polar_too
        give polar supergroups as well.

    Raises
    ------
    TopologyError
        a molecule, or a crystal that is not polar (then it is its own parent); limits that are not positive; more than
        400 atoms in the primitive cell.
    """
    arrays = to_arrays(structure)
    if arrays.cell is None:
        raise TopologyError("a molecule has no space group", where=arrays.formula, remedy="give a crystal")
    for name, value in (("largest", largest), ("strain", strain), ("seconds", seconds)):
        if not (math.isfinite(value) and value > 0):
            raise TopologyError(f"{name} is {value!r}", where="nonpolar_parents", remedy="give a positive number")
    if isinstance(each, bool) or int(each) != each or each < 1:
        raise TopologyError(f"each is {each!r}", where="nonpolar_parents", remedy="give a whole number from 1")
    own = space_group(arrays, _TOLERANCE)
    if own.number not in POLAR:
        raise TopologyError(
            f"{own.symbol} is not polar", where=arrays.formula, remedy="give a polar crystal, or use md.crystal_modes"
        )
    start = _start(arrays)
    found = _climb(start, largest, strain, time.monotonic() + seconds, int(each))
    kept = [s for s in found if polar_too or s.number not in POLAR]
    parents = [_parent(start, s) for s in kept]
    return tuple(sorted(parents, key=_order))


def _order(parent: Parent) -> tuple:
    # a parent and its own supergroups often move the farthest atom alike: of these the most symmetric is the answer
    return (round(parent.largest, 1), -parent.group.number, round(parent.largest, 4), parent.strain)


def _climb(start: _State, largest: float, strain: float, end: float, each: int) -> list[_State]:
    """The states reached, the nearest `each` of every space group and cell size."""
    seen: set[tuple] = {start.key}
    best: dict[tuple, list[_State]] = {}
    frontier = [start]
    while frontier and time.monotonic() < end:
        reached: list[_State] = []
        for state in frontier:
            for fresh in _steps_up(state, start, largest, strain, end):
                if fresh.key in seen:
                    continue
                seen.add(fresh.key)
                reached.append(fresh)
                best.setdefault((fresh.number, len(fresh.numbers)), []).append(fresh)
        reached.sort(key=lambda s: (round(s.cost, 6), -s.number))
        # the nearest of each kind first, so that one family of near-copies does not fill the beam
        kinds: dict[tuple, int] = {}
        ranked = []
        for s in reached:
            kinds[s.number, len(s.numbers)] = place = kinds.get((s.number, len(s.numbers)), -1) + 1
            ranked.append((place, s))
        ranked.sort(key=lambda x: x[0])
        frontier = [s for _, s in ranked[:_BEAM]]
    return [s for states in best.values() for s in sorted(states, key=lambda s: round(s.cost, 6))[:each]]


def _steps_up(state: _State, start: _State, largest: float, strain: float, end: float) -> list[_State]:
    """States whose group is that of `state` and one operation more."""
    cell = np.linalg.cholesky(state.metric)
    matrices, changes = near_matrices(state.metric, strain)
    chosen = coset_matrices(matrices, np.unique(state.group.rotations, axis=0))
    matrices, changes = matrices[chosen], changes[chosen]
    values, counts = np.unique(state.numbers, return_counts=True)
    kinds = [np.flatnonzero(state.numbers == values[k]) for k in np.lexsort((values, counts))]
    anchors = _anchors(state, kinds)
    furthest = _RMS * 2 * largest

    turned = np.einsum("gij,nj->gni", state.group.rotations, state.fractional)
    carried = state.fractional[state.group.permutations] + state.group.steps
    shifts = (state.group.rotations, (carried - turned).mean(axis=1))

    def over() -> bool:
        return time.monotonic() > end

    candidates = near_operations(matrices, changes, state.fractional, cell, kinds, anchors, shifts, furthest, over)
    seeds = generators(state.group)
    out: list[_State] = []
    covered: set[int] = set()
    groups: set[frozenset[int]] = set()

    def allowed(operations: Operations) -> bool:
        return float(operations.misses(state.fractional, cell).max()) <= furthest

    for _, operation in candidates[:_TRIES]:
        if len(out) >= _BRANCHES or over():
            break
        if operation.keys()[0] in covered:
            continue
        covered.update(state.group.after(operation).keys())
        group = closure(state.group, seeds, operation, counts, allowed)
        if group is None or (name := frozenset(group.keys())) in groups:
            continue
        groups.add(name)
        fresh = _averaged_state(state, start, group, largest, strain)
        if fresh is not None:
            out.append(fresh)
    return out


def _anchors(state: _State, kinds: list[np.ndarray]) -> list[tuple[int, np.ndarray]]:
    """Sites to be carried onto one another: one of each orbit of the rarest elements."""
    out: list[tuple[int, np.ndarray]] = []
    size = 0
    for rows in kinds:
        left = set(rows.tolist())
        while left:
            site = min(left)
            left -= set(state.group.permutations[:, site].tolist())
            out.append((site, rows))
            size += len(rows)
            if size >= 48:
                return out
    return out


def _start(arrays: AtomArrays) -> _State:
    found = dataset(arrays, _TOLERANCE).prim_std_cell
    from motifdesk.motifs.detection.neighbours import reduce_cell

    short, change = reduce_cell(np.array(found.basis))
    fractional = np.array(found.positions) @ np.linalg.inv(change)
    numbers = np.array(found.numbers, dtype=np.int64)
    if len(numbers) > _MOST_ATOMS:
        raise TopologyError(
            f"{len(numbers)} atoms in the primitive cell are more than {_MOST_ATOMS}",
            where=arrays.formula,
            remedy="give a smaller crystal",
        )
    sites = np.arange(len(numbers))
    state = _State(
        numbers=numbers,
        fractional=fractional,
        metric=short @ short.T,
        basis=np.eye(3),
        sites=sites,
        offsets=np.zeros((len(numbers), 3)),
        moved=fractional,
        group=None,  # type: ignore[arg-type]
        number=0,
        symbol="",
        largest=0.0,
        rms=0.0,
        strain=0.0,
        cost=0.0,
        start_metric=short @ short.T,
        shortest=_shortest(fractional, short),
    )
    operations, state.number, state.symbol = _symmetry(state.numbers, state.fractional, state.metric)
    state.group = operations
    return state


def _shortest(fractional: np.ndarray, cell: np.ndarray) -> float:
    """The shortest distance of two atoms in a nearly reduced cell, Angstrom; of one atom from its image."""
    delta = fractional[:, None] - fractional
    distances = np.linalg.norm((delta - np.rint(delta)) @ cell, axis=2)
    np.fill_diagonal(distances, np.linalg.norm(cell, axis=1).min())
    return float(distances.min())


def _symmetry(numbers: np.ndarray, fractional: np.ndarray, metric: np.ndarray) -> tuple[Operations, int, str]:
    cell = np.linalg.cholesky(metric)
    found = dataset(AtomArrays(numbers, fractional @ cell, cell), _TOLERANCE)
    rotations = np.array(found.operations.rotations, dtype=np.int64)
    translations = np.array(found.operations.translations)
    return labelled(rotations, translations, fractional, numbers, cell), int(found.number), short_symbol(found)


def _averaged_state(state: _State, start: _State, group: Operations, largest: float, strain: float) -> _State | None:
    fractional, metric = averaged(state.fractional, state.metric, group)
    inverse = np.linalg.inv(state.basis)
    full = inverse @ metric @ inverse.T  # the metric of the start's cell now
    root = np.linalg.inv(np.linalg.cholesky(full))
    logs = 0.5 * np.log(np.linalg.eigvalsh(root @ start.start_metric @ root.T))
    if np.abs(logs).max() > strain:
        return None
    moved = (fractional[state.sites] + state.offsets) @ state.basis
    delta = start.fractional - moved
    delta -= delta.mean(axis=0)
    moved = start.fractional - delta
    squares = np.einsum("ni,ij,nj->n", delta, start.start_metric, delta)
    if squares.max() > largest**2:
        return None
    spacing = abs(np.linalg.det(start.start_metric)) ** (1 / 3) / len(start.numbers) ** (2 / 3)
    cost = float(squares.mean() + squares.max() / 4 + spacing * (logs**2).sum())
    if _shortest(fractional, np.linalg.cholesky(metric)) < 0.5 * start.shortest:  # atoms that have merged
        return None
    reduced = _primitive(state, fractional, metric, group)
    if reduced is None:
        return None
    numbers, fractional, metric, basis, sites, offsets = reduced
    try:
        operations, number, symbol = _symmetry(numbers, fractional, metric)
    except StructureError:
        return None
    return _State(
        numbers,
        fractional,
        metric,
        basis,
        sites,
        offsets,
        moved,
        operations,
        number,
        symbol,
        float(np.sqrt(squares.max())),
        float(np.sqrt(squares.mean())),
        float(np.abs(logs).max()),
        cost,
        start.start_metric,
        start.shortest,
    )


def _primitive(state: _State, fractional: np.ndarray, metric: np.ndarray, group: Operations) -> tuple | None:
    """Numbers, positions, metric, basis, sites, offsets of the reduced primitive cell of an averaged crystal."""
    from motifdesk.motifs.paths.lattice_maps import integer_lattice, reduce_basis

    pure = np.flatnonzero((group.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2)))
    shifts = (fractional[group.permutations[pure]] + group.steps[pure] - fractional).mean(axis=1)
    order = len(pure)
    rows = np.concatenate([np.rint(shifts * order).astype(np.int64), order * np.eye(3, dtype=np.int64)])
    basis = integer_lattice(rows) / order
    cell = np.linalg.cholesky(metric)
    basis = reduce_basis(basis @ cell) @ basis
    if abs(abs(np.linalg.det(basis)) * order - 1) > 1e-6:
        return None
    images = group.permutations[pure].min(axis=0)  # the first site that translations carry each one to
    kept = np.unique(images)
    inner = fractional @ np.linalg.inv(basis)
    slot = np.searchsorted(kept, images)
    offsets = np.rint(inner - inner[kept][slot])
    if np.abs(inner - inner[kept][slot] - offsets).max() > 1e-4:
        return None
    combined = offsets[state.sites] + state.offsets @ np.linalg.inv(basis)
    if np.abs(combined - np.rint(combined)).max() > 1e-4:
        return None
    return (
        state.numbers[kept],
        inner[kept],
        basis @ metric @ basis.T,
        basis @ state.basis,
        slot[state.sites],
        np.rint(combined),
    )


def _parent(start: _State, state: _State) -> Parent:
    cell = np.linalg.cholesky(state.metric)
    full = np.linalg.inv(state.basis) @ cell
    short = np.linalg.cholesky(start.start_metric)
    return Parent(
        structure=from_arrays(AtomArrays(state.numbers, state.fractional @ cell, cell)),
        group=SpaceGroup(state.number, state.symbol, _TOLERANCE),
        largest=state.largest,
        strain=state.strain,
        polar=state.number in POLAR,
        rms=state.rms,
        index=round(len(start.numbers) / len(state.numbers)),
        reference=from_arrays(AtomArrays(start.numbers, state.moved @ full, full)),
        crystal=from_arrays(AtomArrays(start.numbers, start.fractional @ short, short)),
    )
