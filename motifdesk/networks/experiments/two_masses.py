"""Two masses with velocity and acceleration: vectors in, vectors out, and what becomes of them when all is turned.

Two bodies attract each other (G = 1). A network is given masses, places, velocities and accelerations now, and answers
displacement, velocity and acceleration of both a time ``LATER`` after. It is trained on systems in one orientation
(the second body from the first along x, velocities in the xy plane). An equivariant network has thereby learned all
orientations: turning what goes in turns what comes out. The layers are
:class:`~motifdesk.networks.convolution.Convolution`; the baseline is a perceptron of as many parameters on all
coordinates at once, from the middle of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.convolution import Edges, chain
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.experiments.points import Fit, built, check_points, check_rotation, fit, rows
from motifdesk.networks.testing import random_rotation

LATER = 0.5
APART, MASSES, FASTEST = (1.5, 2.5), (0.5, 1.5), 0.5
CUTOFF = 4.0
_STEPS = 40


@dataclass(frozen=True)
class TwoMasses:
    """B systems: ``masses [B, 2]``, ``positions``, ``velocities``, ``accelerations [B, 2, 3]``; float64, G = 1."""

    masses: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray

    def __len__(self) -> int:
        return len(self.masses)

    def __getitem__(self, key: slice | np.ndarray) -> TwoMasses:
        return TwoMasses(self.masses[key], self.positions[key], self.velocities[key], self.accelerations[key])

    def turned(self, matrix: object) -> TwoMasses:
        """Every vector ``v -> matrix @ v``; ``matrix [3, 3]``, a proper rotation, for all, or ``[B, 3, 3]``."""
        given = np.asarray(matrix, dtype=np.float64)
        for one in given.reshape(-1, *given.shape[-2:]):
            check_rotation(one, "two masses")
        turn = np.swapaxes(given, -1, -2)
        return replace(
            self,
            positions=self.positions @ turn,
            velocities=self.velocities @ turn,
            accelerations=self.accelerations @ turn,
        )


def _pull(masses: np.ndarray, positions: np.ndarray) -> np.ndarray:
    apart = positions[:, ::-1] - positions
    return masses[:, ::-1, None] * apart / np.linalg.norm(apart, axis=-1, keepdims=True) ** 3


def system(masses: object, positions: object, velocities: object) -> TwoMasses:
    """One system of two bodies, its accelerations from Newton's law."""
    x = check_points(positions, masses, where="two masses")
    v = np.asarray(velocities, dtype=np.float64)
    if len(x) != 2:
        raise NetworkError(f"are {len(x)} bodies", where="two masses", remedy="Give two.")
    if v.shape != (2, 3) or not np.isfinite(v).all():
        raise NetworkError("velocities are no two finite vectors", where="two masses", remedy="Give [2, 3] numbers.")
    m, places = np.asarray(masses, dtype=np.float64)[None], x[None]
    return TwoMasses(m, places, v[None], _pull(m, places))


def random_systems(count: int, rng: np.random.Generator) -> TwoMasses:
    """Systems in the one orientation of the module's docstring, from their middle."""
    masses = rng.uniform(*MASSES, (count, 2))
    half = 0.5 * rng.uniform(*APART, count)
    positions = np.zeros((count, 2, 3))
    positions[:, 0, 0], positions[:, 1, 0] = -half, half
    angle, size = rng.uniform(0, 2 * np.pi, (count, 2)), FASTEST * np.sqrt(rng.uniform(0, 1, (count, 2)))
    velocities = np.stack([size * np.cos(angle), size * np.sin(angle), 0 * size], -1)
    return TwoMasses(masses, positions, velocities, _pull(masses, positions))


def later(systems: TwoMasses, time: float = LATER) -> np.ndarray:
    """Displacement, velocity and acceleration ``[B, 2, 3 kinds, 3]`` after ``time``; Runge-Kutta of fourth order."""
    x, v, m, h = systems.positions, systems.velocities, systems.masses, time / _STEPS
    for _ in range(_STEPS):
        a1 = _pull(m, x)
        a2 = _pull(m, x + 0.5 * h * v)
        a3 = _pull(m, x + 0.5 * h * v + 0.25 * h * h * a1)
        a4 = _pull(m, x + h * v + 0.5 * h * h * a2)
        x, v = x + h * v + h * h / 6.0 * (a1 + a2 + a3), v + h / 6.0 * (a1 + 2 * a2 + 2 * a3 + a4)
    return np.stack([x - systems.positions, v, _pull(m, x)], axis=2)


class TwoMassesNet(nn.Module):
    """``1x0e + 2x1o`` at both bodies (mass, velocity, acceleration) -> ``3x1o``; ``[B, 2, 3, 3]``."""

    def __init__(self, multiplicities: tuple[int, ...] = (12, 8, 4), radial: int = 8, hidden: int = 12) -> None:
        super().__init__()
        self.radial, self.l_max = radial, len(multiplicities) - 1
        self.layers = chain(o3.Irreps("1x0e+2x1o"), multiplicities, 2, radial=radial, hidden=hidden, norm=1.0)
        self.vectors = o3.Linear(self.layers[-1].irreps_out + o3.Irreps("2x1o"), "3x1o")

    def forward(self, masses: torch.Tensor, x: torch.Tensor, v: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        b = len(masses)
        first = 2 * torch.arange(b)
        index = torch.cat([torch.stack([first, first + 1]), torch.stack([first + 1, first])], 1)
        flat = x.reshape(-1, 3)
        edges = Edges(flat[index[1]] - flat[index[0]], index, self.l_max, CUTOFF, self.radial)
        moving = torch.cat([v.reshape(-1, 3), a.reshape(-1, 3)], 1)
        h = torch.cat([masses.reshape(-1, 1), moving], 1)
        for layer in self.layers:
            h = layer(h, edges)
        return self.vectors(torch.cat([h, moving], 1)).view(b, 2, 3, 3)


class Perceptron(nn.Module):
    """The baseline: twenty numbers in, eighteen out."""

    def __init__(self, hidden: int = 39) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(20, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 18)
        )

    def forward(self, masses: torch.Tensor, x: torch.Tensor, v: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(1, keepdim=True)
        return self.layers(torch.cat([masses, x.flatten(1), v.flatten(1), a.flatten(1)], 1)).view(-1, 2, 3, 3)


@torch.no_grad()
def predict(model: nn.Module, systems: TwoMasses) -> np.ndarray:
    """Displacement, velocity, acceleration ``[B, 2, 3 kinds, 3]`` that the network expects after :data:`LATER`."""
    return _answer(model, systems).double().numpy()


def _answer(model: nn.Module, systems: TwoMasses) -> torch.Tensor:
    return model(rows(systems.masses), rows(systems.positions), rows(systems.velocities), rows(systems.accelerations))


def random_rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    """``[count, 3, 3]``."""
    return np.array([random_rotation(rng) for _ in range(count)])


def train_two_masses(
    make: Callable[[], nn.Module] = TwoMassesNet,
    *,
    steps: int = 1500,
    batch: int = 32,
    seed: int = 0,
    rate: float = 0.02,
    turned: bool = False,
) -> tuple[nn.Module, Fit]:
    """New random systems every step, in one orientation; ``turned``: in random ones (augmentation)."""
    model = built(seed, make)
    rng = np.random.default_rng([seed, 1])

    def loss(step: int) -> torch.Tensor:
        systems = random_systems(batch, rng)
        if turned:
            systems = systems.turned(random_rotations(batch, rng))
        return (_answer(model, systems) - rows(later(systems))).square().mean()

    return model, fit(model, loss, steps=steps, rate=rate)


def errors(model: nn.Module, count: int = 1000, seed: int = 1) -> dict[str, float]:
    """On systems of the training's orientation and in random ones: root mean square error of all components, in units
    of their root mean square (``seen``, ``turned``), and ``equivariance``: how far the answer to the turned system is
    from the turned answer, in the same units."""
    rng = np.random.default_rng([seed, 2])
    systems = random_systems(count, rng)
    turn = random_rotations(count, rng)
    truth = later(systems)
    unit = float(np.sqrt(np.square(truth).mean()))
    seen, after = predict(model, systems), predict(model, systems.turned(turn))
    turned = np.einsum("bij,bnkj->bnki", turn, truth)
    expected = np.einsum("bij,bnkj->bnki", turn, seen)

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(np.square(a - b).mean()) / unit)

    return {"seen": apart(seen, truth), "turned": apart(after, turned), "equivariance": apart(after, expected)}
