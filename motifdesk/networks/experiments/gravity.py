"""Newton's law of gravity, learned: accelerations of random point masses by one tensor field convolution.

An experiment of N. Thomas et al., Tensor field networks, arXiv:1802.08219. Scalars in (masses), vectors
out (accelerations), so the only thing to learn is one radial function, and it must become ``1/r**2``. The layer is
:class:`motifdesk.networks.convolution.Convolution`, with no gate.

Definition of the published figure (the authors' ``gravity.ipynb``, validation loss 5621.437 at step 0 and 1.357 at step
1,000), kept here: G = 1; a set has between 2 and ``most`` candidates, uniform in the cube [-2, 2]**3, of which those
nearer than 0.5 to an earlier one are dropped; masses uniform in 0.5..2; ``a_i = sum_j m_j r_ij / (|r_ij|**3 + 1e-8)``;
the loss of a set is *half the sum* of squared differences over its points and components, not a mean; training takes
one set of ``most = 10`` a step; the validation loss is the mean over 1,000 sets of ``most = 50``, with points up to 6.9
apart.
"""

from __future__ import annotations

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.convolution import Convolution, Edges
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.experiments.points import Fit, all_pairs, built, check_points, fit, rows

HALF_EDGE, NEAREST, MASSES = 2.0, 0.5, (0.5, 2.0)
PUBLISHED = 1.357  # validation loss of the authors' saved run at step 1,000
_EPSILON = 1e-8
CUTOFF = 8.0


def random_masses(rng: np.random.Generator, most: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Points ``[N, 3]`` and masses ``[N]`` as the module's docstring defines them; ``1 <= N <= most``."""
    kept: list[np.ndarray] = []
    for point in rng.uniform(-HALF_EDGE, HALF_EDGE, (int(rng.integers(2, most + 1)), 3)):
        if all(np.linalg.norm(point - other) >= NEAREST for other in kept):
            kept.append(point)
    return np.array(kept), rng.uniform(*MASSES, len(kept))


def accelerations(points: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Newton's ``[N, 3]`` with G = 1, exact."""
    apart = points[None] - points[:, None]
    cubed = np.linalg.norm(apart, axis=-1) ** 3 + _EPSILON
    np.fill_diagonal(cubed, 1.0)
    return (apart / cubed[..., None] * np.asarray(masses)[None, :, None]).sum(1)


class GravityNet(nn.Module):
    """One convolution ``1x0e -> 1x1o``; distances up to 8."""

    def __init__(self, radial: int = 20, hidden: int = 32) -> None:
        super().__init__()
        self.radial = radial
        self.convolution = Convolution(
            o3.Irreps("1x0e"), (0, 1), l_max=1, radial=radial, hidden=hidden, norm=1.0, gated=False
        )

    def forward(self, masses: torch.Tensor, index: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """``masses [N]``, edges -> accelerations ``[N, 3]``."""
        edges = Edges(vectors, index, 1, CUTOFF, self.radial)
        return self.convolution(masses.unsqueeze(1), edges)

    @torch.no_grad()
    def predict(self, points: object, masses: object) -> np.ndarray:
        """Accelerations ``[N, 3]`` of point masses; ``NetworkError`` for points the law does not hold for."""
        x = check_points(points, masses, where="gravity")
        longest = float(np.linalg.norm(x[:, None] - x[None], axis=-1).max())
        if longest > CUTOFF:
            raise NetworkError(
                f"points are {longest:.1f} apart", where="gravity", remedy=f"The network reaches to {CUTOFF:g}."
            )
        index, vectors, _ = all_pairs([x])
        return self(rows(masses), index, vectors).double().numpy()

    def radial_function(self, distances: np.ndarray) -> np.ndarray:
        """Acceleration towards a unit mass at each distance: what should be ``1/r**2``."""
        return np.array([self.predict([[0, 0, 0], [d, 0, 0]], [1.0, 1.0])[0, 0] for d in distances])


def train_gravity(steps: int = 1000, seed: int = 0) -> tuple[GravityNet, Fit]:
    """One random set a step, as published."""
    model = built(seed, GravityNet)
    rng = np.random.default_rng([seed, 1])

    def loss(step: int) -> torch.Tensor | None:
        x, m = random_masses(rng, 10)
        if len(x) < 2:  # its only point feels nothing
            return None
        index, vectors, _ = all_pairs([x])
        return 0.5 * (model(rows(m), index, vectors) - rows(accelerations(x, m))).square().sum()

    return model, fit(model, loss, steps=steps, rate=0.03)


def validation_loss(model: GravityNet, sets: int = 1000, seed: int = 1) -> float:
    """The published definition (docstring of the module), on ``sets`` random sets of up to 50 points."""
    rng, total = np.random.default_rng([seed, 2]), 0.0
    with torch.no_grad():
        for _ in range(sets):
            x, m = random_masses(rng, 50)
            if len(x) > 1:
                index, vectors, _ = all_pairs([x])
                difference = model(rows(m), index, vectors) - rows(accelerations(x, m))
                total += 0.5 * float(difference.square().sum())
    return total / sets
