"""Starting structures for a decode: bundled crystals of the same anonymous formula with the species exchanged.

The decoded cell is exact, so a template's fractional coordinates are laid into it, in every basis of the template's
lattice that resembles it; then every sensible assignment of species is tried, and the candidates are ranked by the
distance of their code to the target. Starts that need no corpus: :mod:`motifdesk.codec.free`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from motifdesk.codec.jacobian import EncoderArrays, GeometryMap
from motifdesk.codec.lattice import log_metric, matching_bases, niggli_cell
from motifdesk.codec.templates import TemplateIndex

_MAX_ASSIGNMENTS = 24
_MAX_SCREENED = 256  # templates whose blind code is computed
_MAX_LAID = 32  # templates laid into the decoded cell


@dataclass(frozen=True)
class Proposals:
    """Starting structures of one target, most promising first.

    Attributes:
        positions: float64 [P, N, 3]; cells: float64 [P, 3, 3] or None (Angstrom); atoms in the order of the target's
            sorted numbers. sources: what each was made from. distance: float [P], mean squared code difference.
    """

    positions: np.ndarray
    cells: np.ndarray | None
    sources: tuple[str, ...]
    distance: np.ndarray

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, index: np.ndarray | slice) -> Proposals:
        chosen = np.arange(len(self))[index]
        cells = None if self.cells is None else self.cells[chosen]
        return Proposals(self.positions[chosen], cells, tuple(self.sources[i] for i in chosen), self.distance[chosen])


@dataclass(frozen=True)
class Goal:
    """What a decode aims at: sorted numbers [N], cell [3, 3] or None, standardised geometry code float32 [384]."""

    numbers: np.ndarray
    cell: np.ndarray | None
    block: np.ndarray
    geometry: np.ndarray


def assignments(template: np.ndarray, target: np.ndarray) -> Iterator[np.ndarray]:
    """Orders of the template's atoms that put each of its species on a target species of the same count.

    Yields int [N]: ``positions[order]`` belong to the sorted ``target`` numbers. The assignment that keeps most
    elements where they are comes first, then those that exchange like for like by atomic number.
    """
    kinds, counts = np.unique(template, return_counts=True)
    wanted, needs = np.unique(target, return_counts=True)
    options = []
    for arrangement in itertools.permutations(range(len(kinds))):
        if all(counts[a] == need for a, need in zip(arrangement, needs, strict=True)):
            kept = sum(kinds[a] != w for a, w in zip(arrangement, wanted, strict=True))
            strain = sum(abs(int(kinds[a]) - int(w)) for a, w in zip(arrangement, wanted, strict=True))
            options.append((kept, strain, arrangement))
        if len(options) >= 720:
            break
    for _, _, arrangement in sorted(options)[:_MAX_ASSIGNMENTS]:
        yield np.concatenate([np.flatnonzero(template == kinds[a]) for a in arrangement])


def from_corpus(
    goal: Goal,
    arrays: EncoderArrays,
    index: TemplateIndex,
    version: str,
    *,
    exclude: frozenset[str] = frozenset(),
    keep: int = 8,
    device: torch.device | str = "cpu",
) -> Proposals:
    """The ``keep`` best substituted templates for ``goal`` (fewer, possibly none, when the corpora have no more)."""
    n = len(goal.numbers)
    counts = np.unique(goal.numbers, return_counts=True)[1]
    crystal = goal.cell is not None
    entries = index.group(crystal, counts, exclude)
    blind = goal.geometry[-128:]
    laid: list[tuple[np.ndarray, np.ndarray, str]] = []  # positions, template numbers, source
    if len(entries):
        if crystal and len(entries) > _MAX_SCREENED:
            shapes = np.stack([index.shape(k) for k in entries])
            entries = entries[
                np.argsort(np.linalg.norm(shapes - goal.block[2:], axis=1), kind="stable")[:_MAX_SCREENED]
            ]
        elif len(entries) > 4 * _MAX_SCREENED:
            entries = entries[: 4 * _MAX_SCREENED]
        distance = np.square(index.blind(entries, arrays, version) - blind).mean(1)
        for k in entries[np.argsort(distance, kind="stable")[:_MAX_LAID]]:
            entry = index.entry(int(k))
            for positions in _lay(entry.positions, entry.cell, goal):
                laid.append((positions, entry.numbers, index.ids[k]))
    if crystal and goal.cell is not None:
        laid += _supercells(goal, counts, index, exclude)
    if not laid:
        return Proposals(np.zeros((0, n, 3)), np.zeros((0, 3, 3)) if crystal else None, (), np.zeros(0))
    laid = _distinct(laid, goal, arrays, device, blind, keep=32)
    places: list[np.ndarray] = []
    sources: list[str] = []
    for place, numbers, source in laid:
        for order in assignments(numbers, goal.numbers):
            places.append(place[order])
            sources.append(source)
    return rank(np.stack(places), goal, sources, arrays, keep=keep, device=device)


def rank(
    positions: np.ndarray,
    goal: Goal,
    sources: list[str],
    arrays: EncoderArrays,
    *,
    keep: int,
    device: torch.device | str = "cpu",
) -> Proposals:
    """The ``keep`` starts [P, N, 3] in the decoded cell whose codes are nearest, without duplicates of one code."""
    codes = _codes(positions, goal, goal.numbers, arrays, device, blind_only=False)
    distance = np.square(codes - goal.geometry).mean(1)
    distance[~np.isfinite(distance)] = np.inf
    chosen: list[int] = []
    for k in np.argsort(distance, kind="stable"):
        if np.isfinite(distance[k]) and all(np.square(codes[k] - codes[c]).mean() > 1e-5 for c in chosen):
            chosen.append(int(k))
            if len(chosen) == keep:
                break
    index = np.array(chosen, dtype=np.int64)
    cells = None if goal.cell is None else np.repeat(goal.cell[None], len(index), axis=0)
    return Proposals(positions[index], cells, tuple(sources[i] for i in chosen), distance[index])


def _codes(
    positions: np.ndarray,
    goal: Goal,
    numbers: np.ndarray,
    arrays: EncoderArrays,
    device: torch.device | str,
    blind_only: bool,
) -> np.ndarray:
    geometry = GeometryMap(arrays, numbers, dtype=torch.float32, device=device)
    parts = []
    for start in range(0, len(positions), 64):
        block = torch.from_numpy(positions[start : start + 64]).float().to(device)
        cells = None
        if goal.cell is not None:
            cells = torch.from_numpy(goal.cell).float().to(device).expand(len(block), 3, 3).contiguous()
        parts.append(geometry(block, cells, blind_only=blind_only)[0].cpu().numpy())
    return np.concatenate(parts)


def _lay(positions: np.ndarray, cell: np.ndarray | None, goal: Goal, count: int = 3) -> Iterator[np.ndarray]:
    """A template's atoms in the decoded cell, once for each basis of its lattice that resembles that cell."""
    if cell is None or goal.cell is None:
        yield np.asarray(positions)
        return
    reduced, _ = niggli_cell(cell)
    seen: list[np.ndarray] = []
    for matrix in matching_bases(reduced, goal.cell, count=12, tolerance=0.1):
        basis = matrix @ reduced
        # bases that differ by a symmetry of the template's lattice give the same metric; one of each is enough, the
        # others differ only where the decoded cell has less symmetry than the template's
        metric = log_metric(basis)
        if any(np.abs(metric - other).max() < 1e-4 for other in seen):
            continue
        seen.append(metric)
        yield np.asarray(positions) @ np.linalg.inv(basis) @ goal.cell
        if len(seen) == count:
            return


def _supercells(
    goal: Goal, counts: np.ndarray, index: TemplateIndex, exclude: frozenset[str]
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Templates with 1/2, 1/3 or 1/4 of the atoms, in those supercells whose shape resembles the decoded cell."""
    found = []
    assert goal.cell is not None
    wanted = goal.block[2:]
    for multiple in (2, 3, 4):
        if np.any(counts % multiple):
            continue
        entries = index.group(True, counts // multiple, exclude)
        if len(entries) > 150:  # by every 1 / step-th entry; neighbours in a corpus are unrelated
            entries = entries[:: len(entries) // 150 + 1]
        for k in entries:
            entry = index.entry(int(k))
            reduced, _ = niggli_cell(np.asarray(entry.cell))
            for hermite in _hermite_forms(multiple):
                bigger, _ = niggli_cell(hermite @ reduced)
                distance = float(np.linalg.norm(log_metric(bigger) - wanted))
                if distance < 0.35:
                    found.append((distance, int(k), hermite, bigger))
    found.sort(key=lambda item: (item[0], item[1]))
    laid = []
    for _, k, hermite, bigger in found[:24]:
        entry = index.entry(k)
        shifts = _coset(hermite) @ niggli_cell(np.asarray(entry.cell))[0]
        positions = (entry.positions[None] + shifts[:, None]).reshape(-1, 3)
        numbers = np.tile(entry.numbers, len(shifts))
        for place in _lay(positions, bigger, goal, count=1):
            laid.append((place, numbers, f"{index.ids[k]} x{len(shifts)}"))
    return laid


def _hermite_forms(determinant: int) -> list[np.ndarray]:
    """All Hermite normal forms (lower triangular integer matrices) of this determinant: distinct sublattices."""
    forms = []
    for a in range(1, determinant + 1):
        for b in range(1, determinant // a + 1):
            if determinant % (a * b) == 0:
                c = determinant // (a * b)
                # rows are lattice vectors: entries below a diagonal element are taken modulo it
                forms += [
                    np.array([[a, 0, 0], [d, b, 0], [e, f, c]]) for d in range(a) for e in range(a) for f in range(b)
                ]
    return forms


def _coset(hermite: np.ndarray) -> np.ndarray:
    """Lattice translations of the small cell inside the supercell ``hermite`` (rows): int [det, 3]."""
    inverse = np.linalg.inv(hermite)
    size = int(round(abs(np.linalg.det(hermite))))
    found: dict[tuple[int, ...], np.ndarray] = {}
    for shift in itertools.product(range(size), repeat=3):
        fractional = np.round((np.array(shift) @ inverse) % 1.0 * size).astype(int) % size
        found.setdefault(tuple(fractional.tolist()), np.array(shift))
    return np.array(list(found.values()))


def _distinct(
    laid: list[tuple[np.ndarray, np.ndarray, str]],
    goal: Goal,
    arrays: EncoderArrays,
    device: torch.device | str,
    blind: np.ndarray,
    keep: int,
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """The laid templates with the nearest blind codes, one of each geometry (same code, same element pattern)."""
    codes = _codes(
        np.stack([item[0] for item in laid]),
        goal,
        np.ones(len(goal.numbers), dtype=np.int64),
        arrays,
        device,
        blind_only=True,
    )
    distance = np.square(codes - blind).mean(1)
    chosen: list[int] = []
    for k in np.argsort(distance, kind="stable"):
        twins = [c for c in chosen if np.square(codes[k] - codes[c]).mean() < 1e-4]
        # the same sites can carry another order of species; a few of those are kept
        if np.isfinite(distance[k]) and len(twins) < 2:
            chosen.append(int(k))
            if len(chosen) == keep:
                break
    return [laid[k] for k in chosen]
