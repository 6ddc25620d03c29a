"""The geometry code of crystals that keep a symmetry blueprint, as a function of their free Wyckoff coordinates alone.

Atoms of one orbit have the same environment: one atom per orbit is looked at, weighted by the size of its orbit, and
the derivative is taken with respect to the free coordinates (often fewer than five) instead of all atoms. A batch of
a hundred crystals then costs what a handful costs in :mod:`motifdesk.codec.jacobian`, whose numbers these are. The cell
is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from motifdesk.codec.blueprint import Blueprint
from motifdesk.codec.harmonics import LMAX
from motifdesk.codec.jacobian import EncoderArrays, GeometryMap
from motifdesk.codec.radii import CLOSEST, COVALENT_RADII
from motifdesk.codec.sums import EdgeSum

_CENTRES_AT_ONCE = 160  # a CPU works through a batch in pieces that stay in its cache


@dataclass(frozen=True)
class Orbits:
    """The atoms of a blueprint's primitive cell as affine functions of its free coordinates.

    Attributes:
        numbers: int [n], sorted by element. linear: float [n, 3, P]; place: float [n, 3]: fractional coordinates are
            ``linear @ t + place``. first: int [C], one atom of each orbit; orbit: int [n]; span: the slice of t of each
            orbit.
    """

    numbers: np.ndarray
    linear: np.ndarray
    place: np.ndarray
    first: np.ndarray
    orbit: np.ndarray
    span: tuple[slice, ...]

    @property
    def free(self) -> int:
        return self.linear.shape[2]

    def fractional(self, t: np.ndarray) -> np.ndarray:
        """Fractional coordinates [..., n, 3] at free coordinates [..., P]."""
        return np.einsum("nkp,...p->...nk", self.linear, t) + self.place


def orbits_of(blueprint: Blueprint) -> Orbits:
    """The orbits of a blueprint, elements ascending."""
    positions = blueprint.table.positions
    wanted = [(z, positions[letter]) for z, letter, count in blueprint.sites for _ in range(count)]
    n, free = sum(w.multiplicity for _, w in wanted), sum(w.free for _, w in wanted)
    linear, place = np.zeros((n, 3, free)), np.zeros((n, 3))
    numbers, orbit = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    first, spans, row, column = [], [], 0, 0
    for k, (z, w) in enumerate(wanted):
        rows, columns = slice(row, row + w.multiplicity), slice(column, column + w.free)
        linear[rows, :, columns], place[rows] = w.directions, w.place
        numbers[rows], orbit[rows] = z, k
        first.append(row)
        spans.append(columns)
        row, column = rows.stop, columns.stop
    return Orbits(numbers, linear, place, np.array(first), orbit, tuple(spans))


class OrbitMap:
    """free coordinates [B, P] -> geometry code [B, 384] and its derivative [B, 384, P], in a fixed cell.

    Args:
        arrays: the encoder's numbers. cell: float [3, 3], the primitive cell (symmetrised), rows, Angstrom.
    """

    def __init__(
        self,
        arrays: EncoderArrays,
        orbits: Orbits,
        cell: np.ndarray,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.orbits, self.cell = orbits, np.asarray(cell, dtype=np.float64)
        self.map = GeometryMap(arrays, orbits.numbers, dtype=dtype, device=device)
        self.dtype, self.device = dtype, torch.device(device)
        n = len(orbits.numbers)
        self.scale = float((abs(np.linalg.det(self.cell)) / n) ** (1.0 / 3.0))

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, dtype)

        first = orbits.first
        cartesian = np.einsum("nkp,kc->ncp", orbits.linear, self.cell)  # dx/dt, Angstrom
        self._slope = tensor(cartesian[first])  # [C, 3, P]
        # of the vector from an orbit's first atom to each atom: [C, P, n, 3]
        self._pairs = tensor((cartesian[None] - cartesian[first][:, None]).transpose(0, 3, 1, 2) / self.scale)
        self._linear, self._place, self._cell = tensor(orbits.linear), tensor(orbits.place), tensor(self.cell)
        self._first = torch.from_numpy(first).to(self.device)
        self._weight = tensor(np.bincount(orbits.orbit) / n)
        self._kind = torch.from_numpy(np.unique(orbits.numbers, return_inverse=True)[1]).to(self.device)
        self._shifts = tensor(lattice_shifts(self.cell, arrays.cutoff * self.scale))
        radii = COVALENT_RADII[orbits.numbers]
        self._limits = tensor(CLOSEST * (radii[first][:, None] + radii[None]))

    @property
    def free(self) -> int:
        return self.orbits.free

    def step_length(self, move: Tensor) -> Tensor:
        """Longest way of an atom [B] in length-scale units when t changes by ``move`` [B, P] (float64)."""
        return torch.einsum("ckp,bp->bck", self._slope.double(), move).norm(dim=-1).amax(-1) / self.scale

    def __call__(self, t: Tensor, *, jacobian: bool = False) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """Code [B, 384], derivative [B, 384, P] or ``None``, closest-approach cost [B], its rows' sums [B, P, P + 1].

        The last are the Gauss-Newton matrix and gradient of the barrier that keeps atoms apart.
        """
        step = max(1, _CENTRES_AT_ONCE // len(self._first))
        parts = [self._evaluate(t[k : k + step], jacobian) for k in range(0, len(t), step)]

        slopes = [part[1] for part in parts if part[1] is not None]
        terms = [part[3] for part in parts if part[3] is not None]
        code, cost = torch.cat([part[0] for part in parts]), torch.cat([part[2] for part in parts])
        return code, torch.cat(slopes) if slopes else None, cost, torch.cat(terms) if terms else None

    def _evaluate(self, t: Tensor, jacobian: bool) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        b, n, c = len(t), len(self.orbits.numbers), len(self._first)
        m, kinds = self.map, int(self._kind.max()) + 1
        fractional = torch.einsum("nkp,bp->bnk", self._linear, t.to(self.dtype)) + self._place
        x = (fractional - fractional.floor()) @ self._cell
        relative = x[:, None] - x[:, self._first][:, :, None]  # [B, C, n, 3]
        squared = (
            relative.square().sum(-1)[..., None]
            + self._shifts.square().sum(-1)
            + 2.0 * relative.flatten(0, 2).matmul(self._shifts.T).view(b, c, n, -1)
        )
        close = squared < (self.map.arrays.cutoff * self.scale) ** 2
        rows = torch.arange(c, device=self.device)
        zero = int((self._shifts == 0).all(-1).nonzero()[0, 0])
        close[:, rows, self._first, zero] = False  # the atom itself
        graph, centre, neighbour, image = close.nonzero(as_tuple=True)
        raw = relative[graph, centre, neighbour] + self._shifts[image]
        vectors = raw / self.scale
        # atoms on one place (the start of a search may have them) have no direction: a hundredth of a unit apart
        vectors = torch.where(vectors.norm(dim=-1, keepdim=True) < 1e-2, torch.full_like(vectors, 0.01), vectors)
        values, gradient = m._functions(vectors, jacobian)
        place = graph * c + centre
        sums = EdgeSum(place * kinds + self._kind[neighbour], b * c * kinds, values)(values).view(b * c, kinds, -1)
        slopes = None
        if gradient is not None:
            pair = EdgeSum(place * n + neighbour, b * c * n, values)(gradient.flatten(1)).view(b, c, n * 3, -1)
            columns = [slice(3 * s.start, 3 * s.stop) for s in m.columns]
            flat = self._pairs.flatten(2)  # [C, P, 3n]
            slopes = torch.stack([flat[:, :, s] @ pair[:, :, s] for s in columns], 2).flatten(0, 1)  # [BC, S, P, 128]
        own = m._own[self._first]
        aware = self._tower(sums, m.mix, (m._w1, *m.arrays.mlp_aware[2:]), own, slopes, b)
        w1, b1, w2, b2 = m.arrays.mlp_blind
        blind = self._tower(
            sums.sum(1, keepdim=True),
            [w[None] for w in m.mix_blind],
            (w1, w2, b2),
            b1,
            None if slopes is None else slopes.sum(1, keepdim=True),
            b,
        )
        codes, derivatives = [], []
        for h, dh in (aware, blind):
            mean = torch.einsum("c,bcd->bd", self._weight, h)
            centred = h - mean[:, None]
            std = (torch.einsum("c,bcd->bd", self._weight, centred.square()) + m.arrays.eps).sqrt()
            codes += [mean, std]
            if dh is not None:
                derivatives += [
                    torch.einsum("c,bcpd->bpd", self._weight, dh),
                    torch.einsum("bcd,bcpd->bpd", self._weight[:, None] * centred / std[:, None], dh),
                ]
        code = (torch.cat(codes, -1) - m.arrays.mean) / m.arrays.std
        derivative = (torch.cat(derivatives, -1) / m.arrays.std).mT if derivatives else None
        cost, terms = self._barrier(raw, graph, centre, neighbour, b, jacobian)
        return code, derivative, cost, terms

    def _tower(
        self,
        sums: Tensor,
        mixes: list[Tensor],
        layers: tuple[Tensor, ...],
        bias: Tensor,
        slopes: Tensor | None,
        batch: int,
    ) -> tuple[Tensor, Tensor | None]:
        """Invariants [B, C, D] of the orbits and their derivatives [B, C, P, D]; see ``GeometryMap._tower``."""
        m, (w1, w2, b2) = self.map, layers
        delta = m.arrays.delta
        invariants: list[Tensor] = []
        derivatives: list[Tensor] = []
        for degree, mix in enumerate(mixes):
            span = m._features[degree]
            part = sums[:, :, span].unflatten(-1, (2 * degree + 1, -1))
            tensor = torch.einsum("ismn,snk->ikm", part, mix)
            if degree == 0:
                invariants.append(tensor[..., 0])
                factor = torch.ones_like(tensor)
            else:
                root = (tensor.square().mean(-1) + delta).sqrt()
                invariants.append(root - delta**0.5)
                factor = tensor / ((2 * degree + 1) * root[..., None])
            if slopes is not None:
                folds = [(part[None, None, :, :] * factor.mT[:, :, None, :]).flatten(1, 2) for part in mix]
                pieces = [slopes[:, s, :, span] @ fold for s, fold in enumerate(folds)]
                derivatives.append(torch.stack(pieces).sum(0) if len(pieces) > 1 else pieces[0])
        assert len(mixes) == LMAX + 1
        inner = (torch.cat(invariants, -1) @ w1.T).unflatten(0, (batch, -1)) + bias
        gate = torch.sigmoid(inner)
        h = (inner * gate) @ w2.T + b2
        if slopes is None:
            return h, None
        slope = gate * (1.0 + inner * (1.0 - gate))
        hidden = (torch.cat(derivatives, -1) @ w1.T).unflatten(0, (batch, -1)) * slope[:, :, None, :]
        return h, hidden @ w2.T

    def _barrier(
        self, raw: Tensor, graph: Tensor, centre: Tensor, neighbour: Tensor, batch: int, jacobian: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Sum of (1 - d / limit)^2 over the pairs of each orbit's first atom, and its Gauss-Newton terms."""
        limit = self._limits[centre, neighbour]
        distance = raw.norm(dim=-1)
        near = (distance < limit).nonzero()[:, 0]
        cost = torch.zeros(batch, dtype=torch.float64, device=self.device)
        terms = torch.zeros(batch, self.free, self.free + 1, dtype=torch.float64, device=self.device)
        if len(near):
            g, i, j = graph[near], centre[near], neighbour[near]
            value = (1.0 - distance[near] / limit[near]).double()
            cost.index_add_(0, g, value.square())
            if jacobian:
                direction = raw[near].double() / distance[near].double().clamp(min=1e-3)[:, None]
                rows = -torch.einsum("ex,epx->ep", direction, self._pairs[i, :, j].double()) * self.scale
                rows = rows / limit[near].double()[:, None]
                terms.index_add_(0, g, rows[:, :, None] * torch.cat([rows, value[:, None]], 1)[:, None, :])
        return cost, terms if jacobian else None


def lattice_shifts(cell: np.ndarray, reach: float) -> np.ndarray:
    """Lattice translations (Cartesian [K, 3], Angstrom) that can bring two atoms *inside* the cell within ``reach``."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    span = np.ceil(reach / heights).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in span], indexing="ij"), -1).reshape(-1, 3)
    # the difference of two places inside lies in (-1, 1)^3 cells: nearest approach of that box to the lattice point
    corners = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 3) @ cell
    longest = np.linalg.norm(corners, axis=1).max()
    shifts = grid @ cell
    return shifts[np.linalg.norm(shifts, axis=1) < reach + longest]
