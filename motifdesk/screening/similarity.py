"""Which element stands in for which: counted in the bundled corpora.

Two known structures of one prototype (anonymous formula, space group, atoms in the cell) that differ in exactly one
element are one observation that these two elements replace each other. The counts are normalised to

    g(a, b) = n(a, b) N / (n(a) n(b)),   P(b | a) = n(a, b) / n(a),

n(a) the observations with a, N all of them; after H. Glawe, A. Sanna, E. K. U. Gross, M. A. L. Marques, New J. Phys.
18, 093011 (2016), who counted ICSD; the idea of mined substitutions is G. Hautier et al., Inorg. Chem. 50, 656 (2011).
Counted anew from `mp_20` and `mpts_52` (CC BY 4.0, A. Jain et al. 2013) in a second: there is no table file.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import combinations

import numpy as np

from motifdesk.structures.corpora import corpus, development_split

N = 95  # atomic numbers 0 to 94
CORPORA = ("mp_20", "mpts_52")


@cache
def counts() -> np.ndarray:
    """int64 [95, 95], symmetric, read-only: how often two elements replace each other. Development structures (held
    out of training, see `development_split`) are left out."""
    holes: dict[tuple, set[int]] = defaultdict(set)
    groups = _space_groups()
    for name in CORPORA:
        c = corpus(name)
        held = development_split(c.ids)
        for k in np.flatnonzero(~held):
            numbers, amounts = np.unique(c.numbers(int(k)), return_counts=True)
            group = groups.get((name, str(c.ids[k])), 0)
            if numbers[-1] >= N or not group:
                continue
            pairs = list(zip(numbers.tolist(), amounts.tolist(), strict=True))
            for i, (z, n) in enumerate(pairs):
                # everything but one element: structures that agree in it differ in that element alone
                holes[(group, n, tuple(pairs[:i] + pairs[i + 1 :]))].add(z)
    found = np.zeros((N, N), dtype=np.int64)
    for fillers in holes.values():
        for a, b in combinations(sorted(fillers), 2):
            found[a, b] += 1
            found[b, a] += 1
    found.setflags(write=False)
    return found


def _space_groups() -> dict[tuple[str, str], int]:
    """(corpus, id) -> space group number, from the columns of the map."""
    from motifdesk.atlas import load_atlas

    c = load_atlas().columns
    wanted = np.isin(c["source"], CORPORA)
    keys = zip(c["source"][wanted], c["id"][wanted], c["spacegroup"][wanted], strict=True)
    return {(str(s), str(i)): int(g) for s, i, g in keys}


def partners(z: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 [K] elements that replace element z, float64 [K] their probabilities P(b | z); both empty if none does."""
    row = counts()[z]
    found = np.flatnonzero(row)
    return found, row[found] / max(1, row.sum())


def affinity(a: int, b: int) -> float:
    """g(a, b): above 1 where two elements replace each other more often than by chance."""
    c = counts()
    return float(c[a, b] * c.sum() / max(1.0, float(c[a].sum()) * float(c[b].sum())))
