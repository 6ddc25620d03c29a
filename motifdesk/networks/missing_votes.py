"""Counting votes: from a mixture of Gaussians to the few places and elements it stands for."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np

from motifdesk.networks.batch import GraphBatch
from motifdesk.networks.missing_head import Votes


class Peak(NamedTuple):
    """An answer: ``position [3]`` (the frame of the votes), ``species [elements]`` probabilities, ``confidence`` the
    share of all votes that lie within the reach (0 to 1), ``spread`` their weighted root mean square distance."""

    position: np.ndarray
    species: np.ndarray
    confidence: float
    spread: float


class Ballot(NamedTuple):
    """The votes on one structure, float64: ``displacement [n, V, 3]`` (scaled); over all ``n V`` votes ``weight`` (sum
    1), ``width`` (scaled), ``types [n V, elements]`` probabilities."""

    displacement: np.ndarray
    weight: np.ndarray
    width: np.ndarray
    types: np.ndarray


def ballots(votes: Votes, batch: GraphBatch) -> list[Ballot]:
    """The votes of each structure of a batch."""
    columns = [x.detach().double().cpu().numpy() for x in votes]
    ends = np.cumsum(batch.natoms.cpu().numpy())
    found = []
    for end, count in zip(ends, batch.natoms.tolist(), strict=True):
        displacement, confidence, width, types = (x[end - count : end] for x in columns)
        weight = np.exp(confidence - confidence.max()).ravel()
        found.append(
            Ballot(
                displacement,
                weight / weight.sum(),
                np.exp(width).ravel(),
                np.exp(types).reshape(-1, types.shape[-1]),
            )
        )
    return found


def nearest_image(delta: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    """Differences ``[..., 3]`` between the points of a crystal, each through the nearest image (``cell`` rows)."""
    if cell is None:
        return delta
    fractional = delta @ np.linalg.inv(cell)
    delta = (fractional - np.rint(fractional)) @ cell
    images = delta[..., None, :] + np.array(list(product((-1, 0, 1), repeat=3))) @ cell
    best = np.argmin(np.square(images).sum(-1), axis=-1)
    return np.take_along_axis(images, best[..., None, None], axis=-2)[..., 0, :]


def count_votes(
    places: np.ndarray,
    weight: np.ndarray,
    width: np.ndarray,
    types: np.ndarray,
    reach: float,
    *,
    cell: np.ndarray | None = None,
    most: int = 1,
) -> list[Peak]:
    """The places within whose ``reach`` most of the mixture lies, best first, at most ``most`` of them.

    ``places [V, 3]``, ``weight [V]`` (sum 1), ``width [V]``, ``types [V, elements]`` probabilities. Each vote is asked
    how much of the mixture, of one element, lies around it; the best one's neighbourhood is averaged with
    ``weight / width**2``, so that votes that know the place better count more; its votes are taken out, and so on.
    """
    # the part of an isotropic Gaussian that lies within the reach of its own middle
    x = reach / width
    part = np.array([math.erf(t / math.sqrt(2)) for t in x]) - math.sqrt(2 / math.pi) * x * np.exp(-0.5 * x * x)
    left = weight.copy()
    found: list[Peak] = []
    for _ in range(most):
        if left.sum() <= 1e-6:
            break
        keep = np.flatnonzero(left > 1e-7)
        apart = np.square(nearest_image(places[None, keep] - places[keep, None], cell)).sum(-1)
        near = 1.0 / (1.0 + (apart / reach**2) ** 4)
        score = (near @ ((left * part)[keep, None] * types[keep])).max(axis=1)
        centre = places[keep[int(score.argmax())]]
        for _ in range(6):
            delta = nearest_image(places - centre, cell)
            inside = np.square(delta).sum(-1) <= reach * reach
            precise = np.where(inside, left / width**2, 0.0)
            if precise.sum() <= 0:
                break
            step = precise @ delta / precise.sum()
            centre = centre + step
            if np.square(step).sum() < 1e-12:
                break
        squared = np.square(nearest_image(places - centre, cell)).sum(-1)
        share = np.where(squared <= reach * reach, left, 0.0)
        total = share.sum()
        if total <= 0:
            break
        found.append(Peak(centre, share @ types / total, float(total), float(np.sqrt(share @ squared / total))))
        left = np.where(share > 0, 0.0, left)
    return found
