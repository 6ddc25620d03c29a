"""What the experiments share: checks of point sets, all pairs as edges, turned copies, one training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from motifdesk.networks.errors import NetworkError

_COINCIDENT = 1e-4


def check_points(points: object, values: object | None = None, *, where: str, least: int = 2) -> np.ndarray:
    """``points`` as float64 ``[N, 3]``; a :class:`NetworkError` for too few, misshapen, infinite or coincident points.

    ``values``: positive numbers that belong to the points (masses), one each.
    """
    try:
        x = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise NetworkError(f"points are no numbers ({error})", where=where, remedy="Give N rows x, y, z.") from error
    if x.ndim != 2 or x.shape[1] != 3:
        raise NetworkError(f"points have shape {x.shape}, expected (N, 3)", where=where, remedy="Give N rows x, y, z.")
    if len(x) < least:
        raise NetworkError(f"has {len(x)} points, at least {least} are needed", where=where, remedy="Add points.")
    if not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise NetworkError(f"point {bad} is not finite", where=where, remedy="Check the coordinates.")
    gap = np.linalg.norm(x[:, None] - x[None], axis=-1) + np.eye(len(x)) * 1e9
    if len(x) > 1 and gap.min() < _COINCIDENT:
        i, j = np.unravel_index(int(gap.argmin()), gap.shape)
        raise NetworkError(f"points {i} and {j} coincide", where=where, remedy="Remove one: it has no direction.")
    if values is not None:
        m = np.asarray(values, dtype=np.float64)
        if m.shape != (len(x),):
            raise NetworkError(f"has masses of shape {m.shape} for {len(x)} points", where=where)
        if not np.isfinite(m).all() or (m <= 0).any():
            bad = int(np.flatnonzero(~(np.isfinite(m) & (m > 0)))[0])
            raise NetworkError(f"mass {bad} is {m[bad]}", where=where, remedy="Masses are positive numbers.")
    return x


def check_rotation(matrix: object, where: str) -> np.ndarray:
    """A proper rotation as float64 ``[3, 3]``."""
    r = np.asarray(matrix, dtype=np.float64)
    if r.shape != (3, 3) or not np.allclose(r @ r.T, np.eye(3), atol=1e-6) or np.linalg.det(r) < 0:
        raise NetworkError("is no rotation matrix", where=where, remedy="Give an orthogonal matrix of determinant +1.")
    return r


def all_pairs(sets: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Every point to every other of its set: ``edge_index [2, E]`` (centre, neighbour), ``edge_vec [E, 3]``
    (neighbour minus centre, float32), ``batch [N]``. Sets lie one after another."""
    index, vectors, batch, start = [], [], [], 0
    for k, x in enumerate(sets):
        i, j = np.nonzero(~np.eye(len(x), dtype=bool))
        index.append(np.stack([i, j]) + start)
        vectors.append(x[j] - x[i])
        batch.append(np.full(len(x), k))
        start += len(x)
    return (
        torch.from_numpy(np.concatenate(index, axis=1)),
        torch.from_numpy(np.concatenate(vectors)).float(),
        torch.from_numpy(np.concatenate(batch)),
    )


def rows(values: Any) -> torch.Tensor:
    """float32 tensor of an array."""
    return torch.from_numpy(np.ascontiguousarray(values)).float()


def parameters(module: nn.Module) -> int:
    """How many numbers training may change."""
    return sum(p.numel() for p in module.parameters())


@dataclass(frozen=True)
class Fit:
    """A training: ``steps``, ``losses`` of each step, ``seconds`` of processor time (one
    thread on a quiet machine takes as long)."""

    steps: int
    losses: np.ndarray
    seconds: float


def fit(
    module: nn.Module, loss: Callable[[int], torch.Tensor | None], *, steps: int, rate: float, clip: float = 10.0
) -> Fit:
    """Adam, its rate falling to zero along a cosine. ``loss(step)``: of a batch; None for one that teaches nothing."""
    if steps < 1:
        raise NetworkError(f"{steps} steps are no training", where="experiments", remedy="Give at least one.")
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    losses, began = np.full(steps, np.nan), time.process_time()
    module.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1.0 + np.cos(np.pi * step / steps))
        value = loss(step)
        if value is None:
            continue
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        size = torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        if not torch.isfinite(size):
            raise NetworkError(f"loss is {value.item()} at step {step}", where="experiments", remedy="Lower the rate.")
        optimiser.step()
        losses[step] = value.item()
    module.eval().requires_grad_(False)
    return Fit(steps, losses, time.process_time() - began)


def built(seed: int, make: Callable[[], Any]) -> Any:
    """``make()`` with torch's global draw seeded, and left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
