"""How good a map is: trustworthiness, purity of neighbourhoods, landing errors. For the benchmark and the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .atlas import Atlas


def trustworthiness(latent: np.ndarray, xy: np.ndarray, k: int = 15, sample: int = 2000, seed: int = 0) -> float:
    """Venna and Kaski's trustworthiness of the map: 1 if the k map neighbours of each point are latent neighbours.

    ``1 - 2 / (n k (2 N - 3 k - 1)) sum_i sum_j max(0, rank(i, j) - k)`` over the map neighbours j of n sampled points
    i, where rank counts the N points by latent distance from i, the nearest other point being 1; 0.5 is a random map.
    With all points sampled it equals ``sklearn.manifold.trustworthiness``.
    """
    total = len(xy)
    rng = np.random.default_rng(seed)
    chosen = np.arange(total) if sample >= total else np.sort(rng.choice(total, sample, replace=False))
    squares = np.einsum("md,md->m", latent, latent)
    penalty = 0.0
    for i in chosen.tolist():
        far = squares - 2 * (latent @ latent[i])
        far[i] = -np.inf  # the point itself has rank 0
        near = _nearest(xy, i, k)
        # ties share the smaller rank; with real coordinates there are practically none
        ranks = (far[None, :] < far[near][:, None]).sum(axis=1)
        penalty += np.maximum(0, ranks - k).sum()
    return float(1 - 2 * penalty / (len(chosen) * k * (2 * total - 3 * k - 1)))


def purity(
    points: np.ndarray,
    labels: np.ndarray,
    ask: np.ndarray | None = None,
    *,
    k: int = 5,
    sample: int = 4000,
    seed: int = 0,
) -> tuple[float, float]:
    """Share of the `k` nearest neighbours that have a point's own label, and the share a random neighbour would have.

    Only points of the mask `ask` (all by default) whose label occurs more than once are asked; an empty label ("")
    belongs to nobody. Each point counts with at most its number of fellows, so that a perfect map has purity 1.
    """
    values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    asked = np.flatnonzero((counts[inverse] > 1) & (labels != "") & (True if ask is None else ask))
    if not len(asked):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    if sample < len(asked):
        asked = np.sort(rng.choice(asked, sample, replace=False))
    right = possible = 0
    for i in asked.tolist():
        reach = min(k, int(counts[inverse[i]]) - 1)
        right += int((inverse[_nearest(points, i, reach)] == inverse[i]).sum())
        possible += reach
    baseline = float(np.mean((counts[inverse[asked]] - 1) / (len(labels) - 1)))
    return right / possible, baseline


def landing_errors(atlas: Atlas, sample: int = 1000, k: int = 8, seed: int = 0) -> np.ndarray:
    """Leave-one-out errors of `Atlas.project`, float [n], as shares of the map's root-mean-square radius.

    Each sampled point is placed by its nearest latent neighbours without itself and compared with where umap put it.
    """
    from .atlas import shepard_weights

    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(atlas), min(sample, len(atlas)), replace=False)
    radius = float(np.sqrt(np.square(atlas.xy - atlas.xy.mean(0)).sum(1).mean()))
    errors = np.empty(len(chosen))
    for n, i in enumerate(chosen.tolist()):
        near = _nearest(atlas._latent, i, k + 1)
        distances = np.linalg.norm(atlas._latent[near] - atlas._latent[i], axis=1)
        place = shepard_weights(distances[None])[0] @ atlas.xy[near[:-1]]
        errors[n] = np.linalg.norm(place - atlas.xy[i]) / radius
    return errors


def prototypes(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """str [M], "anonymous formula/space group" of crystals and "" of molecules; bool [M], which to ask about.

    Asked are the crystals of the Materials Project parts; perovskites and carbons of the other corpora are fellows.
    """
    pairs = zip(columns["anonymous"], columns["spacegroup"], strict=True)
    labels = np.array([f"{a}/{int(g)}" if g > 0 else "" for a, g in pairs])
    return labels, np.isin(columns["source"], ["mp_20", "mpts_52"])


def _nearest(points: np.ndarray, i: int, k: int) -> np.ndarray:
    """int [k]: indices of the k points nearest to point i, itself excluded, nearest first."""
    distances = np.square(points - points[i]).sum(axis=1)
    distances[i] = np.inf
    near = np.argpartition(distances, k - 1)[:k]
    return near[np.lexsort((near, distances[near]))]
