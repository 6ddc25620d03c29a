"""Operations that map a crystal nearly onto itself, the groups they generate, and the crystal averaged over a group.

An operation is kept exactly, as a symmetry of *labelled* atoms: an integer matrix W of the lattice, a permutation p of
the sites and the lattice vector N that each site is carried over by,

    W x_i + w  ~  x_p(i) + N_i,

so that products need no tolerance, a set of operations that is no space group is told by its growth, and the average
over the group is the nearest crystal that has it (E. Kroumova et al., J. Appl. Cryst. 34, 783 (2001)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from motifdesk.structures.errors import StructureError

_ROWS = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.int64)
#: translations compared for one matrix, those of them that are kept, those settled by assignment over all matrices, and
#: atoms of each element that they are compared by
_SEEDS, _EACH, _SETTLED, _SAMPLE = 40, 16, 200, 16
#: how far a translation may be from where it fits the group, Angstrom
_SNAP = 2.0


@dataclass(frozen=True, eq=False)
class Operations:
    """G operations on n labelled sites. rotations: int64 [G, 3, 3] on fractional columns. permutations: int64 [G, n],
    the site each site goes to. steps: int64 [G, n, 3], the lattice vector that it goes over."""

    rotations: np.ndarray
    permutations: np.ndarray
    steps: np.ndarray

    def __len__(self) -> int:
        return len(self.rotations)

    def keys(self) -> list[int]:
        """A name of each operation modulo lattice translations; a different walk over the lattice is another name."""
        n = self.permutations.shape[1]
        walk = self.steps - self.steps[:, :1]
        weights = _weights(9 + 4 * n)
        with np.errstate(over="ignore"):  # a hash: products wrap around
            names = self.rotations.reshape(-1, 9) @ weights[:9] + self.permutations @ weights[9 : 9 + n]
            names = names + walk.reshape(-1, 3 * n) @ weights[9 + n :]
        return names.tolist()

    def misses(self, fractional: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """float64 [G], A: root mean square distance of the carried sites from those they go to, drift removed."""
        delta = fractional[self.permutations] + self.steps - np.einsum("gij,nj->gni", self.rotations, fractional)
        delta = (delta - delta.mean(axis=1, keepdims=True)) @ cell
        return np.sqrt((delta**2).sum(axis=2).mean(axis=1))

    def after(self, other: Operations) -> Operations:
        """Every product self[a] other[b], [a * b]: first `other`, then self."""
        rotations = np.einsum("aij,bjk->abik", self.rotations, other.rotations)
        permutations = self.permutations[:, other.permutations]
        steps = np.einsum("aij,bnj->abni", self.rotations, other.steps) + self.steps[:, other.permutations]
        n = self.permutations.shape[1]
        return Operations(rotations.reshape(-1, 3, 3), permutations.reshape(-1, n), steps.reshape(-1, n, 3))

    def __getitem__(self, rows: np.ndarray | list[int] | slice) -> Operations:
        return Operations(self.rotations[rows], self.permutations[rows], self.steps[rows])


def joined(parts: list[Operations]) -> Operations:
    """One list of the operations of several."""
    return Operations(
        np.concatenate([x.rotations for x in parts]),
        np.concatenate([x.permutations for x in parts]),
        np.concatenate([x.steps for x in parts]),
    )


@lru_cache(maxsize=64)
def _weights(size: int) -> np.ndarray:
    """int64 [size]: fixed odd random numbers to hash rows of integers with."""
    found = np.random.default_rng(0).integers(-(2**62), 2**62, size) * 2 + 1
    found.setflags(write=False)
    return found


def generators(group: Operations) -> Operations:
    """A few operations that generate a group (closed)."""
    chosen: list[int] = []
    names = group.keys()
    place = {name: k for k, name in enumerate(names)}
    inside: set[int] = set()
    for k in range(len(group)):
        if k in inside:
            continue
        chosen.append(k)
        seeds = group[chosen]
        inside |= {k}
        frontier = [k]
        while frontier:
            fresh = {place[x] for x in seeds.after(group[frontier]).keys()} - inside
            inside |= fresh
            frontier = sorted(fresh)
        # what was inside before was reached by the older seeds alone: carry it on by the new one
        while True:
            fresh = {place[x] for x in seeds.after(group[sorted(inside)]).keys()} - inside
            if not fresh:
                break
            inside |= fresh
    return group[chosen]


def closure(
    group: Operations, seeds: Operations, fresh: Operations, site_counts: np.ndarray, allowed: Callable[..., bool]
) -> Operations | None:
    """The space group that a closed `group` and one more operation generate; None where they generate none.

    seeds: `generators` of `group`. site_counts: atoms of each element. allowed(operations): whether all of these may be
    taken in. A crystal has at most 48 operations for each pure translation, and the translations permute the atoms of
    each element without fixed points: more operations than that show that the labels do not fit together.
    """
    most_translations = int(np.gcd.reduce(site_counts))
    elements = [group]
    names = set(group.keys())
    one = np.eye(3, dtype=np.int64)
    left = joined([seeds, fresh])
    size = len(group)
    frontier = fresh
    while len(frontier):
        if not allowed(frontier):
            return None
        cosets = frontier.after(group)
        table = np.array(cosets.keys()).reshape(len(frontier), len(group))  # left cosets c * group
        kept = []
        for k, row in enumerate(table.tolist()):
            if row[0] in names:
                continue
            names.update(row)
            kept.append(k)
        elements += [cosets[k * len(group) : (k + 1) * len(group)] for k in kept]
        size += len(kept) * len(group)
        if size > 48 * most_translations:
            return None
        if not kept:
            break
        following = left.after(frontier[kept])
        _, first = np.unique(following.keys(), return_index=True)
        first = np.sort(first)
        fresh_names = following[first].keys()
        frontier = following[first[[name not in names for name in fresh_names]]]
    out = joined(elements)
    return out if int((out.rotations == one).all(axis=(1, 2)).sum()) <= most_translations else None


def averaged(fractional: np.ndarray, metric: np.ndarray, group: Operations) -> tuple[np.ndarray, np.ndarray]:
    """Positions [n, 3] and metric [3, 3] averaged over a group: the nearest crystal that has it, centroid kept."""
    turned = np.einsum("gij,nj->gni", group.rotations, fractional) - group.steps
    shift = (fractional[group.permutations] - turned).mean(axis=1)
    total = np.zeros_like(fractional)
    np.add.at(total, group.permutations.ravel(), (turned + shift[:, None]).reshape(-1, 3))
    mean = np.einsum("gji,jk,gkl->il", group.rotations, metric, group.rotations) / len(group)
    return total / len(group), mean


def labelled(
    rotations: np.ndarray, translations: np.ndarray, fractional: np.ndarray, numbers: np.ndarray, cell: np.ndarray
) -> Operations:
    """Exact operations of a crystal as they act on labelled sites (nearest site of the same element)."""
    moved = np.einsum("gij,nj->gni", rotations, fractional) + translations[:, None]
    permutations = np.empty(moved.shape[:2], dtype=np.int64)
    for kind in np.unique(numbers):
        rows = np.flatnonzero(numbers == kind)
        delta = moved[:, rows, None] - fractional[rows]
        delta = (delta - np.rint(delta)) @ cell
        permutations[:, rows] = rows[(delta**2).sum(axis=-1).argmin(axis=-1)]
    if (np.sort(permutations, axis=1) != np.arange(len(numbers))).any():
        raise StructureError("operations that do not permute the sites", where="pseudo-symmetry")
    steps = np.rint(moved - fractional[permutations]).astype(np.int64)
    return Operations(np.asarray(rotations, dtype=np.int64), permutations, steps)


def near_matrices(metric: np.ndarray, strain: float) -> tuple[np.ndarray, np.ndarray]:
    """Integer matrices W, int64 [M, 3, 3], on fractional columns of a reduced cell, under which the metric (A^2) keeps
    each length within a factor exp(2 strain), and that largest factor's logarithm, [M]; the least change first."""
    lengths = np.einsum("ni,ij,nj->n", _ROWS, metric, _ROWS)
    limit = np.exp(4 * strain)
    near = []
    for k in range(3):
        ratio = np.where(lengths > 0, lengths, 1e-9) / metric[k, k]
        near.append(_ROWS[(ratio < limit) & (ratio > 1 / limit)])
    a, b, c = (x.ravel() for x in np.meshgrid(*[np.arange(len(x)) for x in near], indexing="ij"))
    columns = np.stack([near[0][a], near[1][b], near[2][c]], axis=2)  # images of the basis vectors in columns
    columns = columns[np.abs(np.rint(np.linalg.det(columns))) == 1]
    changed = np.einsum("mji,jk,mkl->mil", columns, metric, columns)
    root = np.linalg.inv(np.linalg.cholesky(metric))
    logs = 0.5 * np.abs(np.log(np.linalg.eigvalsh(root @ changed @ root.T))).max(axis=1)
    rows = np.flatnonzero(logs <= 2 * strain)
    rows = rows[np.lexsort([*columns[rows].reshape(-1, 9).T, np.round(logs[rows], 6)])]
    return columns[rows], logs[rows]


def coset_matrices(matrices: np.ndarray, point: np.ndarray) -> np.ndarray:
    """int64 [K]: one of `matrices` [M, 3, 3] for each double coset of the point group `point` [P, 3, 3], the identity
    among them. Left out are matrices whose products with the point group are not all of order 1, 2, 3, 4 or 6."""
    names = matrices.reshape(-1, 9) @ _weights(9)
    unit = int(np.flatnonzero((matrices == np.eye(3, dtype=np.int64)).all(axis=(1, 2)))[0])
    seen: set[int] = set()
    kept = []
    for k in [unit, *range(len(matrices))]:
        if int(names[k]) in seen:
            continue
        one_side = point @ matrices[k]
        both = one_side[:, None] @ point[None]
        seen.update((both.reshape(-1, 9) @ _weights(9)).tolist())
        if (_orders(one_side) > 0).all():
            kept.append(k)
    return np.array(kept, dtype=np.int64)


def _orders(matrices: np.ndarray) -> np.ndarray:
    """int64 [M]: the order of unimodular matrices; 0 where it is none that a lattice can have."""
    out = np.zeros(len(matrices), dtype=np.int64)
    power = matrices
    for order in (1, 2, 3, 4, 5, 6):
        whole = (power == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
        out[whole & (out == 0)] = order
        power = power @ matrices
    return out


def _snapped(
    w: np.ndarray, seeds: np.ndarray, rotations: np.ndarray, translations: np.ndarray, cell: np.ndarray
) -> np.ndarray:
    """Seeds [S, 3] of the translation part moved to where the operation fits the group; those too far away left out.

    An operation (R, t) of order n must have R^0 t + R t + ... + R^(n-1) t a lattice vector, and so must its products
    with the group's operations (`rotations` [P, 3, 3], `translations` [P, 3]) if no new translation shall arise. What
    stays free is the place of the operation.
    """
    products = rotations @ w
    orders = _orders(products)
    sums, powers = np.zeros_like(products), np.broadcast_to(np.eye(3, dtype=np.int64), products.shape)
    for step in range(6):
        sums = sums + np.where((step < orders)[:, None, None], powers, 0)
        powers = powers @ products
    rows = (sums @ rotations).reshape(-1, 3).astype(float)  # of the seed
    fixed = np.einsum("pij,pj->pi", sums, translations).reshape(-1)
    values = seeds @ rows.T + fixed
    wanted = np.rint(values) - fixed
    inverse = np.linalg.pinv(rows)
    correction = (wanted - seeds @ rows.T) @ inverse.T
    moved = seeds + correction
    left = moved @ rows.T + fixed
    good = np.abs(left - np.rint(left)).max(axis=1) < 0.02
    good &= np.linalg.norm(correction @ cell, axis=1) < _SNAP
    return moved[good]


def near_operations(
    matrices: np.ndarray,
    strains: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    kinds: list[np.ndarray],
    anchors: list[tuple[int, np.ndarray]],
    group: tuple[np.ndarray, np.ndarray],
    furthest: float,
    over: Callable[[], bool],
) -> list[tuple[float, Operations]]:
    """(cost in A, one operation), for the matrices [M, 3, 3] and their best translations, the nearest first.

    The cost is the rms miss, with the matrix's change of lengths added as the displacement that it means from one atom
    to the next, so that matrices far from a symmetry of the lattice do not crowd out the others.

    kinds: rows of each element, the rarest first. anchors: (a site, the sites it may be carried to). group:
    rotations [P, 3, 3] and translations [P, 3] that the crystal has. furthest: largest
    rms miss. over(): whether the time is over.
    """
    spacing = (abs(float(np.linalg.det(cell))) / len(fractional)) ** (1 / 3)
    guesses: list[tuple[float, int, np.ndarray]] = []
    for number, w in enumerate(matrices):
        if over():
            break
        extra = spacing * float(strains[number])
        guesses += [
            (float(np.hypot(e, extra)), number, t)
            for e, t in _translations(w, fractional, cell, kinds, anchors, group)
            if e <= furthest
        ]
    guesses.sort(key=lambda x: (round(x[0], 6), x[1]))
    out: dict[int, tuple[float, Operations]] = {}
    for _, number, shift in guesses[:_SETTLED]:
        if over():
            break
        w = matrices[number]
        permutation, steps, miss = _settled(fractional @ w.T, fractional, cell, kinds, shift)
        rms = float(np.sqrt(((miss @ cell) ** 2).sum(axis=1).mean()))
        if rms <= furthest:
            operation = Operations(w[None], permutation[None], steps[None])
            cost = float(np.hypot(rms, spacing * strains[number]))
            out.setdefault(operation.keys()[0], (cost, operation))
    return sorted(out.values(), key=lambda x: round(x[0], 6))


def _translations(
    w: np.ndarray, fractional: np.ndarray, cell: np.ndarray, kinds: list[np.ndarray], anchors: list, group: tuple
) -> list[tuple[float, np.ndarray]]:
    """(rms distance from the nearest like site, shared or not; translation) of some operations with matrix w."""
    turned = fractional @ w.T
    seeds = np.concatenate([fractional[targets] - turned[site] for site, targets in anchors])
    if np.array_equal(w, np.eye(3, dtype=np.int64)):
        away = np.linalg.norm((seeds - np.rint(seeds)) @ cell, axis=1)
        seeds = seeds[away > 0.5]
    else:
        seeds = _snapped(w, seeds, group[0], group[1], cell)
    gap = seeds[:, None] - seeds
    same = np.linalg.norm((gap - np.rint(gap)) @ cell, axis=2) < 0.25  # one translation seen from two anchors
    seeds = seeds[~np.triu(same, 1).any(axis=0)][:_SEEDS]
    if not len(seeds):
        return []
    estimate = np.zeros(len(seeds))
    for rows in kinds:
        some = rows[:: -(-len(rows) // _SAMPLE)]
        delta = (turned[some] + seeds[:, None])[:, :, None] - fractional[rows]
        delta = (delta - np.rint(delta)) @ cell
        estimate += np.einsum("sabi,sabi->sab", delta, delta).min(axis=2).mean(axis=1) * len(rows)
    estimate[:] = np.sqrt(estimate / len(fractional))
    order = np.argsort(np.round(estimate, 6), kind="stable")[:_EACH]
    return [(float(estimate[k]), seeds[k]) for k in order]


def _settled(
    turned: np.ndarray, fractional: np.ndarray, cell: np.ndarray, kinds: list[np.ndarray], shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Permutation, lattice steps and misses of the translation that a first guess settles on."""
    from scipy.optimize import linear_sum_assignment

    permutation = np.full(len(turned), -1, dtype=np.int64)
    for _ in range(5):
        moved = turned + shift
        before = permutation.copy()
        for rows in kinds:
            delta = moved[rows][:, None] - fractional[rows]
            delta = (delta - np.rint(delta)) @ cell
            squares = np.einsum("abi,abi->ab", delta, delta)
            nearest = squares.argmin(axis=1)
            if len(np.unique(nearest)) < len(rows):
                _, nearest = linear_sum_assignment(squares)
            permutation[rows] = rows[nearest]
        delta = moved - fractional[permutation]
        steps = np.rint(delta)
        mean = (delta - steps).mean(axis=0)
        shift = shift - mean
        if np.array_equal(before, permutation) and np.abs(mean).max() < 1e-6:
            break
    miss = turned + shift - fractional[permutation]
    steps = np.rint(miss)
    miss = miss - steps
    return permutation, steps.astype(np.int64), miss - miss.mean(axis=0)
