"""The moment of inertia, learned: point masses reduced to the one point they turn about.

An experiment of N. Thomas et al., Tensor field networks, arXiv:1802.08219. Scalars in (masses), a scalar
and an l = 2 tensor out at the centre, so there are two radial functions to learn; they must become ``2/3 r**2`` and
``-r**2``. The layer is the codec's own :class:`motifdesk.networks.reduce.Reduce`.

Definition of the published figure (the authors' ``moment_of_inertia.ipynb``, validation loss 136.885 at step 0 and
0.002 at step 10,000), kept here: 15 points, uniform in the cube [-0.5, 0.5]**3; the first is the centre and weighs
nothing, the others 0.5..2, uniform; ``I = sum_j m_j (|r_j|**2 - r_j r_j^T)``, ``r_j`` from the centre; the loss of a
set is *half the sum* of squared differences over the nine components; training takes one set a step; the validation
loss is the mean over 1,000 sets.
"""

from __future__ import annotations

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.errors import NetworkError
from motifdesk.networks.experiments.points import Fit, built, check_points, fit, rows
from motifdesk.networks.reduce import REACH, Reduce

POINTS, HALF_EDGE, MASSES = 15, 0.5, (0.5, 2.0)
PUBLISHED = 0.002  # validation loss of the authors' saved run at step 10,000


def random_masses(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Offsets from the centre ``[14, 3]`` and masses ``[14]`` as the module's docstring defines them."""
    points = rng.uniform(-HALF_EDGE, HALF_EDGE, (POINTS, 3))
    return points[1:] - points[0], rng.uniform(*MASSES, POINTS - 1)


def inertia(offsets: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """``[3, 3]`` about the origin, exact."""
    r, m = np.asarray(offsets, float), np.asarray(masses, float)
    return (m * (r * r).sum(1)).sum() * np.eye(3) - np.einsum("j,ja,jb->ab", m, r, r)


class InertiaNet(nn.Module):
    """One reduction ``1x0e -> 1x0e + 1x2e`` and the fixed change of basis to a symmetric matrix."""

    to_matrix: torch.Tensor

    def __init__(self, radial: int = 16) -> None:
        super().__init__()
        self.reduce = Reduce("1x0e", "1x0e+1x2e", l_max=2, radial=radial)
        symmetric = o3.ReducedTensorProducts("ij=ji", i="1o")
        self.register_buffer("to_matrix", symmetric.change_of_basis.float(), persistent=False)  # [6, 3, 3]

    def forward(self, masses: torch.Tensor, offsets: torch.Tensor, point: torch.Tensor, points: int) -> torch.Tensor:
        """``masses [E]``, ``offsets [E, 3]``, ``point [E]`` -> ``[points, 3, 3]``."""
        reduced = self.reduce(masses.unsqueeze(1), offsets, point, points)
        return torch.einsum("bk,kij->bij", reduced, self.to_matrix)

    @torch.no_grad()
    def predict(self, offsets: object, masses: object) -> np.ndarray:
        """``[3, 3]`` about the origin of the offsets."""
        r = check_points(offsets, masses, where="inertia", least=1)
        longest = float(np.linalg.norm(r, axis=1).max())
        if longest > REACH:
            raise NetworkError(
                f"a mass is {longest:.1f} away", where="inertia", remedy=f"The network reaches to {REACH:g}."
            )
        point = torch.zeros(len(r), dtype=torch.int64)
        return self(rows(masses), rows(r), point, 1)[0].double().numpy()

    def radial_functions(self, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the scalar (should be ``2/3 r**2``) and of the l = 2 tensor (``-r**2``), for a unit mass."""
        tensors = np.array([self.predict([[0.0, 0.0, d]], [1.0]) for d in distances])
        scalar = np.trace(tensors, axis1=1, axis2=2) / 3.0
        return scalar, 1.5 * (tensors[:, 2, 2] - scalar)


def train_inertia(steps: int = 3000, seed: int = 0) -> tuple[InertiaNet, Fit]:
    """One random set a step, as published."""
    model = built(seed, InertiaNet)
    rng = np.random.default_rng([seed, 1])
    point = torch.zeros(POINTS - 1, dtype=torch.int64)

    def loss(step: int) -> torch.Tensor:
        r, m = random_masses(rng)
        return 0.5 * (model(rows(m), rows(r), point, 1)[0] - rows(inertia(r, m))).square().sum()

    return model, fit(model, loss, steps=steps, rate=0.03)


def validation_loss(model: InertiaNet, sets: int = 1000, seed: int = 1) -> float:
    """The published definition (docstring of the module)."""
    rng = np.random.default_rng([seed, 2])
    drawn = [random_masses(rng) for _ in range(sets)]
    r, m = (np.concatenate(part) for part in zip(*drawn, strict=True))
    truth = rows(np.array([inertia(*one) for one in drawn]))
    with torch.no_grad():
        found = model(rows(m), rows(r), torch.arange(sets).repeat_interleave(POINTS - 1), sets)
    return 0.5 * float((found - truth).square().sum((1, 2)).mean())
