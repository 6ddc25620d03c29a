"""A tensor field convolution between points that carry tensors, for networks of several layers.

    m_i = (1 / norm) sum_j  W(|r_ij|) . (h_j (x) Y(r_ij))          depthwise ("uvu") tensor products
    h_i <- gate(Linear(m_i) + Linear(h_i))

The filter is a learned radial function times a spherical harmonic (N. Thomas et al., Tensor field networks,
arXiv:1802.08219, eq. 6); connecting each channel only with itself (and mixing channels by `o3.Linear` before and after)
costs a fraction of a fully connected tensor product and loses nothing in expressiveness. Works on any
:class:`~motifdesk.networks.batch.GraphBatch`, periodic or not.
"""

from __future__ import annotations

import torch
from e3nn import o3
from e3nn.nn import FullyConnectedNet, Gate
from torch import nn

from motifdesk.networks.basis import radial_basis


def natural(multiplicities: tuple[int, ...]) -> o3.Irreps:
    """``(32, 16, 8)`` -> ``32x0e+16x1o+8x2e``: the irreps of harmonics, so many of each degree."""
    return o3.Irreps([(m, (degree, (-1) ** degree)) for degree, m in enumerate(multiplicities) if m])


class Edges:
    """What every layer of a network shares about a batch: harmonics ``[E, sum(2l+1)]`` and radial basis ``[E, R]``."""

    def __init__(self, edge_scaled: torch.Tensor, edge_index: torch.Tensor, l_max: int, cutoff: float, radial: int):
        self.index = edge_index
        degrees = list(range(l_max + 1))
        self.harmonics = o3.spherical_harmonics(degrees, edge_scaled, True, "component")
        self.radial = radial_basis(edge_scaled.norm(dim=-1), cutoff, radial)
        self._coupled: dict[tuple[int, int, int], torch.Tensor] = {}

    def coupled(self, before: int, harmonic: int, after: int) -> torch.Tensor:
        """``sum_k (l_before i l_harmonic k | l_after j) Y_k``, times ``sqrt(2 l_after + 1)``: ``[E, 2l'+1, 2l+1]``."""
        key = (before, harmonic, after)
        if key not in self._coupled:
            y = self.harmonics[:, harmonic**2 : (harmonic + 1) ** 2]
            symbol = o3.wigner_3j(before, harmonic, after, dtype=y.dtype, device=y.device)
            self._coupled[key] = torch.einsum("ikj,ek->eji", symbol, y) * (2 * after + 1) ** 0.5
        return self._coupled[key]


class DepthwiseProduct(nn.Module):
    """``o3.TensorProduct`` in mode "uvu" with one weight an edge, a path and a channel, for harmonics shared by layers.

    The same function as e3nn's (a test holds it), about twice as fast with its derivative on a CPU: the coupling of the
    harmonics is done once for all channels and layers, and each block of the input is one batched matrix product.

    ``paths``: (block of the input, degree of the harmonic, irrep out), in the order of the weights; ``place[k]``: the
    block of the output that path k fills.
    """

    def __init__(self, irreps_in: o3.Irreps, paths: list[tuple[int, int, o3.Irrep]], place: dict[int, int]) -> None:
        super().__init__()
        self.blocks = [(x.mul, x.ir.l) for x in irreps_in]
        self.paths = [(i, degree, out.l) for i, degree, out in paths]
        self.place = place
        self.channels = [irreps_in[i].mul for i, _, _ in paths]
        self.weight_numel = sum(self.channels)

    def forward(self, h: torch.Tensor, edges: Edges, weight: torch.Tensor) -> torch.Tensor:
        """Messages to centres, summed: ``h [N, irreps_in]``, ``weight [E, weight_numel]`` -> ``[N, irreps_out]``."""
        centre, neighbour = edges.index
        weights = weight.split(self.channels, dim=1)
        # channels innermost: on edges every operation runs along contiguous rows of them
        turned = [
            block.view(len(h), m, -1).transpose(1, 2).flatten(1)
            for block, (m, _) in zip(h.split([m * (2 * d + 1) for m, d in self.blocks], 1), self.blocks, strict=True)
        ]
        gathered = torch.cat(turned, dim=1)[neighbour].split([x.shape[1] for x in turned], dim=1)
        out: list[torch.Tensor] = [h] * len(self.paths)
        for i, (channels, before) in enumerate(self.blocks):
            own = [k for k, path in enumerate(self.paths) if path[0] == i]
            if not own:
                continue
            widths = [2 * self.paths[k][2] + 1 for k in own]
            coupling = torch.cat([edges.coupled(before, *self.paths[k][1:]) for k in own], dim=1)
            made = torch.bmm(coupling, gathered[i].view(-1, 2 * before + 1, channels)).split(widths, dim=1)
            for k, part in zip(own, made, strict=True):
                out[self.place[k]] = (part * weights[k].unsqueeze(1)).flatten(1)
        message = torch.cat(out, dim=1)
        summed = message.new_zeros(len(h), message.shape[1]).index_add(0, centre, message)
        sizes = [x.shape[1] for x in out]
        order = sorted(self.place, key=lambda k: self.place[k])
        return torch.cat(
            [
                part.view(len(h), -1, self.channels[k]).transpose(1, 2).flatten(1)
                for k, part in zip(order, summed.split(sizes, dim=1), strict=True)
            ],
            dim=1,
        )


def chain(
    irreps: o3.Irreps, multiplicities: tuple[int, ...], count: int, *, radial: int, hidden: int, norm: float
) -> nn.ModuleList:
    """``count`` :class:`Convolution` layers one after the other, the first from ``irreps``.

    The harmonics are those of the degrees that ``multiplicities`` have."""
    l_max, layers = len(multiplicities) - 1, nn.ModuleList()
    for _ in range(count):
        layer = Convolution(irreps, multiplicities, l_max=l_max, radial=radial, hidden=hidden, norm=norm)
        layers.append(layer)
        irreps = layer.irreps_out
    return layers


class Convolution(nn.Module):
    """One layer: ``irreps_in -> multiplicities`` of natural parity, gated when ``gated``.

    ``l_max``: degree of the harmonics. ``radial``, ``hidden``: sizes of the radial network. ``norm``: about the square
    root of the number of neighbours.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps,
        multiplicities: tuple[int, ...],
        *,
        l_max: int,
        radial: int = 8,
        hidden: int = 32,
        norm: float = 4.0,
        gated: bool = True,
    ) -> None:
        super().__init__()
        harmonics = o3.Irreps.spherical_harmonics(l_max)
        wanted = natural(multiplicities)
        self.gate: Gate | None = None
        self.irreps_out = wanted
        before = wanted
        if gated:
            scalars = o3.Irreps([(wanted.count("0e"), "0e")])
            tensors = o3.Irreps([x for x in wanted if x.ir.l > 0])
            gates = o3.Irreps([(tensors.num_irreps, "0e")]) if tensors.dim else o3.Irreps([])
            gate = Gate(scalars, [torch.nn.functional.silu], gates, [torch.sigmoid] if gates.dim else [], tensors)
            self.gate, before, self.irreps_out = gate, gate.irreps_in.simplify(), gate.irreps_out.simplify()
        between: list[tuple[int, o3.Irrep]] = []
        paths: list[tuple[int, int, o3.Irrep]] = []
        for i, (multiplicity, ir) in enumerate(irreps_in):
            for j, (_, harmonic) in enumerate(harmonics):
                for out in ir * harmonic:
                    if out in [x.ir for x in before]:
                        paths.append((i, j, out))
                        between.append((multiplicity, out))
        order = sorted(range(len(between)), key=lambda k: (between[k][1].l, k))
        place = {old: new for new, old in enumerate(order)}
        middle = o3.Irreps([between[k] for k in order])
        self.norm = norm
        self.before = o3.Linear(irreps_in, irreps_in)
        self.product = DepthwiseProduct(irreps_in, paths, place)
        self.radial = FullyConnectedNet([radial, hidden, self.product.weight_numel], torch.nn.functional.silu)
        self.after = o3.Linear(middle.simplify(), before)
        self.own = o3.Linear(irreps_in, before)

    def forward(self, h: torch.Tensor, edges: Edges) -> torch.Tensor:
        """``h [N, irreps_in] -> [N, irreps_out]``."""
        summed = self.product(self.before(h), edges, self.radial(edges.radial)) / self.norm
        out = self.after(summed) + self.own(h)
        return self.gate(out) if self.gate is not None else out
