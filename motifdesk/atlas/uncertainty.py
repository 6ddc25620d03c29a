"""Calibrated intervals around the property heads: split conformal prediction, wider far from what was trained on.

>>> predict_with_intervals(codec, codes, coverage=0.9)["band_gap"]
(values, low, high)

On the development structures (never trained on), the absolute error of each property is modelled as ``a + b d`` with d
the latent distance to the nearest training structure that has the label; a quantile of error / model (Lei et al.,
J. Am. Stat. Assoc. 113, 1094, 2018) scales the interval. The split conformal quantile covers what is asked on average
over calibration sets: with some hundred structures at hand, one set in two covers less. The rank is therefore raised
until the share is covered with 90 % confidence (V. Vovk, Proc. Mach. Learn. Res. 25, 475, 2012: the coverage given the
set is Beta(k, n + 1 - k) distributed). `measure_coverage` cuts the structures in five by their ids and measures each
fifth with the calibration of the other four. Calibration is done on first use, in seconds, with the weights at hand, so
that it can never belong to others.

What the coverage promises: structures drawn as the corpora were, relaxed crystals near the hull. For anything else the
interval is a lower bound of one's doubt.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.corpora import corpora, corpus
from motifdesk.structures.errors import CodecError

from .atlas import Atlas, load_atlas

if TYPE_CHECKING:
    from motifdesk.codec import Codec, Codes

_KNOWN: weakref.WeakKeyDictionary[Codec, tuple[Atlas, dict[str, Calibration]]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()
CONFIDENCE = 0.9  # that the share asked for is covered, over the choice of the calibrating structures
FOLDS = 5
_POSITIVE = ("band_gap", "energy_above_hull")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Of one property, over n development structures.

    Attributes
    ----------
    name : the property
    intercept, slope : expected absolute error = intercept + slope * distance, in the property's unit
    scores : float64 [n], sorted error / expected error
    training : int64 [m], atlas points with the label that were trained on
    distance, truth, predicted : float64 [n] each; fold : int64 [n], the fifth they belong to
    """

    name: str
    intercept: float
    slope: float
    scores: np.ndarray
    training: np.ndarray
    distance: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    fold: np.ndarray

    @classmethod
    def fit(
        cls,
        name: str,
        training: np.ndarray,
        distance: np.ndarray,
        truth: np.ndarray,
        predicted: np.ndarray,
        fold: np.ndarray,
    ) -> Calibration:
        """Calibrate on these structures."""
        error = np.abs(predicted - truth)
        intercept, slope = _line(distance, error)
        scores = np.sort(error / (intercept + slope * distance))
        return cls(name, intercept, slope, scores, training, distance, truth, predicted, fold)

    def without(self, fold: int) -> Calibration:
        """Calibrated on the structures of the other folds."""
        rows = self.fold != fold
        parts = (self.distance[rows], self.truth[rows], self.predicted[rows], self.fold[rows])
        return Calibration.fit(self.name, self.training, *parts)

    def expected(self, distance: np.ndarray) -> np.ndarray:
        """Expected absolute error at this latent distance from the training structures."""
        return self.intercept + self.slope * np.asarray(distance)

    def quantile(self, coverage: float) -> float:
        """The smallest score of a rank k with P(Beta(k, n + 1 - k) >= coverage) >= 90 %; inf where n is too small."""
        from scipy.stats import beta

        ranks = np.arange(1, len(self.scores) + 1)
        enough = np.flatnonzero(beta.ppf(1.0 - CONFIDENCE, ranks, len(ranks) + 1 - ranks) >= coverage)
        return float(self.scores[enough[0]]) if len(enough) else float("inf")


def is_calibrated(codec: Codec) -> bool:
    """Whether the seconds of calibrating are spent already for these weights."""
    return codec in _KNOWN


def predict_with_intervals(
    codec: Codec, codes: Codes, coverage: float = 0.9, *, atlas: Atlas | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Property name -> (value, low, high), float64 [B] each, NaN for molecules; units as `Codec.predict`.

    `coverage` of true values is to lie between low and high. `atlas`: the map of the codec's weights, by default the
    bundled one. A codec without heads gives an empty dict.

    Raises
    ------
    CodecError
        a coverage outside 0 to 1. AtlasError: the map is of other weights.
    """
    if not 0.0 < coverage < 1.0:
        raise CodecError(f"a coverage of {coverage}", where="intervals", remedy="give a share such as 0.9")
    values = codec.predict(codes)
    if not values:
        return {}
    known, calibrations = _calibrated(codec, atlas)
    points = known.embed(codes)
    out = {}
    for name, value in values.items():
        if name not in calibrations:
            continue
        c = calibrations[name]
        half = c.quantile(coverage) * c.expected(_nearest(points, known._latent[c.training]))
        positive = name in _POSITIVE
        low = np.maximum(value - half, 0.0) if positive else value - half
        value = np.maximum(value, 0.0) if positive else value
        out[name] = (value, low, np.maximum(value, value + half))
    return out


def measure_coverage(codec: Codec, coverage: float = 0.9, *, atlas: Atlas | None = None) -> dict[str, dict[str, Any]]:
    """Property -> figures over the development structures, each fifth with intervals that the other four calibrated.

    ``count``, ``coverage`` (measured share inside), ``half_width`` (mean), ``mae``, ``mean_baseline_mae`` (the mean of
    the training structures), ``coverage_near`` and ``coverage_far`` (nearer and farther half by latent distance),
    ``coverage_least`` (of the fifth with the least), and ``plain_half_width``, the constant half-width that would cover
    the share asked for on these very structures.
    """
    known, calibrations = _calibrated(codec, atlas)
    out = {}
    for name, c in calibrations.items():
        half = np.empty(len(c.truth))
        for fold in range(FOLDS):
            rows, other = c.fold == fold, c.without(fold)
            half[rows] = other.quantile(coverage) * other.expected(c.distance[rows])
        error = np.abs(c.predicted - c.truth)
        inside = error <= half
        far = c.distance > np.median(c.distance)
        trained = _labels(known, name)[c.training]
        out[name] = {
            "count": len(error),
            "coverage": float(inside.mean()),
            "coverage_least": float(min(inside[c.fold == k].mean() for k in range(FOLDS))),
            "coverage_near": float(inside[~far].mean()),
            "coverage_far": float(inside[far].mean()),
            "half_width": float(half.mean()),
            "plain_half_width": float(np.quantile(error, coverage)),
            "mae": float(error.mean()),
            "mean_baseline_mae": float(np.abs(c.truth - trained.mean()).mean()),
        }
    return out


def _calibrated(codec: Codec, atlas: Atlas | None) -> tuple[Atlas, dict[str, Calibration]]:
    with _LOCK:
        found = _KNOWN.get(codec)
        if found is None or (atlas is not None and found[0] is not atlas):
            known = load_atlas(codec=codec) if atlas is None else atlas
            known._check_version(codec.version, "codec")
            found = _KNOWN[codec] = (known, _calibrate(codec, known))
        return found


def _labels(atlas: Atlas, name: str) -> np.ndarray:
    """float64 [M], the label of each point; NaN where there is none."""
    out = np.full(len(atlas), np.nan)
    for source in corpora():
        rows = np.flatnonzero(atlas.columns["source"] == source)
        if name in corpus(source).labels and len(rows):
            out[rows] = corpus(source).labels[name][atlas.columns["index"][rows]]
    return out


def _calibrate(codec: Codec, atlas: Atlas) -> dict[str, Calibration]:
    held_out = np.zeros(len(atlas), dtype=bool)
    for source in corpora():
        rows = np.flatnonzero(atlas.columns["source"] == source)
        held_out[rows] = corpus(source).development[atlas.columns["index"][rows]]
    crystal = atlas.columns["source"] != "qm9"
    asked = np.flatnonzero(held_out & crystal)
    if not len(asked):
        return {}
    codes = codec.encode([atlas.arrays(int(i)) for i in asked], symmetry=False)
    points, predicted = atlas.embed(codes), codec.predict(codes)
    # another hash than the split's own, so that the fifths have nothing to do with it
    fold = np.array([int(hashlib.md5(str(i).encode()).hexdigest(), 16) % FOLDS for i in atlas.columns["id"][asked]])
    out = {}
    for name, values in predicted.items():
        label = _labels(atlas, name)
        training = np.flatnonzero(np.isfinite(label) & ~held_out)
        has = np.isfinite(label[asked])
        if len(training) < 10 or np.bincount(fold[has], minlength=FOLDS).min() < 5:
            continue
        distance = _nearest(points[has], atlas._latent[training])
        truth, made = label[asked][has], values[has].astype(np.float64)
        out[name] = Calibration.fit(name, training, distance, truth, made, fold[has])
    return out


def _line(distance: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Non-negative (intercept, slope) of the absolute error over the distance; at least a fifth is the intercept."""
    design = np.stack([np.ones_like(distance), distance], axis=1)
    from scipy.optimize import nnls

    (intercept, slope), _ = nnls(design, error)
    return max(float(intercept), 0.2 * float(error.mean()), 1e-9), float(slope)


def _nearest(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """float64 [B], distance to the nearest of `known` [M, D]."""
    squares = np.einsum("md,md->m", known, known)
    out = np.empty(len(points))
    for start in range(0, len(points), 128):
        block = points[start : start + 128]
        rough = squares[None] - 2.0 * block @ known.T
        near = rough.argmin(axis=1)
        out[start : start + 128] = np.linalg.norm(known[near] - block, axis=1)
    return out
