"""The geometry code of a batch of structures and its exact Jacobian, written by hand.

``torch.func.jacfwd`` needs 50 times as long (hundreds of milliseconds at 20 atoms), too slow for a pointer that
moves. The order of contraction is what makes it cheap: derivatives of the edge functions are summed over the
periodic images of each pair first (the species channel depends on the neighbour's element only, hence not on the
image), the linear mixing and the norm of each channel are folded into one matrix per (atom, neighbour element), and
only then the two layers of the perceptron are applied, as matrix products over all pairs at once.

Layout: all B structures of a batch share the atomic numbers [N] (in any order). Features of one atom are ordered by
degree, then m, then radial index n: blocks of 8, 24, 40 and 56 numbers. With n innermost a table of products of
harmonics and radial functions is one batched matrix product, ten times faster than writing it degree by degree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from motifdesk.codec.harmonics import LMAX, POWERS, harmonic_coefficients
from motifdesk.codec.images import Edges, find_edges
from motifdesk.codec.lattice import MOLECULE_SCALE
from motifdesk.codec.sums import EdgeSum

_ATOMS_AT_ONCE = 40  # a CPU works through a batch in pieces that stay in its cache

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class EncoderArrays:
    """The encoder's numbers, as plain tensors (see :func:`motifdesk.codec.weights.encoder_arrays`).

    Attributes:
        cutoff: in units of the length scale; ``n_radial`` sine functions, polynomial envelope of power ``power``.
        species: float [Z, C], channel weights of each element; norm: divisor of the neighbour sum.
        own: float [Z, 16], embedding of the atom's own element.
        mix_aware: per degree float [n_radial, C, K]; mix_blind: per degree float [n_radial, K'].
        mlp_aware, mlp_blind: (W1 [hidden, in], b1, W2 [out, hidden], b2).
        delta: constant in sqrt(power + delta); eps: constant in sqrt(variance + eps).
        mean, std: float [384], the standardisation of the pooled numbers.
    """

    cutoff: float
    n_radial: int
    power: int
    species: Tensor
    own: Tensor
    norm: float
    mix_aware: tuple[Tensor, ...]
    mix_blind: tuple[Tensor, ...]
    mlp_aware: tuple[Tensor, Tensor, Tensor, Tensor]
    mlp_blind: tuple[Tensor, Tensor, Tensor, Tensor]
    delta: float
    eps: float
    mean: Tensor
    std: Tensor

    def to(self, dtype: torch.dtype, device: torch.device | str) -> EncoderArrays:
        def move(value: object) -> object:
            if isinstance(value, Tensor):
                return value.to(device=device, dtype=dtype)
            return tuple(move(v) for v in value) if isinstance(value, tuple) else value

        return EncoderArrays(**{name: move(getattr(self, name)) for name in self.__dataclass_fields__})  # type: ignore[arg-type]


class GeometryMap:
    """positions, cells -> geometry code [B, 384] and its Jacobian, for the fixed composition ``numbers``.

    Args:
        arrays: the encoder's numbers (float64 recommended; moved to ``dtype`` and ``device``).
        numbers: int [N] atomic numbers, any order.
        skin: the neighbour list is built this much (in length-scale units) too wide and reused until atoms or
            cell moved by half of it.
    """

    def __init__(
        self,
        arrays: EncoderArrays,
        numbers: np.ndarray,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        skin: float = 0.0,
    ) -> None:
        self.arrays = a = arrays.to(dtype, device)
        self.dtype, self.device, self.skin = dtype, torch.device(device), skin
        numbers = np.asarray(numbers, dtype=np.int64)
        self.numbers = numbers
        self.natoms = len(numbers)
        elements, kind = np.unique(numbers, return_inverse=True)
        # atoms sorted by element: every element is then one slice of columns
        self.order = torch.from_numpy(np.argsort(kind, kind="stable")).to(self.device)
        sorted_kind = np.sort(kind, kind="stable")
        self.kind = torch.from_numpy(sorted_kind).to(self.device)
        bounds = np.searchsorted(sorted_kind, np.arange(len(elements) + 1))
        self.columns = [slice(int(lo), int(hi)) for lo, hi in zip(bounds[:-1], bounds[1:], strict=True)]
        z = torch.from_numpy(elements).to(self.device)
        # element channels folded into the mixing: [S, n, K] per degree
        self.mix = [torch.einsum("zc,nck->znk", a.species[z], w) / a.norm for w in a.mix_aware]
        self.mix_blind = [w / a.norm for w in a.mix_blind]
        coefficients, gradient = harmonic_coefficients()
        self._harmonics = torch.from_numpy(coefficients).to(self.device, dtype)
        self._gradient = torch.from_numpy(gradient).to(self.device, dtype)
        degrees = [float(degree) for degree in range(LMAX + 1) for _ in range(2 * degree + 1)]
        self._degrees = torch.tensor(degrees, dtype=dtype, device=self.device)
        n = torch.arange(1, a.n_radial + 1, dtype=dtype, device=self.device)
        self._frequency = n * (np.pi / a.cutoff)
        self._widths = [a.n_radial * (2 * degree + 1) for degree in range(LMAX + 1)]
        ends = np.cumsum(self._widths)
        self._features = [slice(int(e - w), int(e)) for e, w in zip(ends, self._widths, strict=True)]
        own = a.own[z[self.kind]]  # [N, 16]; the constant part of the first layer
        k = len(self.mix) * self.mix[0].shape[-1]
        w1 = a.mlp_aware[0]
        self._own = own @ w1[:, k:].T + a.mlp_aware[1]
        self._w1 = w1[:, :k].contiguous()
        self._edges: Edges | None = None
        self._reference: tuple[Tensor, Tensor | None] | None = None

    # ------------------------------------------------------------------ neighbours

    def scale(self, cells: Tensor | None, batch: int) -> Tensor:
        """Length unit of each structure, Angstrom [B]: (V/N)^(1/3), or 2 A for molecules."""
        if cells is None:
            return torch.full((batch,), MOLECULE_SCALE, dtype=self.dtype, device=self.device)
        return (torch.linalg.det(cells).abs() / self.natoms) ** (1.0 / 3.0)

    def edges(self, positions: Tensor, cells: Tensor | None) -> Edges:
        """Neighbour list of *sorted* positions, reused while nothing moved further than half the skin."""
        scale = self.scale(cells, len(positions))
        if self._edges is not None and self._reference is not None and self.skin > 0:
            old, old_cells = self._reference
            if old.shape == positions.shape:
                moved = 2.0 * (positions - old).norm(dim=-1).amax(-1)
                if cells is not None and old_cells is not None:
                    strain = torch.linalg.solve(old_cells, cells) - torch.eye(3, dtype=self.dtype, device=self.device)
                    # positions follow the strain: measure what they do beyond it, and the strain over the reach
                    carried = old @ torch.linalg.solve(old_cells, cells)
                    stretch = torch.linalg.matrix_norm(strain, 2) * scale * (self.arrays.cutoff + self.skin)
                    moved = 2.0 * (positions - carried).norm(dim=-1).amax(-1) + 2.0 * stretch
                if bool((moved < self.skin * scale).all()):
                    return self._edges
        edges = find_edges(positions, cells, scale * (self.arrays.cutoff + self.skin))
        if self.skin > 0:
            self._edges, self._reference = edges, (positions.clone(), None if cells is None else cells.clone())
        return edges

    # ------------------------------------------------------------------ edge functions

    def _radial(self, d: Tensor) -> tuple[Tensor, Tensor]:
        """R_n(d) and dR_n/dd, [E, n] each."""
        c, p = self.arrays.cutoff, self.arrays.power
        x = (d / c).clamp(max=1.0)
        a, b, e = (p + 1) * (p + 2) / 2.0, p * (p + 2.0), p * (p + 1) / 2.0
        xp = x ** (p - 1)
        envelope = 1.0 - a * xp * x + b * xp * x * x - e * xp * x * x * x
        slope = (-a * p * xp + b * (p + 1) * xp * x - e * (p + 2) * xp * x * x) / c
        phase = d[:, None] * self._frequency
        bessel = (2.0 / c) ** 0.5 * torch.sin(phase) / d[:, None]
        bessel_slope = (2.0 / c) ** 0.5 * self._frequency * torch.cos(phase) / d[:, None] - bessel / d[:, None]
        return bessel * envelope[:, None], bessel_slope * envelope[:, None] + bessel * slope[:, None]

    def _functions(self, vectors: Tensor, jacobian: bool) -> tuple[Tensor, Tensor | None]:
        """Edge functions [E, 128] of *scaled* vectors [E, 3] and their gradients [E, 3, 128]."""
        d = vectors.norm(dim=-1)
        u = vectors / d[:, None]
        x, y, z = u.unbind(-1)
        one = torch.ones_like(x)
        powers = [[one, t, t * t, t * t * t] for t in (x, y, z)]
        monomials = torch.stack([powers[0][i] * powers[1][j] * powers[2][k] for i, j, k in POWERS], dim=-1)
        harmonics = monomials @ self._harmonics
        radial, slope = self._radial(d)
        values = (harmonics[:, :, None] * radial[:, None, :]).flatten(1)
        if not jacobian:
            return values, None
        tangential = (monomials @ self._gradient).unflatten(-1, (3, -1))  # of the polynomial, at the unit vector
        # products of (outward, along the sphere) [E, 3 x 16, 2] and of (dR/dd, R / d) [E, 2, 8]
        outward = u[:, :, None] * harmonics[:, None, :]
        on_sphere = tangential - self._degrees * outward
        angular = torch.stack([outward, on_sphere], -1).flatten(1, 2)
        lengths = torch.stack([slope, radial / d[:, None]], 1)
        return values, torch.bmm(angular, lengths).unflatten(1, (3, -1)).flatten(2)

    # ------------------------------------------------------------------ one tower

    def _tower(
        self,
        sums: Tensor,
        mixes: list[Tensor],
        layers: tuple[Tensor, ...],
        bias: Tensor,
        pairs: Tensor | None,
        strains: Tensor | None,
        batch: int,
    ) -> tuple[Tensor, Tensor | None]:
        """Invariants h [B, N, D] of one tower and dh/dx [B, N, X, D].

        ``sums`` [BN, S, 128] are neighbour sums by element, ``mixes`` per degree [S, n, K]; ``pairs`` [BN, 3N, 128] and
        ``strains`` [BN, S, 6, 128] are the summed derivatives.
        """
        a, n = self.arrays, self.natoms
        w1, w2, b2 = layers
        delta = a.delta
        invariants, factors = [], []
        for degree, mix in enumerate(mixes):
            part = sums[:, :, self._features[degree]].unflatten(-1, (2 * degree + 1, -1))
            tensor = torch.einsum("ismn,snk->ikm", part, mix)  # [BN, K, 2l+1]
            if degree == 0:
                invariants.append(tensor[..., 0])
                factors.append(torch.ones_like(tensor))
            else:
                root = (tensor.square().mean(-1) + delta).sqrt()
                invariants.append(root - delta**0.5)
                factors.append(tensor / ((2 * degree + 1) * root[..., None]))
        inner = (torch.cat(invariants, -1) @ w1.T).unflatten(0, (batch, n)) + bias
        gate = torch.sigmoid(inner)
        h = (inner * gate) @ w2.T + b2
        if pairs is None:
            return h, None
        size = pairs.shape[1] + (0 if strains is None else 6)
        k = mixes[0].shape[-1]
        derivative = torch.zeros(batch * n, size, k * len(mixes), dtype=self.dtype, device=self.device)
        columns = self.columns if len(mixes[0]) == len(self.columns) else [slice(0, n)]
        for degree, mix in enumerate(mixes):
            where = slice(degree * k, (degree + 1) * k)
            for s, cols in enumerate(columns):
                fold = (mix[s][None, None, :, :] * factors[degree].mT[:, :, None, :]).flatten(1, 2)  # [BN, (2l+1)n, K]
                span = slice(3 * cols.start, 3 * cols.stop)
                derivative[:, span, where] = torch.bmm(pairs[:, span, self._features[degree]], fold)
                if strains is not None:
                    source = strains[:, s] if strains.shape[1] > s and len(columns) > 1 else strains.sum(1)
                    derivative[:, 3 * n :, where] += torch.bmm(source[..., self._features[degree]], fold)
        # an atom moving alone is all others moving the other way
        grid = derivative[:, : 3 * n].unflatten(1, (n, 3)).unflatten(0, (batch, n))
        diagonal = torch.arange(n, device=self.device)
        grid[:, diagonal, diagonal] = -grid.sum(2)
        slope = gate * (1.0 + inner * (1.0 - gate))  # of SiLU
        hidden = derivative.flatten(0, 1) @ w1.T
        hidden = hidden.view(batch, n, size, -1).mul_(slope[:, :, None, :])
        return h, hidden @ w2.T

    # ------------------------------------------------------------------ public

    def __call__(
        self, positions: Tensor, cells: Tensor | None, *, jacobian: bool = False, blind_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Geometry code and Jacobian.

        Args:
            positions: float [B, N, 3], Angstrom, in the order of ``numbers``.
            cells: float [B, 3, 3], rows, Angstrom; ``None``: molecules.
            jacobian: also return the derivative.
            blind_only: return only the last 128 numbers, and their derivative.

        Returns:
            ``(code [B, D], derivative [B, D, X])``; X = 3N (atom-major, per Angstrom) and, for crystals, 6 more:
            a symmetric strain (xx, yy, zz, yz, xz, xy; x -> (1 + strain) x for atoms and cell together).
        """
        step = max(1, _ATOMS_AT_ONCE // self.natoms)
        if self.device.type != "cpu" or self.skin > 0 or len(positions) <= step:
            code, derivative, _ = self._evaluate(positions, cells, jacobian, blind_only)
            return code, derivative
        parts = [
            self._evaluate(
                positions[k : k + step], None if cells is None else cells[k : k + step], jacobian, blind_only
            )
            for k in range(0, len(positions), step)
        ]
        slopes = [part[1] for part in parts if part[1] is not None]
        return torch.cat([part[0] for part in parts]), torch.cat(slopes) if slopes else None

    def atoms(self, positions: Tensor, cells: Tensor | None) -> tuple[Tensor, Tensor]:
        """Invariants of each atom before pooling: aware [B, N, 128], blind [B, N, 64], in the order of ``numbers``."""
        _, _, (aware, blind) = self._evaluate(positions, cells, False, False)
        inverse = torch.argsort(self.order)
        return aware[:, inverse], blind[:, inverse]

    def _evaluate(
        self, positions: Tensor, cells: Tensor | None, jacobian: bool, blind_only: bool
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        a, n, b = self.arrays, self.natoms, len(positions)
        positions = positions[:, self.order]
        edges = self.edges(positions, cells)
        scale = self.scale(cells, b)
        vectors = edges.vectors(positions, cells) / scale[edges.graph, None]
        values, gradient = self._functions(vectors, jacobian)
        kinds = len(self.columns)
        centre = edges.graph * n + edges.centre
        by_kind = centre * kinds + self.kind[edges.neighbour]
        by_kind_sum = EdgeSum(by_kind, b * n * kinds, values)
        sums = by_kind_sum(values).view(b * n, kinds, -1)
        pairs = strains = None
        if gradient is not None:
            width = values.shape[-1]
            flat = gradient.flatten(1)
            pairs = EdgeSum(centre * n + edges.neighbour, b * n * n, values)(flat).view(b, n, n, 3, width)
            diagonal = torch.arange(n, device=self.device)
            pairs[:, diagonal, diagonal] = 0.0  # an atom and its own images move together
            pairs = pairs.view(b * n, 3 * n, width)
            if cells is not None:
                outer = torch.stack([by_kind_sum(flat, vectors[:, i]) for i in range(3)], 1).view(
                    b * n, kinds, 3, 3, width
                )
                strains = torch.stack([outer[:, :, i, j] + (outer[:, :, j, i] if i != j else 0.0) for i, j in VOIGT], 2)
                # the length unit follows the volume: only the traceless part of a strain changes scaled vectors
                strains[:, :, :3] -= strains[:, :, :3].mean(2, keepdim=True)
        towers = []
        if not blind_only:
            towers.append(self._tower(sums, self.mix, (self._w1, *a.mlp_aware[2:]), self._own, pairs, strains, b))
        w1, b1, w2, b2 = a.mlp_blind
        towers.append(
            self._tower(
                sums.sum(1, keepdim=True), [w[None] for w in self.mix_blind], (w1, w2, b2), b1, pairs, strains, b
            )
        )
        codes, slopes = [], []
        for h, dh in towers:
            mean = h.mean(1)
            centred = h - mean[:, None]
            std = (centred.square().mean(1) + a.eps).sqrt()
            codes += [mean, std]
            if dh is not None:
                weight = centred / (n * std[:, None])
                slopes += [dh.mean(1), torch.einsum("bnd,bnxd->bxd", weight, dh)]
        width = sum(c.shape[-1] for c in codes)
        code = (torch.cat(codes, -1) - a.mean[-width:]) / a.std[-width:]
        derivative = None
        if slopes:
            derivative = torch.cat(slopes, -1) / a.std[-width:]  # [B, X, D]
            moves = derivative[:, : 3 * n].unflatten(1, (n, 3)) / scale[:, None, None, None]
            moves = moves[:, torch.argsort(self.order)].flatten(1, 2)
            derivative = torch.cat([moves, derivative[:, 3 * n :]], 1).mT
        return code, derivative, (towers[0][0], towers[-1][0])
