"""Property heads on the development split: errors beside baselines, and what the calibrated intervals cover.

``motifdesk bench properties [--data FILE.npz] [--limit N] --json OUT``

Without ``--data``: the half of the development split that did not calibrate the intervals
(`motifdesk.atlas.uncertainty.measure_coverage`). With it: every label column of the file that has a head, less the
structures whose ids are in a bundled corpus outside its development part. Baselines: the mean of the training labels,
and ridge regression on the composition alone (element fractions), both fitted on the training part of the corpora.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

COVERAGE = 0.9


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Flat figures, ``PROPERTY.figure``."""
    from motifdesk.atlas.uncertainty import measure_coverage, predict_with_intervals
    from motifdesk.codec import load_codec
    from motifdesk.structures.corpora import Corpus, corpora, corpus

    codec = load_codec()
    data = getattr(args, "data", None)
    names: dict[str, dict[str, Any]] = {}
    if data is None:
        names = measure_coverage(codec, COVERAGE)
        tables = [(corpus(name), np.flatnonzero(corpus(name).development)) for name in corpora()]
    else:
        table = Corpus.load(data)
        trained = {str(i) for name in corpora() for i in corpus(name).ids[~corpus(name).development]}
        rows = np.flatnonzero([str(i) not in trained for i in table.ids])[: getattr(args, "limit", None)]
        tables = [(table, rows)]
        codes = codec.encode([table[int(k)] for k in rows], symmetry=False)
        for name, (value, low, high) in predict_with_intervals(codec, codes, COVERAGE).items():
            truth = table.labels.get(name, np.full(len(table), np.nan))[rows]
            has = np.isfinite(truth) & np.isfinite(value)
            if has.any():
                names[name] = {
                    "count": int(has.sum()),
                    "mae": float(np.abs(value - truth)[has].mean()),
                    "coverage": float(((truth >= low) & (truth <= high))[has].mean()),
                    "half_width": float((high - value)[has].mean()),
                }
    summary: dict[str, Any] = {"coverage_asked": COVERAGE, "weights": codec.version}
    for name, figures in names.items():
        x, y = _training(name)
        mean, coefficients = y.mean(), _ridge(x, y)
        asked = [_labelled(table, rows, name) for table, rows in tables]
        fractions, truth = (np.concatenate(part) for part in zip(*asked, strict=True))
        figures["mean_baseline_mae"] = float(np.abs(truth - mean).mean())
        figures["composition_baseline_mae"] = float(np.abs(truth - mean - fractions @ coefficients).mean())
        figures["baseline_count"] = len(truth)
        summary |= {f"{name}.{key}": value for key, value in figures.items()}
    return summary


def _labelled(table: Any, rows: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    label = table.labels.get(name, np.full(len(table), np.nan))
    rows = [int(k) for k in rows if np.isfinite(label[k])]
    fractions = np.zeros((len(rows), 118))
    for row, k in enumerate(rows):
        fractions[row] = np.bincount(table.numbers(k), minlength=119)[1:119] / table.natoms[k]
    return fractions, label[rows]


def _training(name: str) -> tuple[np.ndarray, np.ndarray]:
    from motifdesk.structures.corpora import corpora, corpus

    parts = [_labelled(corpus(c), np.flatnonzero(~corpus(c).development), name) for c in corpora()]
    x, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    return x, y


def _ridge(x: np.ndarray, y: np.ndarray, strength: float = 1.0) -> np.ndarray:
    return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ (y - y.mean()))
