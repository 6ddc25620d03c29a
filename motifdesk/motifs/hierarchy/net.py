"""Periodic nets: nodes and links modulo lattice translations, their coordination sequences, cycles and rings.

A net is a *quotient graph* with integer vectors on its edges (S. J. Chung, T. Hahn and W. E. Klee, Acta Cryst. A40, 42
(1984)): everything here is exact integer arithmetic on it, coordinates play no part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from motifdesk.structures.errors import MotifError

from .cycles import AngleRing, Place, angle_rings, shortest_cycles
from .lattices import RowLattice, components

_LARGEST = 14
_SHELLS = 64
_KINDS_TOLD = 40


@dataclass(frozen=True)
class Node:
    """A node of a net. label: for people ("Si", "O", "C2O4"). site: the atom at its heart, -1 where there is no one
    atom. motif: index in ``graph.motifs``, -1 where the node is no motif (a ligand atom, a linker). orbit: nodes of one
    orbit (0 or more) are known to be symmetric images of each other."""

    label: str
    site: int = -1
    motif: int = -1
    orbit: int = -1


@dataclass(frozen=True, eq=False)
class Net:
    """A periodic net as a quotient graph.

    nodes: one per node of the cell. edges: (a, b, image), node ``b`` in the cell ``image`` is linked with node ``a`` in
    the home cell; each link once, no loops to oneself, no parallel links. how: the sentence that says what nodes and
    links are.

    A node is named by its index in ``nodes``, or by the :class:`motifdesk.motifs.Motif` that stands there.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int, tuple[int, int, int]], ...]
    how: str = ""

    def __repr__(self) -> str:
        words = ("finite", "a chain", "a layer", "three-periodic")
        return f"Net({self.symbol}: {len(self.nodes)} nodes, {len(self.edges)} links, {words[self.dimensionality]})"

    def __len__(self) -> int:
        return len(self.nodes)

    def index(self, node: object) -> int:
        """Position of a node in ``nodes``. MotifError for a node that is not in this net."""
        if hasattr(node, "centre") and hasattr(node, "index"):
            for k, own in enumerate(self.nodes):
                if own.motif == node.index and own.site == node.centre:
                    return k
            raise MotifError(
                f"{node!r} is no node of this net",
                where=self.how,
                remedy="ask graph.net(centre=...) for a net that holds it",
            )
        if isinstance(node, bool) or not isinstance(node, (int, np.integer)) or not 0 <= node < len(self.nodes):
            last = len(self.nodes) - 1
            remedy = f"choose 0 to {last}" if last >= 0 else "this net has no node; choose other centres"
            raise MotifError(f"there is no node {node!r}", where=repr(self), remedy=remedy)
        return int(node)

    @cached_property
    def adjacency(self) -> tuple[tuple[Place, ...], ...]:
        """For each node of the home cell its neighbours as (node, i, j, k), sorted."""
        near: list[set[Place]] = [set() for _ in self.nodes]
        for a, b, (i, j, k) in self.edges:
            near[a].add((b, i, j, k))
            near[b].add((a, -i, -j, -k))
        return tuple(tuple(sorted(x)) for x in near)

    def coordination(self, node: object) -> int:
        """Number of neighbours of a node."""
        return len(self.adjacency[self.index(node)])

    @cached_property
    def _components(self) -> list[tuple[list[int], RowLattice]]:
        return components(range(len(self.nodes)), self.edges)

    @property
    def dimensionality(self) -> int:
        """Rank of the translations that carry a component onto itself: 0 finite, 1 chain, 2 layer, 3; the largest."""
        return max((lattice.rank for _, lattice in self._components), default=0)

    @property
    def copies(self) -> int:
        """How many separate, interpenetrating three-periodic nets there are (cuprite: 2); 0 without such a net."""
        return sum(lattice.index for _, lattice in self._components if lattice.rank == 3)

    def coordination_sequence(self, node: object, shells: int = 6) -> tuple[int, ...]:
        """How many nodes lie 1, 2, ... `shells` links away, by breadth-first search over images (exact).

        Diamond: 4, 12, 24, 42, 64, 92. MotifError for less than one shell or more than 64.
        """
        if isinstance(shells, bool) or not isinstance(shells, (int, np.integer)) or not 1 <= shells <= _SHELLS:
            raise MotifError(f"{shells!r} shells", where="coordination_sequence", remedy=f"ask for 1 to {_SHELLS}")
        return self._sequence(self.index(node), int(shells))

    def _sequence(self, start: int, shells: int) -> tuple[int, ...]:
        """Shell k + 1 is the neighbours of shell k that are neither in it nor in shell k - 1; places as int64 keys."""
        n, reach = len(self.nodes), 1 + int(np.abs(self._flat[3]).max(initial=0))
        width = 2 * shells * reach + 3
        if n * width**3 >= 2**62:  # images of astronomic size: a cell so skewed that keys would not fit
            return self._sequence_by_sets(start, shells)
        strides = np.array([n * width * width, n * width, n], dtype=np.int64)
        degree, first, change, images = self._flat
        # key(place) = node + image . strides; a step from node a adds (b - a) + image . strides
        step = change + images @ strides
        home = int(strides.sum()) * (width // 2)
        before: np.ndarray = np.zeros(0, dtype=np.int64)
        now: np.ndarray = np.array([start + home], dtype=np.int64)
        out = []
        for _ in range(shells):
            node = now % n
            count = degree[node]
            at = np.repeat(first[node] - np.cumsum(count) + count, count) + np.arange(count.sum())
            found = np.unique(np.repeat(now, count) + step[at])
            found = found[~(np.isin(found, now, assume_unique=True) | np.isin(found, before, assume_unique=True))]
            before, now = now, found
            out.append(len(now))
        return tuple(out)

    @cached_property
    def _flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Neighbours of all nodes after each other: how many, where each node's begin, b - a, images [L, 3]."""
        degree = np.array([len(x) for x in self.adjacency], dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(degree)])
        ends = np.array([place for near in self.adjacency for place in near], dtype=np.int64).reshape(-1, 4)
        return degree, first, ends[:, 0] - np.repeat(np.arange(len(degree)), degree), ends[:, 1:]

    def _sequence_by_sets(self, start: int, shells: int) -> tuple[int, ...]:
        before: set[Place] = set()
        now: set[Place] = {(start, 0, 0, 0)}
        out = []
        for _ in range(shells):
            found = {(b, x + i, y + j, z + k) for a, x, y, z in now for b, i, j, k in self.adjacency[a]}
            before, now = now, found - now - before
            out.append(len(now))
        return tuple(out)

    def angles(self, node: object, largest: int = _LARGEST) -> tuple[AngleRing, ...]:
        """The smallest rings at every angle of a node (every pair of its links).

        A *ring* is a cycle without a short cut: no two of its nodes are nearer through the net than along the cycle
        (so it is not the sum of two smaller cycles; M. O'Keeffe and S. T. Hyde, Zeolites 19, 370 (1997); the "strong"
        rings, not the sum of any number of smaller ones, are a subset). Angles whose smallest ring is above `largest`,
        or that have none (two opposite links of the primitive cubic net), get size 0.
        """
        return angle_rings(self.adjacency, self.index(node), largest)

    def ring_sizes(self, node: object, largest: int = _LARGEST) -> tuple[int, ...]:
        """Size of the smallest ring at each angle, ascending; angles without a ring are left out. See :meth:`angles`.

        Honeycomb: 6, 6, 6. Quartz: 6, 6, 6, 6, 8, 8.
        """
        return tuple(sorted(x.size for x in self.angles(node, largest) if x.size))

    def vertex_symbol(self, node: object, largest: int = _LARGEST) -> str:
        """O'Keeffe's vertex symbol: smallest ring at each angle, their number as subscript, "*" where there is none.

        Diamond: "6_2.6_2.6_2.6_2.6_2.6_2"; quartz: "6.6.6_2.6_2.8_7.8_7" (opposite angles of four-coordinated nodes
        side by side).
        """
        found = self.angles(node, largest)
        order = sorted(found, key=_by_size)
        if self.coordination(node) == 4:
            ends = sorted({x.first for x in found} | {x.second for x in found})
            first = [x for x in found if ends[0] in (x.first, x.second)]
            pairs = []
            for x in first:
                rest = [e for e in ends if e not in (x.first, x.second)]
                other = next(y for y in found if {y.first, y.second} == set(rest))
                pairs.append(sorted((x, other), key=_by_size))
            order = [x for pair in sorted(pairs, key=lambda p: (_by_size(p[0]), _by_size(p[1]))) for x in pair]
        return ".".join("*" if not x.size else f"{x.size}" + (f"_{x.count}" if x.count > 1 else "") for x in order)

    def point_symbol(self, node: object, largest: int = _LARGEST) -> str:
        """Point (Schlaefli) symbol: length of the shortest *cycle* at each angle with its multiplicity, "4^12.6^3".

        V. A. Blatov, M. O'Keeffe and D. M. Proserpio, CrystEngComm 12, 44 (2010). Diamond: "6^6"; quartz: "6^4.8^2".
        Angles without a cycle of up to `largest` (those of chains) are "*". Fewer than two links: "".
        """
        sizes = Counter(shortest_cycles(self.adjacency, self.index(node), largest))
        order = sorted(sizes, key=lambda s: s or largest + 1)
        return ".".join(f"{s or '*'}" + (f"^{sizes[s]}" if sizes[s] > 1 else "") for s in order)

    def simplified(self) -> Net:
        """Without ends and bridges: nodes of one link are taken off (again and again), nodes of two become links.

        Cuprite's Cu-O net with linear copper becomes two diamond nets. Rings and coordination sequences of nets in the
        literature are of nets in this form. A net of nothing else (a chain, a ring) stays as it is.
        """
        return self._simplified

    @cached_property
    def _simplified(self) -> Net:
        near = {k: set(places) for k, places in enumerate(self.adjacency)}
        waiting = [k for k in near if len(near[k]) <= 2]
        while waiting:
            k = waiting.pop()
            if k not in near or len(near[k]) > 2:
                continue
            ends = sorted(near[k])
            if len(ends) == 2:
                (a, *i), (b, *j) = ends
                image = tuple(y - x for x, y in zip(i, j, strict=True))
                loop = a == b and (not any(image) or a == k)
                if loop or (b, *image) in near[a]:  # the link would fall on another or on its own node
                    continue
                near[a].add((b, *image))  # type: ignore[arg-type]
                near[b].add((a, *(-x for x in image)))  # type: ignore[arg-type]
            for a, *i in ends:
                near[a].discard((k, *(-x for x in i)))
                if a != k and len(near[a]) <= 2:
                    waiting.append(a)
            del near[k]
        kept = sorted(near)
        if len(kept) == len(self.nodes) or not any(near.values()):
            return self
        index = {k: n for n, k in enumerate(kept)}
        edges = [(index[a], index[b], (i, j, k)) for a in kept for b, i, j, k in near[a]]
        return make_net([self.nodes[k] for k in kept], edges, f"{self.how}; nodes of two links are links")

    @cached_property
    def name(self) -> str | None:
        """The RCSR symbol ("dia", "pcu", "qtz") where the net is one of the famous ones, else None.

        Recognised by dimensionality, coordination sequences (10 shells) and point symbols of all its nodes; no two nets
        of the table agree in them.
        """
        from .net_names import recognise

        return recognise(self.simplified())

    @property
    def symbol(self) -> str:
        """The RCSR symbol, or the point symbols of the kinds of node with their shares: "{4^12.6^3}"."""
        if self.name:
            return self.name + (f", {self.copies} interpenetrating" if self.copies > 1 else "")
        if not self.edges:
            return "no links"
        if self.dimensionality == 1 and {len(x) for x in self.adjacency} == {2}:
            return "simple chain"
        if len(self.kinds) > _KINDS_TOLD:
            return f"{len(self.kinds)} kinds of node"
        kinds: Counter[str] = Counter()
        for members in self.kinds:
            kinds[self.point_symbol(members[0], 12) or "-"] += len(members)
        divisor = int(np.gcd.reduce(list(kinds.values())))
        told = [(symbol, n // divisor) for symbol, n in sorted(kinds.items(), key=lambda x: (len(x[0]), x[0]))[:6]]
        return "".join(f"{{{symbol}}}" + (str(n) if n > 1 else "") for symbol, n in told)

    @cached_property
    def kinds(self) -> tuple[tuple[int, ...], ...]:
        """Nodes grouped by label and coordination sequence (6 shells): the kinds of node that topology tells apart."""
        found: dict[tuple, list[int]] = {}
        known: dict[int, tuple[int, ...]] = {}
        for k, node in enumerate(self.nodes):
            sequence = known.get(node.orbit) or self._sequence(k, 6)
            if node.orbit >= 0:
                known[node.orbit] = sequence
            found.setdefault((node.label, sequence), []).append(k)
        return tuple(tuple(x) for x in found.values())

    def rings(self, largest: int = 12) -> tuple[tuple[Place, ...], ...]:
        """Every ring that is a smallest one at some angle, once per cell: (node, i, j, k) of its corners in order."""
        out: dict[tuple[Place, ...], tuple[Place, ...]] = {}
        for k in range(len(self.nodes)):
            for angle in angle_rings(self.adjacency, k, largest):
                for ring in angle.rings:
                    out.setdefault(_home(ring), ring)
        return tuple(sorted(out.values(), key=lambda r: (len(r), r)))


def _by_size(ring: AngleRing) -> tuple[int, int]:
    return (ring.size or 10**6, ring.count)


def _home(ring: Sequence[Place]) -> tuple[Place, ...]:
    """A ring up to translation: its places, sorted, moved so that the first lies in the home cell."""
    best = []
    least = min(x[0] for x in ring)
    for node, i, j, k in ring:
        if node == least:
            best.append(tuple(sorted((n, x - i, y - j, z - k) for n, x, y, z in ring)))
    return min(best)


def make_net(nodes: Sequence[Node], edges: Sequence[tuple[int, int, tuple[int, int, int]]], how: str = "") -> Net:
    """A Net with every link once: parallel links and links of a node with itself in the same place fall away."""
    seen = set()
    for a, b, image in edges:
        back = (-image[0], -image[1], -image[2])
        if a != b or image != (0, 0, 0):
            seen.add(min((a, b, image), (b, a, back)))
    return Net(tuple(nodes), tuple(sorted(seen)), how)
