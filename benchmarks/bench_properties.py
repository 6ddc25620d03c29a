"""Property heads and read-outs: errors beside baselines, and what the calibrated intervals cover.

``motifdesk bench properties [--data FILE.npz] [--limit N] --json OUT``

Without ``--data``: the development split, each fifth with intervals that the other four calibrated
(`motifdesk.atlas.uncertainty.measure_coverage`). With it: every label column of the file that has a head, less the
structures whose ids are in a bundled corpus outside its development part. Baselines: mean and median of the training
labels, and ridge regression on the composition alone (element fractions), fitted on the training part of the corpora.

``motif_density.*``: motifs of each shape per nm^3, as `Codec.predict_motifs` reads them from the root code alone,
against those that `find_motifs` counts in the atoms; mean absolute errors over at most ``DENSITIES`` crystals,
baselines fitted on as many of the training part.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

COVERAGE = 0.9
DENSITIES = 800
OFTEN = 12  # shapes shown one by one


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
        mean, median, coefficients = y.mean(), np.median(y), _ridge(x, y)
        asked = [_labelled(table, rows, name) for table, rows in tables]
        fractions, truth = (np.concatenate(part) for part in zip(*asked, strict=True))
        figures["mean_baseline_mae"] = float(np.abs(truth - mean).mean())
        figures["median_baseline_mae"] = float(np.abs(truth - median).mean())
        figures["composition_baseline_mae"] = float(np.abs(truth - mean - fractions @ coefficients).mean())
        figures["baseline_count"] = len(truth)
        summary |= {f"{name}.{key}": value for key, value in figures.items()}
    seed = int(getattr(args, "seed", 0) or 0)
    asked = [(table, int(k)) for table, rows in tables for k in rows if table.is_crystal]
    return summary | {f"motif_density.{k}": v for k, v in densities(codec, asked, seed).items()}


def densities(codec: Any, asked: list[tuple[Any, int]], seed: int) -> dict[str, Any]:
    """Mean absolute errors of motif densities (per nm^3): summed over the shapes, and of the commonest shapes."""
    from motifdesk.structures.corpora import corpora, corpus

    trained = [
        (corpus(n), int(k)) for n in corpora() if corpus(n).is_crystal for k in np.flatnonzero(~corpus(n).development)
    ]
    rng = np.random.default_rng(seed)
    asked = [asked[int(k)] for k in sorted(rng.permutation(len(asked))[:DENSITIES])]
    trained = [trained[int(k)] for k in rng.permutation(len(trained))[:DENSITIES]]
    made = codec.predict_motifs(codec.encode([table[k] for table, k in asked], symmetry=False))
    if not made or not asked:
        return {}
    shapes = list(made)
    (x, y, _), (fractions, truth, atoms) = (_motifs(part, shapes) for part in (trained, asked))
    coefficients = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    guesses = {
        "mae": np.stack([made[s] for s in shapes], axis=1),
        "mean_baseline_mae": np.ones((len(asked), 1)) * y.mean(0) * atoms,
        "median_baseline_mae": np.ones((len(asked), 1)) * np.median(y, axis=0) * atoms,
        "composition_baseline_mae": (y.mean(0) + fractions @ coefficients) * atoms,
    }
    errors = {key: np.abs(value - truth * atoms).mean(0) for key, value in guesses.items()}
    out: dict[str, Any] = {"count": len(asked), "motifs_per_nm3": float((truth * atoms).sum(1).mean())}
    out |= {key: float(value.sum()) for key, value in errors.items()}
    for k in np.argsort(-truth.sum(0), kind="stable")[:OFTEN]:
        out |= {f"{shapes[k]}.{key}": float(value[k]) for key, value in errors.items()}
        out[f"{shapes[k]}.crystals"] = int((truth[:, k] > 0).sum())
    return out


def _motifs(rows: list[tuple[Any, int]], shapes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Element fractions [n, 118], motifs per atom by shape [n, S] (the last sums up the others), atoms per nm^3."""
    import warnings

    from motifdesk.motifs import find_motifs
    from motifdesk.structures.errors import MotifDeskError

    place = {shape: s for s, shape in enumerate(shapes)}
    fractions, shares, atoms = np.zeros((len(rows), 118)), np.zeros((len(rows), len(shapes))), np.ones((len(rows), 1))
    for row, (table, k) in enumerate(rows):
        numbers, structure = table.numbers(k), table.structure(k)
        fractions[row] = np.bincount(numbers, minlength=119)[1:119] / len(numbers)
        atoms[row] = 1000.0 * len(numbers) / structure.volume
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                motifs = find_motifs(structure).motifs
        except MotifDeskError:
            continue  # no motifs can be found: none
        for motif in motifs:
            shares[row, place.get(motif.shape, len(shapes) - 1)] += 1.0 / len(numbers)
    return fractions, shares, atoms


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
