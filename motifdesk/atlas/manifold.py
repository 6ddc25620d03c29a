"""How far a code lies from the known structures, as a percentile of how far known structures lie from each other.

>>> manifold = manifold_of(atlas)
>>> manifold.percentile(codec.encode([design]))       # 97.0: farther from its neighbours than 97 % of known crystals
>>> manifold.place(codes)[0].words

The distance of a code is the mean distance to its five nearest known structures in the latent space of the map (the
density's scale there is left out on purpose: a distance needs no model). It is compared with the same distance of known
structures of its kind, crystal or molecule, each left out of the map for its own: a leave-one-out calibration, on
structures of the training part. Held-out development structures then come out uniform between 0 and 100 (a test holds
it), which is what makes the number mean what it says. Computed from the map on first use, in about a second: it can
never belong to another map.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from motifdesk.structures.corpora import corpora, corpus
from motifdesk.structures.errors import AtlasError

if TYPE_CHECKING:
    from motifdesk.atlas.atlas import Atlas
    from motifdesk.codec.codes import Codes

NEIGHBOURS = 5
FAR = 97.0
"""Percentile from which a place is called far."""
EDGE = 90.0
_SAMPLE = 1200  # structures of each kind that the distances are calibrated on
_FEWEST = 20  # of a kind; with fewer no percentile means anything
_BLOCK = 64

_KNOWN: WeakKeyDictionary[Atlas, Manifold] = WeakKeyDictionary()
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Place:
    """Where a code lies among the known structures.

    distance: mean latent distance to the five nearest; percentile: 0 to 100, the share of known structures of this kind
    that have nearer neighbours; ratio: distance over the median of theirs; kind: "crystals" or "molecules".
    """

    distance: float
    percentile: float
    ratio: float
    kind: str

    @property
    def level(self) -> str:
        """ "near", "edge" or "far"."""
        return "far" if self.percentile >= FAR else "edge" if self.percentile >= EDGE else "near"

    @property
    def words(self) -> str:
        """A sentence of a word, a number and what the number counts."""
        share = f"{self.percentile:.0f} %" if self.percentile < 99.5 else f"{self.percentile:.1f} %"
        if self.percentile >= 100.0:
            return f"off: farther from its neighbours than every known one, {self.ratio:.1f} times the usual"
        if self.level == "near":
            return f"at home: farther from its neighbours than {share} of known {self.kind}"
        word = "far" if self.level == "far" else "at the edge"
        return f"{word}: farther from its neighbours than {share} of known {self.kind}"


@dataclass(frozen=True, eq=False)
class Manifold:
    """Made by `manifold_of`.

    Attributes
    ----------
    atlas : the map
    crystals, molecules : float64 [n], sorted leave-one-out distances of known structures; empty where there are too few
    """

    atlas: Atlas
    crystals: np.ndarray
    molecules: np.ndarray

    def distance(self, codes: Codes | np.ndarray) -> np.ndarray:
        """float64 [B]: mean latent distance of each code to its five nearest known structures."""
        _, distances = self.atlas._nearest_latent(self.atlas._geometry(codes), NEIGHBOURS)
        return distances.mean(axis=1)

    def percentile(self, codes: Codes | np.ndarray) -> np.ndarray:
        """float64 [B], 0 to 100: the share of known structures of the code's kind that have nearer neighbours; NaN
        where the map has fewer than 20 of the kind."""
        return np.array([place.percentile for place in self.place(codes)])

    def place(self, codes: Codes | np.ndarray) -> list[Place]:
        """Where each code lies among the known structures."""
        from motifdesk.codec.codes import Codes as Many

        many = codes if isinstance(codes, Many) else Many(np.asarray(codes))
        return [self._place(float(d), bool(c)) for d, c in zip(self.distance(many), many.is_crystal, strict=True)]

    def _place(self, distance: float, crystal: bool) -> Place:
        known = self.crystals if crystal else self.molecules
        kind = "crystals" if crystal else "molecules"
        if not len(known):
            return Place(distance, float("nan"), float("nan"), kind)
        share = 100.0 * float(np.searchsorted(known, distance)) / len(known)
        return Place(distance, share, distance / max(float(np.median(known)), 1e-9), kind)


def known_manifold(atlas: Any) -> Manifold | None:
    """The calibration if it has been computed, else None (it takes a second)."""
    try:
        return _KNOWN.get(atlas)
    except TypeError:  # a stand-in that cannot be referred to weakly
        return None


def manifold_of(atlas: Atlas) -> Manifold:
    """The calibration of a map; computed once and remembered. AtlasError for a map of fewer than 6 structures."""
    with _LOCK:
        if atlas not in _KNOWN:
            _KNOWN[atlas] = _calibrated(atlas)
        return _KNOWN[atlas]


def held_out(atlas: Atlas) -> np.ndarray:
    """bool [M]: the points that are development structures, which nothing was trained on."""
    answer = np.zeros(len(atlas), dtype=bool)
    for source in corpora():
        rows = np.flatnonzero(atlas.columns["source"] == source)
        if len(rows):
            answer[rows] = corpus(source).development[atlas.columns["index"][rows]]
    return answer


def left_out(atlas: Atlas, rows: np.ndarray) -> np.ndarray:
    """float64 [n]: distance of known structures to their five nearest, themselves left out."""
    latent, squares = atlas._latent, atlas._squares
    out = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        rough = squares[None] - 2.0 * latent[block] @ latent.T
        rough[np.arange(len(block)), block] = np.inf
        near = np.argpartition(rough, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        out[start : start + len(block)] = np.linalg.norm(latent[near] - latent[block][:, None], axis=2).mean(axis=1)
    return out


def _calibrated(atlas: Atlas) -> Manifold:
    if len(atlas) <= NEIGHBOURS:
        raise AtlasError(
            f"a map of {len(atlas)} structures has no neighbourhoods", where="manifold", remedy="use a larger map"
        )
    molecule = atlas.columns["source"] == "qm9"
    trained = ~held_out(atlas)
    rng = np.random.default_rng(0)
    found = []
    for kind in (~molecule, molecule):
        rows = np.flatnonzero(kind & trained)
        rows = rows if len(rows) <= _SAMPLE else np.sort(rng.choice(rows, _SAMPLE, replace=False))
        found.append(np.sort(left_out(atlas, rows)) if len(rows) >= _FEWEST else np.empty(0))
    return Manifold(atlas, *found)


__all__ = ["EDGE", "FAR", "Manifold", "Place", "held_out", "known_manifold", "left_out", "manifold_of"]
