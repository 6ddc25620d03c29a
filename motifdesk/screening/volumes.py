"""How much room an element takes in its chemical surroundings: counted in the bundled corpora.

Two known structures of one prototype that differ in exactly one element (the observations of `similarity`) tell how the
volume answers to the exchange. The logarithm of the volume per atom is taken to be

    ln(V / N) = prototype + sum_z x_z (r_z + r_z,c),

x_z the atomic fractions and c the kind of compound, named after its most electronegative element: oxides, nitrides and
fluorides; other halides and chalcogenides; pnictides, carbides and their like; metals. The differences over all pairs
give r by regularised least squares with Huber's weights (outliers are pairs of like symmetry and unlike structure). A
cell whose elements are exchanged is scaled by the predicted ratio. The idea to take volumes from known crystals:
I.-H. Chu et al., Comput. Mater. Sci. 146, 184 (2018), who predict bond lengths.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np

from motifdesk.structures import AtomArrays
from motifdesk.structures.corpora import corpus, development_split

from .similarity import CORPORA, N, _space_groups

_RIDGE = 0.03
_OUTLIER = 0.05  # of ln(V / N): beyond it a pair counts less (Huber)
_HARD, _SOFT = frozenset({7, 8, 9}), frozenset({16, 17, 34, 35, 52, 53})
_SEMI = frozenset({1, 5, 6, 14, 15, 32, 33, 50, 51})


def log_volume_change(before: np.ndarray, after: np.ndarray) -> float:
    """Predicted ln of the volume of a cell with the atomic numbers `after` over that with `before`, same sites."""
    return float((_described(after) - _described(before)) @ _coefficients())


def rescaled(start: AtomArrays, numbers: np.ndarray) -> AtomArrays:
    """`start` with other species, its cell scaled to the volume that known crystals make likely."""
    assert start.cell is not None
    factor = float(np.exp(log_volume_change(start.numbers, numbers) / 3.0))
    return AtomArrays(numbers, start.positions * factor, start.cell * factor)


@cache
def _electronegativities() -> np.ndarray:
    from pymatgen.core import Element

    table = np.zeros(N)
    for z in range(1, N):
        value = Element.from_Z(z).data.get("X")
        table[z] = value if value else 1.5
    return table


def _kind(present: np.ndarray) -> int:
    """0 to 3: what kind of compound elements make."""
    anion = int(present[np.argmax(_electronegativities()[present])])
    return 0 if anion in _HARD else 1 if anion in _SOFT else 2 if anion in _SEMI else 3


def _described(numbers: np.ndarray) -> np.ndarray:
    """float64 [5 * 95]: atomic fractions, and the same in the block of the compound's kind."""
    fractions = np.bincount(numbers, minlength=N)[:N] / len(numbers)
    out = np.zeros((5, N))
    out[0] = fractions
    out[1 + _kind(np.flatnonzero(fractions))] = fractions
    return out.ravel()


@cache
def _coefficients() -> np.ndarray:
    """float64 [5 * 95]; development structures are left out."""
    holes: dict[tuple, list[tuple[int, int]]] = defaultdict(list)
    groups = _space_groups()
    rows: list[np.ndarray] = []
    logs: list[float] = []
    for name in CORPORA:
        c = corpus(name)
        held = development_split(c.ids)
        for k in np.flatnonzero(~held):
            numbers = c.numbers(int(k))
            z, n = np.unique(numbers, return_counts=True)
            group = groups.get((name, str(c.ids[k])), 0)
            if z[-1] >= N or not group:
                continue
            pairs = list(zip(z.tolist(), n.tolist(), strict=True))
            for i, (a, m) in enumerate(pairs):
                holes[(group, m, tuple(pairs[:i] + pairs[i + 1 :]))].append((a, len(rows)))
            rows.append(_described(numbers))
            logs.append(np.log(c[int(k)].volume / len(numbers)))
    x, y = np.array(rows), np.array(logs)
    pairs_of = [
        (i, j) for fillers in holes.values() for p, (a, i) in enumerate(fillers) for b, j in fillers[:p] if a != b
    ]
    first, second = np.array(pairs_of).T
    difference, change = x[first] - x[second], y[first] - y[second]
    weights = np.ones(len(change))
    for _ in range(6):
        weighted = difference * weights[:, None]
        found = np.linalg.solve(weighted.T @ difference + _RIDGE * np.eye(x.shape[1]), weighted.T @ change)
        weights = np.minimum(1.0, _OUTLIER / np.maximum(np.abs(change - difference @ found), 1e-9))
    found.setflags(write=False)
    return found
