"""The climb of `parents`: from a crystal to more and more symmetric ones, one operation at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import StructureError, TopologyError
from motifdesk.structures.symmetry import dataset, short_symbol

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

#: Angstrom, within which operations of an averaged crystal hold
TOLERANCE = 1e-3
_MOST_ATOMS = 400
#: states kept of one generation, and groups and operations that a state is extended by
_BEAM, _BRANCHES, _TRIES = 12, 30, 100
#: root mean square displacement over the largest one: above this no operation is looked at
_RMS = 0.7


@dataclass(eq=False)
class State:
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


def climb(start: State, largest: float, strain: float, end: float, each: int) -> list[State]:
    """The states reached before the time `end` (`time.monotonic`), the nearest `each` of every space group and size."""
    seen: set[tuple] = {start.key}
    best: dict[tuple, list[State]] = {}
    frontier = [start]
    while frontier and time.monotonic() < end:
        reached: list[State] = []
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


def _steps_up(state: State, start: State, largest: float, strain: float, end: float) -> list[State]:
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
    out: list[State] = []
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


def _anchors(state: State, kinds: list[np.ndarray]) -> list[tuple[int, np.ndarray]]:
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


def starting(arrays: AtomArrays) -> State:
    found = dataset(arrays, TOLERANCE).prim_std_cell
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
    state = State(
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
    found = dataset(AtomArrays(numbers, fractional @ cell, cell), TOLERANCE)
    rotations = np.array(found.operations.rotations, dtype=np.int64)
    translations = np.array(found.operations.translations)
    return labelled(rotations, translations, fractional, numbers, cell), int(found.number), short_symbol(found)


def _averaged_state(state: State, start: State, group: Operations, largest: float, strain: float) -> State | None:
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
    return State(
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


def _primitive(state: State, fractional: np.ndarray, metric: np.ndarray, group: Operations) -> tuple | None:
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
