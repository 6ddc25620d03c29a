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
        paths: list[tuple[int, int, int, str, bool]] = []
        for i, (multiplicity, ir) in enumerate(irreps_in):
            for j, (_, harmonic) in enumerate(harmonics):
                for out in ir * harmonic:
                    if out in [x.ir for x in before]:
                        paths.append((i, j, len(between), "uvu", True))
                        between.append((multiplicity, out))
        order = sorted(range(len(between)), key=lambda k: (between[k][1].l, k))
        place = {old: new for new, old in enumerate(order)}
        middle = o3.Irreps([between[k] for k in order])
        paths = [(i, j, place[k], mode, train) for i, j, k, mode, train in paths]
        self.norm = norm
        self.before = o3.Linear(irreps_in, irreps_in)
        self.product = o3.TensorProduct(
            irreps_in, harmonics, middle, paths, shared_weights=False, internal_weights=False
        )
        self.radial = FullyConnectedNet([radial, hidden, self.product.weight_numel], torch.nn.functional.silu)
        self.after = o3.Linear(middle.simplify(), before)
        self.own = o3.Linear(irreps_in, before)

    def forward(self, h: torch.Tensor, edges: Edges) -> torch.Tensor:
        """``h [N, irreps_in] -> [N, irreps_out]``."""
        centre, neighbour = edges.index
        message = self.product(self.before(h)[neighbour], edges.harmonics, self.radial(edges.radial))
        summed = message.new_zeros(len(h), message.shape[1]).index_add(0, centre, message) / self.norm
        out = self.after(summed) + self.own(h)
        return self.gate(out) if self.gate is not None else out
