"""Assemblies: motif templates laid down in a cell, and what becomes of them when coincident ligands are one atom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.errors import TopologyError

from .templates import Template

#: Angstrom; vertices of two motifs nearer than this are one atom.
MERGE = 0.6
_KIND = {1: "corner", 2: "edge"}


@dataclass(frozen=True, eq=False)
class Placement:
    """A template in space: its centre at `position` (Angstrom), its vertices turned by `rotation` [3, 3] (columns)."""

    template: Template
    position: np.ndarray
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))

    @property
    def vertices(self) -> np.ndarray:
        """float64 [k, 3], Angstrom."""
        return self.position + self.template.vertices @ self.rotation.T


@dataclass(frozen=True)
class Join:
    """Motif `b` in cell `image` shares atoms with motif `a` in the home cell: vertices `of_a` and `of_b`, pair by pair.

    kind: "corner", "edge" or "face"."""

    a: int
    b: int
    image: tuple[int, int, int]
    of_a: tuple[int, ...]
    of_b: tuple[int, ...]

    @property
    def kind(self) -> str:
        return _KIND.get(len(self.of_a), "face")


@dataclass(frozen=True, eq=False)
class Assembly:
    """Placements and single atoms (species, position) in a cell float64 [3, 3], rows, Angstrom."""

    cell: np.ndarray
    placements: tuple[Placement, ...]
    atoms: tuple[tuple[str, tuple[float, float, float]], ...] = ()

    @cached_property
    def merged(self) -> Merged:
        return merge(self)

    @cached_property
    def joins(self) -> tuple[Join, ...]:
        """The quotient graph: every pair of motifs that has atoms in common, each pair once."""
        return self.merged.joins

    @property
    def residual(self) -> float:
        """Angstrom: how far the furthest vertex is from the atom it became."""
        return self.merged.residual

    def sharing(self, motif: int) -> Counter[str]:
        """kind -> number of joins of a motif; one to its own image counts twice."""
        found: Counter[str] = Counter()
        for join in self.joins:
            found[join.kind] += (join.a == motif) + (join.b == motif)
        return found

    def net(self, kinds: Sequence[str] = ("corner", "edge", "face")) -> Any:
        """The net (`motifdesk.motifs.Net`) of the motifs, linked where they share ligands in one of these ways: its
        RCSR name, coordination sequences and rings."""
        from motifdesk.motifs import Node
        from motifdesk.motifs.hierarchy.net import make_net

        nodes = [Node(p.template.centre or p.template.name) for p in self.placements]
        edges = [(join.a, join.b, join.image) for join in self.joins if join.kind in kinds]
        return make_net(nodes, edges, f"nodes: motifs; links: shared {', '.join(kinds)}")

    def structure(self, extra: Sequence[tuple[str, Any]] = ()) -> Any:
        """pymatgen Structure: centres, merged ligands, single atoms, and `extra` (species, Cartesian position)."""
        from pymatgen.core import Lattice, Structure

        merged = self.merged
        species = [p.template.centre for p in self.placements if p.template.centre]
        positions = [p.position for p in self.placements if p.template.centre]
        species += list(merged.species) + [s for s, _ in self.atoms] + [s for s, _ in extra]
        positions += list(merged.positions) + [np.array(x) for _, x in self.atoms] + [np.array(x) for _, x in extra]
        return Structure(Lattice(self.cell), species, np.array(positions), coords_are_cartesian=True, to_unit_cell=True)

    def composition(self, extra: Mapping[str, int] | None = None) -> Counter[str]:
        out = Counter(p.template.centre for p in self.placements if p.template.centre)
        out.update(self.merged.species)
        out.update(s for s, _ in self.atoms)
        out.update(extra or {})
        return out


@dataclass(frozen=True, eq=False)
class Merged:
    """Ligand atoms after merging: species, positions float64 [n, 3] (Angstrom); residual (Angstrom); joins."""

    species: tuple[str, ...]
    positions: np.ndarray
    residual: float
    joins: tuple[Join, ...]


def merge(assembly: Assembly, tolerance: float = MERGE) -> Merged:
    """Make vertices that coincide (periodically, within `tolerance` Angstrom) one atom each, at their mean.

    Raises
    ------
    TopologyError
        two different species claim one place, or a motif would share a vertex with itself.
    """
    cell, inverse = assembly.cell, np.linalg.inv(assembly.cell)
    owner = np.array([(m, v) for m, p in enumerate(assembly.placements) for v in range(len(p.template.vertices))])
    if not len(owner):
        return Merged((), np.zeros((0, 3)), 0.0, ())
    points = np.concatenate([p.vertices for p in assembly.placements])
    kinds = [assembly.placements[m].template.ligands[v] for m, v in owner]
    fractional = points @ inverse
    whole = np.floor(fractional + 1e-9).astype(np.int64)
    # vertices by cluster: grow from each unassigned vertex; images relative to the first of the cluster
    cluster = np.full(len(points), -1)
    image = np.zeros((len(points), 3), dtype=np.int64)
    species: list[str] = []
    positions: list[np.ndarray] = []
    worst = 0.0
    reduced = fractional - whole
    for first in range(len(points)):
        if cluster[first] >= 0:
            continue
        delta = reduced - reduced[first]
        shift = np.rint(delta)
        near = np.linalg.norm((delta - shift) @ cell, axis=1) < tolerance
        near &= cluster < 0
        rows = np.flatnonzero(near)
        cluster[rows] = len(species)
        # vertex = atom + image: the atom sits in the home cell of the first vertex
        image[rows] = whole[rows] + shift[rows].astype(np.int64)
        place = ((fractional[rows] - image[rows]) @ cell).mean(axis=0)
        worst = max(worst, float(np.linalg.norm((fractional[rows] - image[rows]) @ cell - place, axis=1).max()))
        names = {kinds[r] for r in rows}
        if len(names) > 1:
            where = ", ".join(assembly.placements[owner[r, 0]].template.name for r in rows[:3])
            raise TopologyError(f"{' and '.join(sorted(names))} claim one place", where=where)
        species.append(kinds[first])
        positions.append(place)
    joins = _joins(owner, cluster, image)
    return Merged(tuple(species), np.array(positions), worst, joins)


def _joins(owner: np.ndarray, cluster: np.ndarray, image: np.ndarray) -> tuple[Join, ...]:
    pairs: dict[tuple, list[tuple[int, int]]] = {}
    for atom in range(int(cluster.max()) + 1):
        rows = np.flatnonzero(cluster == atom)
        for n, r in enumerate(rows):
            for s in rows[n + 1 :]:
                a, b = int(owner[r, 0]), int(owner[s, 0])
                # b moved by t has its vertex where a has it: image_b + t = image_a
                t = tuple(int(x) for x in image[r] - image[s])
                va, vb = int(owner[r, 1]), int(owner[s, 1])
                if a == b and t == (0, 0, 0):
                    raise TopologyError(
                        f"motif {a} would share vertex {va} with its own vertex {vb}",
                        where="assembly",
                        remedy="use a longer repeat or another word",
                    )
                back = tuple(-x for x in t)
                if (a, b, t) <= (b, a, back):
                    pairs.setdefault((a, b, t), []).append((va, vb))
                else:
                    pairs.setdefault((b, a, back), []).append((vb, va))
    return tuple(
        Join(a, b, t, tuple(x for x, _ in sorted(shared)), tuple(y for _, y in sorted(shared)))
        for (a, b, t), shared in sorted(pairs.items())
    )
