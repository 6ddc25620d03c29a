"""Shortest cycles and rings at the angles of a periodic net, exactly, on its quotient graph.

A place is (node, i, j, k): a node of the quotient graph and the cell it is in. A *ring* is a cycle without a short cut:
every two of its places are as far from each other through the net as along the cycle (the shortest-path rings of
D. S. Franzblau, Phys. Rev. B 44, 4925 (1991), the rings of O'Keeffe's vertex symbols). Antipodal places suffice as a
check: a path that is a shortest one has only shortest ones inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from motifdesk.structures.errors import MotifError

Place = tuple[int, int, int, int]
Adjacency = Sequence[Sequence[Place]]

_LIMIT = 200_000  # rings tried at one angle: a net far beyond any crystal's is refused, not searched for ever


@dataclass(frozen=True)
class AngleRing:
    """The smallest rings at one angle: first, second: the two neighbours. size: nodes of the ring, 0 where there is
    none. count: how many of that size. rings: their places in order, starting at the node."""

    first: Place
    second: Place
    size: int
    count: int
    rings: tuple[tuple[Place, ...], ...]


class Distances:
    """Distances through the net up to a reach, from any place: one growing breadth-first ball per quotient node."""

    def __init__(self, adjacency: Adjacency):
        self.adjacency = adjacency
        self._balls: dict[int, tuple[dict[Place, int], list[list[Place]]]] = {}

    def shells(self, node: int, reach: int) -> tuple[dict[Place, int], list[list[Place]]]:
        """The ball around a node of the home cell, place -> distance, and its shells 0 to (at least) `reach`."""
        ball, shells = self._balls.setdefault(node, ({(node, 0, 0, 0): 0}, [[(node, 0, 0, 0)]]))
        while len(shells) <= reach:
            found = []
            for place in shells[-1]:
                for there in self.near(place):
                    if there not in ball:
                        ball[there] = len(shells)
                        found.append(there)
            shells.append(found)
        return ball, shells

    def near(self, place: Place) -> list[Place]:
        node, x, y, z = place
        return [(b, x + i, y + j, z + k) for b, i, j, k in self.adjacency[node]]

    def within(self, a: Place, b: Place, reach: int) -> int:
        """Distance from a to b, or `reach` + 1 when it is larger than `reach`."""
        ball, _ = self.shells(a[0], reach)
        return min(ball.get((b[0], b[1] - a[1], b[2] - a[2], b[3] - a[3]), reach + 1), reach + 1)


def shortest_cycles(adjacency: Adjacency, node: int, largest: int) -> list[int]:
    """Length of the shortest cycle at every angle of a node of the home cell; 0 where none of up to `largest` is.

    The shortest way from one end of the angle to the other that does not pass the node, plus two.
    """
    home = (node, 0, 0, 0)
    distances = Distances(adjacency)
    ends = adjacency[node]
    out = []
    for k, start in enumerate(ends):
        waiting = set(ends[k + 1 :])
        found: dict[Place, int] = {}
        seen, now, steps = {home, start}, [start], 0
        while waiting and now and steps + 2 < largest:
            steps += 1
            following = []
            for place in now:
                for there in distances.near(place):
                    if there not in seen:
                        seen.add(there)
                        following.append(there)
                        if there in waiting:
                            found[there] = steps + 2
                            waiting.discard(there)
            now = following
        out += [found.get(end, 0) for end in ends[k + 1 :]]
    return out


def angle_rings(adjacency: Adjacency, node: int, largest: int, distances: Distances | None = None) -> tuple:
    """:class:`AngleRing` for every pair of neighbours of a node of the home cell, smallest rings of up to `largest`.

    MotifError when more than 200,000 ways have to be tried at one angle.
    """
    if not 3 <= largest <= 64:
        raise MotifError(f"rings of up to {largest} nodes", where="rings of a net", remedy="ask for 3 to 64")
    d = distances or Distances(adjacency)
    return tuple(_angle(d, (node, 0, 0, 0), u, w, largest) for u, w in combinations(adjacency[node], 2))


def _angle(d: Distances, v: Place, u: Place, w: Place, largest: int) -> AngleRing:
    """Grow the ring size until rings exist. An even ring 2k has one place opposite v, at k from v and k - 1 from u and
    w; an odd one 2k + 1 has two, linked, each nearer to its own end."""
    to_u: list[Place] = []
    if d.within(u, w, 1) == 1:
        return AngleRing(u, w, 3, 1, ((v, u, w),))
    for size in range(4, largest + 1):  # an odd size follows the even one with the same k, and takes its `to_u`
        k = size // 2
        ball, shells = d.shells(v[0], k)
        if not shells[k]:
            break
        if size % 2 == 0:
            # the places at k - 1 from u are a shell of u's ball: far fewer than the shell of v
            (_, around), (ball_w, _) = d.shells(u[0], k), d.shells(w[0], k)
            _, ux, uy, uz = u
            _, wx, wy, wz = w
            to_u = []
            tops = []
            for node, x, y, z in around[k - 1]:
                m = (node, x + ux, y + uy, z + uz)
                if ball.get(m) == k:
                    to_u.append(m)
                    if ball_w.get((node, m[1] - wx, m[2] - wy, m[3] - wz)) == k - 1:
                        tops.append((m, m))
        else:
            tops = [
                (m, n)
                for m in to_u
                if d.within(w, m, k) == k
                for n in d.near(m)
                if ball.get(n) == k and d.within(w, n, k) == k - 1 and d.within(u, n, k) == k
            ]
        rings = []
        for m, n in tops:
            rings += _between(d, v, u, w, m, n, size)
        if rings:
            return AngleRing(u, w, size, len(rings), tuple(rings))
    return AngleRing(u, w, 0, 0, ())


def _between(d: Distances, v: Place, u: Place, w: Place, m: Place, n: Place, size: int) -> list[tuple[Place, ...]]:
    """Rings v, u ... m (n) ... w of the given size."""
    half = size // 2
    out = []
    tried = 0
    reach = half - 1
    for left in _ways(d, u, m, reach):
        ring_left = (v, *left)  # places 0 ... half
        for right in _ways(d, w, n, reach):
            tried += 1
            if tried > _LIMIT:
                raise MotifError(
                    f"more than {_LIMIT} ways for one {size}-ring", where="rings of a net", remedy="lower `largest`"
                )
            back = right[::-1] if size % 2 else right[-2::-1]
            ring = (*ring_left, *back)
            if len(set(ring)) == size and all(
                d.within(ring[i], ring[(i + half) % size], half) == half for i in range(1, size if size % 2 else half)
            ):
                out.append(ring)
    return out


def _ways(d: Distances, a: Place, b: Place, far: int) -> Iterator[tuple[Place, ...]]:
    """Every shortest way from a to b, `far` links, both included."""
    if far == 0:
        yield (a,)
        return
    for there in d.near(a):
        if d.within(b, there, far) == far - 1:
            for rest in _ways(d, there, b, far - 1):
                yield (a, *rest)


def cycle_basis(bonds: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Minimum cycle basis of a finite graph: each ring's nodes ascending, shortest rings first.

    J. D. Horton, SIAM J. Comput. 16, 358 (1987): the cycles of two shortest paths from one node and the link between
    their ends hold a minimum basis; taken by length, each that is no sum (modulo 2) of those before it.
    """
    near: dict[int, set[int]] = {}
    for a, b in bonds:
        if a != b:
            near.setdefault(a, set()).add(b)
            near.setdefault(b, set()).add(a)
    ends = [a for a in near if len(near[a]) == 1]
    while ends:  # rings have no ends
        a = ends.pop()
        for b in near.pop(a, ()):
            near[b].discard(a)
            if len(near[b]) == 1:
                ends.append(b)
    near = {a: x for a, x in near.items() if x}
    edges = {pair: 1 << n for n, pair in enumerate(sorted((a, b) for a in near for b in near[a] if a < b))}
    wanted = len(edges) - len(near) + _pieces(near)
    candidates = {}
    for v in near:
        way = {v: (0, frozenset((v,)))}  # links as bits, nodes
        queue = [v]
        for a in queue:
            for b in sorted(near[a]):
                if b not in way:
                    way[b] = (way[a][0] | edges[min(a, b), max(a, b)], way[a][1] | {b})
                    queue.append(b)
        for (a, b), bit in edges.items():
            if a in way and b in way and len(way[a][1] & way[b][1]) == 1:
                links = way[a][0] | way[b][0] | bit
                if links.bit_count() > 2:
                    candidates[links] = tuple(sorted(way[a][1] | way[b][1]))
    pivots: dict[int, int] = {}
    out: list[tuple[int, ...]] = []
    for links, nodes in sorted(candidates.items(), key=lambda x: (len(x[1]), x[1], x[0])):
        if len(out) == wanted:
            break
        rest = links
        while rest and (top := rest.bit_length()) in pivots:
            rest ^= pivots[top]
        if rest:
            pivots[rest.bit_length()] = rest
            out.append(nodes)
    return tuple(out)


def _pieces(near: dict[int, set[int]]) -> int:
    """Connected components."""
    seen: set[int] = set()
    count = 0
    for start in near:
        count += start not in seen
        queue = [start]
        while queue:
            a = queue.pop()
            if a not in seen:
                seen.add(a)
                queue += near[a] - seen
    return count
