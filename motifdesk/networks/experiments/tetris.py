"""The eight Tetris pieces of space, told apart in any orientation after being seen in one.

An experiment of N. Thomas et al., Tensor field networks, arXiv:1802.08219 (coordinates as in the authors'
``shape_classification.ipynb``). The layers are the codec's: two convolutions between the four points
(:class:`~motifdesk.networks.convolution.Convolution`) and one reduction to their middle
(:class:`~motifdesk.networks.reduce.Reduce`).

The first two pieces are mirror images. Scalars that do not feel a reflection cannot tell them apart, so the reduction
keeps true tensors (1o, 2e) and pseudotensors (1e, 2o); the product of one of each is a pseudoscalar (0o), which has one
sign in the left hand and the other in the right.

:class:`PointNet` (after C. R. Qi et al., CVPR 2017) is the baseline: a function of the coordinates, the same for every
point, summed over the points, with as many parameters; it knows permutations, and translations since it is given
coordinates from the middle, but no rotations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.convolution import Edges, chain
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.experiments.points import Fit, all_pairs, built, check_points, fit, rows
from motifdesk.networks.reduce import Reduce
from motifdesk.networks.testing import random_rotation

#: Name and corners; the middles of four unit cubes that share faces.
PIECES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "left hand": ((0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0)),
    "right hand": ((0, 0, 0), (0, 0, 1), (1, 0, 0), (1, -1, 0)),
    "square": ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)),
    "line": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)),
    "corner": ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "L": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0)),
    "T": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 1)),
    "zigzag": ((0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 1, 0)),
}
NAMES = tuple(PIECES)
CUTOFF = 3.5
CORNERS = 4


def piece(name: str) -> np.ndarray:
    """Corners ``[4, 3]`` in the one orientation of the training, from their middle."""
    if name not in PIECES:
        raise NetworkError(f"no piece is called {name!r}", where="tetris", remedy=f"One of: {', '.join(NAMES)}.")
    x = np.array(PIECES[name], dtype=np.float64)
    return x - x.mean(0)


def all_pieces() -> np.ndarray:
    """``[8, 4, 3]``."""
    return np.array([piece(name) for name in NAMES])


class TetrisNet(nn.Module):
    """Four points -> scores of the eight pieces; invariant under rotation and translation, not under reflection."""

    def __init__(self, multiplicities: tuple[int, ...] = (8, 6, 4), radial: int = 6, hidden: int = 8) -> None:
        super().__init__()
        self.radial, self.l_max = radial, len(multiplicities) - 1
        self.layers = chain(o3.Irreps("1x0e"), multiplicities, 2, radial=radial, hidden=hidden, norm=2.0)
        self.reduce = Reduce(self.layers[-1].irreps_out, "8x0e+4x1o+4x1e+4x2e+4x2o", l_max=self.l_max, radial=radial)
        self.parts = self.reduce.irreps_out.slices()
        self.hands = o3.FullyConnectedTensorProduct("4x1o+4x2e", "4x1e+4x2o", "4x0o")
        self.head = nn.Linear(8 + 4, len(PIECES))

    def reduced(self, points: torch.Tensor, edges: tuple | None = None) -> torch.Tensor:
        """The one point that each piece becomes: ``[B, 4, 3] -> [B, reduce.irreps_out.dim]``."""
        b, n = points.shape[:2]
        index, vectors = edges if edges is not None else pairs_of(points)
        shared = Edges(vectors, index, self.l_max, CUTOFF, self.radial)
        h = points.new_ones(b * n, 1)
        for layer in self.layers:
            h = layer(h, shared)
        offsets = (points - points.mean(1, keepdim=True)).reshape(-1, 3)
        return self.reduce(h, offsets, torch.arange(b).repeat_interleave(n), b)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """``[B, 4, 3] -> [B, 8]``."""
        c = self.reduced(points)
        scalar, vector, pseudo_vector, tensor, pseudo_tensor = (c[:, part] for part in self.parts)
        hand = self.hands(torch.cat([vector, tensor], 1), torch.cat([pseudo_vector, pseudo_tensor], 1))
        return self.head(torch.cat([scalar, hand], 1))


class PointNet(nn.Module):
    """The baseline of the module's docstring: ``[B, 4, 3] -> [B, 8]``."""

    def __init__(self, hidden: int = 33) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(3, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.all = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, len(PIECES)))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.all(self.each(points - points.mean(1, keepdim=True)).sum(1))


def pairs_of(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``edge_index``, ``edge_vec`` of ``[B, n, 3]``: every point to every other of its piece."""
    b, n = points.shape[:2]
    index, _, _ = all_pairs([np.zeros((n, 3))])
    index = (index.unsqueeze(1) + n * torch.arange(b).view(1, b, 1)).reshape(2, -1)
    flat = points.reshape(-1, 3)
    return index, flat[index[1]] - flat[index[0]]


def train_tetris(
    make: Callable[[], nn.Module] = TetrisNet,
    *,
    steps: int = 200,
    seed: int = 0,
    rate: float = 0.01,
    turned: bool = False,
) -> tuple[nn.Module, Fit]:
    """The eight pieces, all of them a step, in their one orientation; ``turned``: in random ones (augmentation)."""
    model = built(seed, make)
    rng = np.random.default_rng([seed, 1])
    x, label = all_pieces(), torch.arange(len(PIECES))

    def loss(step: int) -> torch.Tensor:
        shown = np.array([p @ random_rotation(rng).T for p in x]) if turned else x
        return nn.functional.cross_entropy(model(rows(shown)), label)

    return model, fit(model, loss, steps=steps, rate=rate)


def turned_pieces(rotations: int, seed: int = 0, farthest: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Every piece in each of so many random rotations and translations: ``[R * 8, 4, 3]``, labels ``[R * 8]``.

    Translations are uniform in a cube of half edge ``farthest``, corners come in random order."""
    rng = np.random.default_rng([seed, 3])
    out = []
    for _ in range(rotations):
        turn, shift = random_rotation(rng), rng.uniform(-farthest, farthest, 3)
        out += [rng.permutation(x) @ turn.T + shift for x in all_pieces()]
    return np.array(out), np.tile(np.arange(len(PIECES)), rotations)


@torch.no_grad()
def classify(model: nn.Module, points: Sequence | np.ndarray) -> list[str]:
    """Names of the pieces with corners ``[B, 4, 3]``."""
    shapes = [check_points(p, where=f"piece {k}", least=CORNERS) for k, p in enumerate(points)]
    for k, x in enumerate(shapes):
        if len(x) != CORNERS:
            raise NetworkError(f"has {len(x)} points", where=f"piece {k}", remedy="A piece has four.")
    if not shapes:
        return []
    x = np.array(shapes)
    return [NAMES[int(k)] for k in model(rows(x - x.mean(1, keepdims=True))).argmax(1)]


@torch.no_grad()
def confusion(model: nn.Module, rotations: int = 1000, seed: int = 0) -> np.ndarray:
    """``[8, 8]``: how often each piece (row) was given each name (column), over :func:`turned_pieces`."""
    x, label = turned_pieces(rotations, seed)
    table = np.zeros((len(PIECES), len(PIECES)), dtype=np.int64)
    for start in range(0, len(x), 800):
        found = model(rows(x[start : start + 800])).argmax(1).numpy()
        np.add.at(table, (label[start : start + 800], found), 1)
    return table


def accuracy(table: np.ndarray) -> float:
    """Share of right answers in a :func:`confusion` table."""
    return float(np.trace(table) / table.sum())
