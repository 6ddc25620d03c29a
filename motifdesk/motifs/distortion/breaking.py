"""Breaking symmetry on purpose: the cheapest answer to a request, be it less symmetric than the request.

From a symmetric start Gauss-Newton stays symmetric, even where a small push the other way would let the network give
way (twelve bonds that shall shorten while the octahedra between them are stiff: they tilt). So the softest directions
that the request's symmetry forbids are found, from the curvature of the network at rest with the request switched on;
the structure is pushed along each, both ways, by a tenth of an Angstrom, and the steps go on from there without
anything that pulls back. The cheapest answer wins when it is cheaper than the symmetric one. No random number is drawn:
in a degenerate space the direction nearest to a fixed pattern is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .dense import DenseSolver
from .following import Followed, is_sane, objective
from .invariant import invariant_strains, invariant_vectors
from .network import Network, NetworkState
from .requests import Request

_PUSH = 0.1  # Angstrom, the largest displacement of the push
_SPACES, _STEPS = 5, 60
_GAIN = 1e-3  # how much cheaper, relative, an answer of lower symmetry must be


def broken(
    net: Network, request: Request, solver: Any, amplitudes: np.ndarray, symmetric: Followed, kept: Any
) -> Followed | None:
    """The cheapest answer of lower symmetry, or None when none is cheaper than `symmetric`, found in `kept`."""
    bounded = request.bounded(amplitudes)
    asked = bounded[request.owner] * request.scale
    full = solver(net, request.weights, request.coordinates)
    cost = objective(net, request, symmetric, amplitudes)
    best: Followed | None = None
    for direction in soft_directions(net, request, symmetric, kept.action):
        for sign in (1.0, -1.0):
            start = symmetric.state
            push = sign * _PUSH * direction
            state = NetworkState(
                start.displacements + push[: 3 * net.sites].reshape(-1, 3),
                start.strain + (push[3 * net.sites :] if net.periodic else 0.0),
                start.rotations,
            )
            step = np.inf
            for _ in range(_STEPS):
                state, step = full.advance(
                    full.linearise(state, symmetric.shape, asked, damped=True), symmetric.stiff, proximal=True
                )
                if step < 1e-6 or not step < 100.0:
                    break
            if not (step < 1e-3 and is_sane(net, state, symmetric.shape, amplitudes)):
                continue
            found = Followed(state, symmetric.shape, symmetric.stiff, True)
            now = objective(net, request, found, amplitudes)
            if now < cost * (1.0 - _GAIN) - 1e-12:
                cost, best = now, found
    return best


def soft_directions(net: Network, request: Request, at: Followed, action: Any) -> list[np.ndarray]:
    """The softest directions [3N + 6] (displacements, strain) that a group forbids, largest displacement 1, softest
    first; translations are left out."""
    dense = DenseSolver(net, request.weights, request.coordinates)
    point = dense.linearise(at.state, at.shape, np.zeros(len(request.coordinates)))
    matrix = dense.system(point, at.stiff, proximal=True)[0]
    size = 3 * net.sites + (6 if net.periodic else 0)
    matrix = matrix[:size, :size]
    shifts = np.zeros((size, 3))
    shifts[: 3 * net.sites] = np.tile(np.eye(3), (net.sites, 1))
    allowed = [shifts]
    if action is not None:
        moves = invariant_vectors(action.operations.sites, action.turns)
        block = np.zeros((size, moves.shape[2] + 6))
        block[: 3 * net.sites, : moves.shape[2]] = moves.reshape(3 * net.sites, -1)
        strains = invariant_strains(action.turns)
        block[3 * net.sites :, moves.shape[2] : moves.shape[2] + strains.shape[1]] = strains
        allowed.append(block)
    left, values, _ = np.linalg.svd(np.concatenate(allowed, axis=1))
    forbidden = left[:, int((values > 1e-9).sum()) :]
    if not forbidden.shape[1]:
        return []
    curvature, vectors = np.linalg.eigh(forbidden.T @ matrix @ forbidden)
    edges = np.flatnonzero(np.diff(curvature) > 1e-6 * np.abs(curvature[1:])) + 1
    pattern = np.cos(np.sqrt(2.0) * np.arange(size) ** 1.1)
    out = []
    for space in np.split(vectors, edges, axis=1)[:_SPACES]:
        space = forbidden @ space
        direction = space @ (space.T @ pattern)
        largest = np.abs(direction).max()
        if largest > 1e-9:
            out.append(direction / largest)
    return out
