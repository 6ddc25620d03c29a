"""What a set of modes asks of a network: which coordinates, with which weights, whatever the amplitudes are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..symmetry.modes import Mode
from .network import Coordinate, Network, Part, cross_sum

#: Weights of the asked coordinates against one bond of a stiff motif, tried in turn until the answer is sane: a request
#: that contradicts the network must bend, not the network.
STIFF = (300.0, 10.0, 1.0)
_EVEN = 0.003  # weight of each motif's own turn when the mean turn of many is asked for
_LARGEST_TURN = math.sin(math.radians(60.0))
_NOTHING = 1e-6  # length of an asked unit vector below which nothing is left of it

#: (motif, displacements [k, 3] of its ligands) for every motif a mode acts on.
Targets = Sequence[tuple[int, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Request:
    """Modes laid on a network.

    coordinates, with `owner` int [c] the mode each belongs to and `scale` [c] its amplitude for a mode of 1 Angstrom.
    weights: float64 [B], the stiffness of every bond, stiffest in the motifs that are asked for something.
    """

    modes: tuple[Mode, ...]
    coordinates: tuple[Coordinate, ...]
    owner: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    shapes: tuple[tuple[int, slice, np.ndarray], ...]  # mode, rows, change of the bonds for 1 Angstrom
    reach: np.ndarray  # [modes], Angstrom; infinite where no amplitude is too large

    def bounded(self, amplitudes: np.ndarray) -> np.ndarray:
        """float64 [modes]: beyond a turn by 60 degrees a projection no longer says how far a motif has turned."""
        return np.clip(amplitudes, -self.reach, self.reach)

    def shape(self, net: Network, amplitudes: np.ndarray) -> np.ndarray:
        """float64 [B, 3]: the bonds every motif should have, up to a rotation."""
        out = net.start.copy()
        for mode, rows, vectors in self.shapes:
            out[rows] += amplitudes[mode] * vectors
        return out


def lay_request(net: Network, modes: Sequence[Mode], targets: Mapping[str, Targets] | None = None) -> Request:
    """The request of `modes`. targets: mode key -> what is left of it in the symmetry that is kept (default: all)."""
    weights = net.weights.copy()
    coordinates: list[Coordinate] = []
    owner: list[int] = []
    scale: list[float] = []
    shapes: list[tuple[int, slice, np.ndarray]] = []
    reach = np.full(len(modes), np.inf)
    for number, mode in enumerate(modes):
        for index, vectors in mode.targets:
            weights[net.rows_of(index, len(vectors))] = net.stiffest
        left = mode.targets if targets is None else targets.get(mode.key, mode.targets)
        sizes = [float(np.linalg.norm(v)) for _, v in left]
        parts = [
            Part(index, net.rows_of(index, len(v)), v / size)
            for (index, v), size in zip(left, sizes, strict=True)
            if size > _NOTHING
        ]
        sizes = [size for size in sizes if size > _NOTHING]
        for part, size in zip(parts, sizes, strict=True):
            weights[part.rows] = net.stiffest
            if mode.block != "rotation":
                shapes.append((number, part.rows, size * part.vectors))
                coordinates.append(Coordinate(False, (part,), STIFF[0]))
                scale.append(size)
                continue
            turn = _turn_per_amplitude(net.start[part.rows], part.vectors)
            reach[number] = min(reach[number], _LARGEST_TURN * turn / size if turn else np.inf)
            if len(parts) > 1:
                coordinates.append(Coordinate(True, (part,), _EVEN))
                scale.append(size)
        if mode.block == "rotation" and parts:
            # only the mean turn is asked for: in coupled tilts (a+b-b-) single motifs differ to second order
            mean = math.sqrt(sum(size * size for size in sizes) / len(sizes))
            even = [Part(p.motif, p.rows, p.vectors * (size / mean)) for p, size in zip(parts, sizes, strict=True)]
            coordinates.append(Coordinate(True, tuple(even), STIFF[0]))
            scale.append(mean)
        owner += [number] * (len(coordinates) - len(owner))
    return Request(
        tuple(modes),
        tuple(coordinates),
        np.array(owner, dtype=np.int64),
        np.array(scale, dtype=float),
        weights,
        tuple(shapes),
        reach,
    )


def _turn_per_amplitude(start: np.ndarray, vectors: np.ndarray) -> float:
    """For a rotation mode: the amplitude (Angstrom) of a turn by 90 degrees, to first order of the sine."""
    # best rotation vector w with w x r ~ vectors; |w| radians per Angstrom
    moment = (start * start).sum() * np.eye(3) - start.T @ start
    w = np.linalg.lstsq(moment, cross_sum(start, vectors), rcond=None)[0]
    size = float(np.linalg.norm(w))
    return 1.0 / size if size > 1e-9 else 0.0
