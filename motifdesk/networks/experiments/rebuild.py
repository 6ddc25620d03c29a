"""Pieces reduced to one point and created again: the codec's own step, on shapes that the eye can check.

A Tetris piece is four atoms around their middle. The motif autoencoder
(:class:`motifdesk.networks.motif_autoencoder.MotifAutoencoder`, the shipped weights of the codec, never shown a piece)
reduces it to tensors at that middle and creates the four atoms from them; a wall of several pieces is reduced twice,
corners to pieces and pieces to one point, by :class:`motifdesk.networks.hierarchy.Hierarchy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch

from motifdesk.networks.clusters import pack
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.experiments.points import check_points
from motifdesk.networks.experiments.tetris import NAMES, piece
from motifdesk.networks.hierarchy import Hierarchy, Node
from motifdesk.networks.motif_autoencoder import MotifAutoencoder
from motifdesk.networks.testing import random_rotation

EDGE = 1.5  # Angstrom, of the cubes; a bond between carbons
ELEMENT = 6


@dataclass(frozen=True)
class Rebuilt:
    """``code [width]``: the one point; ``points [N, 3]``: created from it, in the order of what was given;
    ``deviation``: root mean square distance from what was given, in edges; infinity if the number of points differs;
    ``misfit``: of the creation (:class:`~motifdesk.networks.motif_autoencoder.Restored`)."""

    code: np.ndarray
    points: np.ndarray
    deviation: float
    misfit: float


def rebuild(model: MotifAutoencoder, pieces: Sequence[np.ndarray]) -> list[Rebuilt]:
    """Each piece ``[N, 3]`` (edges of one; up to eight points) to the point in its middle and back; from the codes
    alone."""
    shapes = [check_points(p, where=f"piece {k}") for k, p in enumerate(pieces)]
    for k, x in enumerate(shapes):
        if len(x) > 8:
            raise NetworkError(f"has {len(x)} points", where=f"piece {k}", remedy="At most eight can be compared.")
    middles = [x.mean(0) for x in shapes]
    clusters = pack(([ELEMENT] * len(x), EDGE * (x - m)) for x, m in zip(shapes, middles, strict=True))
    with torch.no_grad():
        codes = model.encode(clusters)
    made = model.decode(codes)
    out = []
    for x, middle, code, (_, y), misfit in zip(
        shapes, middles, codes.double().numpy(), made.clusters.split(), made.misfit.tolist(), strict=True
    ):
        y = y / EDGE + middle
        order, deviation = pairing(x, y)
        out.append(Rebuilt(code, y[order] if order is not None else y, deviation, misfit))
    return out


def pairing(a: np.ndarray, b: np.ndarray) -> tuple[list[int] | None, float]:
    """The order of ``b`` in which it lies nearest to ``a``, without turning, and the root mean square distance."""
    if len(a) != len(b):
        return None, float("inf")
    cost = np.square(a[:, None] - b[None]).sum(-1)
    rows = np.arange(len(a))
    orders = np.array(list(permutations(range(len(a)))))
    total = cost[rows, orders].sum(1)
    best = int(total.argmin())
    return orders[best].tolist(), float(np.sqrt(max(total[best], 0.0) / len(a)))


def signal(model: MotifAutoencoder, code: np.ndarray, directions: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """What the one point says of each place ``radius * direction``: ``[D, R]``.

    The signal that the creation starts from, sharpened by its matched filters: by how much an atom there would lessen
    what is to be explained of the code, as a share of it; below 0 where there is none. ``directions [D, 3]`` unit
    vectors, ``radii [R]`` in units of the piece's own length (the root mean square distance of its corners).
    """
    create = model.creator()
    target = torch.from_numpy(code)[None, model.head :] + (model.mean / model.spread)[model.head :].double()
    places = torch.from_numpy(directions[:, None] * np.asarray(radii)[None, :, None]).reshape(-1, 1, 3)
    numbers = torch.full((len(places), 1), ELEMENT)
    alone = create.codes(places, numbers, torch.ones(len(places), 1, dtype=torch.bool))

    def sharpened(codes: torch.Tensor) -> torch.Tensor:
        filters, parts, start = create.filters[0], [], 0
        assert filters is not None
        for degree, sharp in enumerate(filters):
            width = len(sharp) * (2 * degree + 1)
            part = codes[:, start : start + width].view(len(codes), len(sharp), -1)
            parts.append((sharp.T @ part).flatten(1))
            start += width
        return torch.cat(parts, 1)

    asked, alone = sharpened(target), sharpened(alone)
    gain = 2.0 * alone @ asked[0] - alone.square().sum(1)
    return (gain / asked.square().sum()).view(len(directions), len(radii)).numpy()


def exactness(model: MotifAutoencoder, rotations: int = 100, seed: int = 0) -> dict[str, np.ndarray]:
    """All pieces in random orientations: ``deviation [R, 8]`` in edges, ``misfit [R, 8]``, ``nearest [R, 8]``: the
    index of the piece that what came back is nearest to, of all eight turned alike, both hands included."""
    rng = np.random.default_rng([seed, 4])
    deviation, misfit = np.empty((rotations, len(NAMES))), np.empty((rotations, len(NAMES)))
    nearest = np.empty((rotations, len(NAMES)), dtype=np.int64)
    for r in range(rotations):
        turn = random_rotation(rng)
        shapes = [piece(name) @ turn.T for name in NAMES]
        for k, one in enumerate(rebuild(model, shapes)):
            deviation[r, k], misfit[r, k] = one.deviation, one.misfit
            nearest[r, k] = int(np.argmin([pairing(other, one.points)[1] for other in shapes]))
    return {"deviation": deviation, "misfit": misfit, "nearest": nearest}


def wall(pieces: Sequence[np.ndarray], places: np.ndarray) -> Node:
    """One point over pieces ``[N, 3]`` around the middles ``places [K, 3]`` (edges): a node of depth 2."""
    nodes = []
    middle = np.asarray(places, float).mean(0)
    for x, place in zip(pieces, places, strict=True):
        corners = tuple(Node(ELEMENT, EDGE * (p - x.mean(0))) for p in x)
        nodes.append(Node(ELEMENT, EDGE * (np.asarray(place, float) - middle), corners, False))
    return Node(ELEMENT, np.zeros(3), tuple(nodes), False)


def rebuild_wall(model: MotifAutoencoder, node: Node, copies: int = 2) -> tuple[Node, int, float]:
    """The wall created again from its one point, the numbers of that point, and the largest distance of an atom from
    where it was, in edges (infinity if atoms are missing)."""
    hierarchy = Hierarchy(model, copies=copies)
    code = hierarchy.reduce(node)
    made = hierarchy.create(code, node.depth, node.number)
    before = np.array([x for _, x in node.atoms()]) / EDGE
    after = np.array([x for _, x in made.atoms()]) / EDGE
    if len(before) != len(after):
        return made, code.numel(), float("inf")
    gap = np.linalg.norm(before[:, None] - after[None], axis=-1)
    one_to_one = len(set(gap.argmin(1).tolist())) == len(before)
    return made, code.numel(), float(gap.min(1).max()) if one_to_one else float("inf")
