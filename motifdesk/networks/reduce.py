"""Reduce a cluster of points to one point: the tensor field convolution, evaluated at the cluster's own point.

Every point ``j`` of a cluster carries features ``x_j`` (irreps) and sits at the offset ``r_j`` from the point that the
cluster is reduced to. The reduced point carries ::

    c = o3.Linear( sum_j  x_j (x)_W Y(r_j) )          W = learned radial functions of |r_j|

where ``(x)_W`` is the depthwise (``uvu``) tensor product: one learned radial function ``W`` for each path and channel,
the mixing of channels left to the linear layer after the sum (Thomas et al., Tensor field networks, arXiv:1802.08219,
eq. 4; depthwise as in :class:`motifdesk.networks.convolution.Convolution`, which does the same from every point of a
graph to every other and adds a gate). The same step serves every level, atoms to motifs and motifs to one point, and
is what :mod:`motifdesk.networks.create` inverts; without a gate, because what is a plain sum can be taken apart.

Offsets are dimensionless (see :meth:`motifdesk.networks.motif_autoencoder.MotifAutoencoder.encode` for the unit). A
point at the origin has no direction: its harmonics of l > 0 are zero, and the radial functions of l > 0 fall to zero
there quadratically, so that nothing jumps.
"""

from __future__ import annotations

import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.errors import NetworkError

REACH = 3.0  # the radial functions cover 0..REACH; beyond it a point fades
_CORE = 0.05  # of |r|^2, where directions fade


def gaussians(x: torch.Tensor, count: int, reach: float = REACH) -> torch.Tensor:
    """``exp(-((x - c_n) / w)**2 / 2)``, centres from 0 to ``reach``, ``w`` their spacing: ``[...] -> [..., count]``."""
    centre = torch.linspace(0.0, reach, count, dtype=x.dtype, device=x.device)
    return torch.exp(-0.5 * ((x.unsqueeze(-1) - centre) * ((count - 1) / reach)) ** 2)


def directed(x: torch.Tensor) -> torch.Tensor:
    """The factor of all l > 0: ``x**2 / (x**2 + core)``, which is 0 at the origin."""
    return x * x / (x * x + _CORE)


class Reduce(nn.Module):
    """Clusters of points with features to one point each.

    Parameters: ``irreps_in`` of the points' features; ``irreps_out`` of the reduced point, ``None`` to keep all that
    the product makes, unmixed, so that the features can be solved for channel by channel; ``l_max`` of the filters;
    ``radial``, the number of Gaussians that the learned radial functions are made of; ``dtype`` (torch's default): a
    layer built in float32 and then moved to float64 keeps coupling coefficients of float32.

    Attributes: ``product`` (``o3.TensorProduct``, depthwise), ``radial_weights`` (``nn.Linear``), ``linear``
    (``o3.Linear``; ``None`` when unmixed).
    """

    def __init__(
        self,
        irreps_in: object,
        irreps_out: object,
        *,
        l_max: int = 6,
        radial: int = 16,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        default = torch.get_default_dtype()
        torch.set_default_dtype(dtype or default)  # e3nn has no other way to choose the precision of its constants
        try:
            self._build(irreps_in, irreps_out, l_max, radial)
        finally:
            torch.set_default_dtype(default)

    def _build(self, irreps_in: object, irreps_out: object, l_max: int, radial: int) -> None:
        self.irreps_in = o3.Irreps(irreps_in)
        asked = None if irreps_out is None else o3.Irreps(irreps_out)
        self.l_max, self.radial = l_max, radial
        self.irreps_filter = o3.Irreps.spherical_harmonics(l_max)
        wanted = None if asked is None else {ir for _, ir in asked}
        paths = [
            (i, j, ir, mul)
            for i, (mul, ir_in) in enumerate(self.irreps_in)
            for j, (_, ir_filter) in enumerate(self.irreps_filter)
            for ir in ir_in * ir_filter
            if wanted is None or ir in wanted
        ]
        missing = [str(ir) for ir in wanted or () if ir not in {p[2] for p in paths}]
        if missing:
            raise NetworkError(
                f"{self.irreps_in} and filters to l = {l_max} cannot make {', '.join(sorted(missing))}",
                where="Reduce",
                remedy="Raise l_max or leave these irreps out.",
            )
        middle = o3.Irreps([(mul, ir) for _, _, ir, mul in paths])
        order, permutation, _ = middle.sort()
        self.product = o3.TensorProduct(
            self.irreps_in,
            self.irreps_filter,
            order,
            [(i, j, permutation[k], "uvu", True) for k, (i, j, _, _) in enumerate(paths)],
            shared_weights=False,
            internal_weights=False,
        )
        self.radial_weights = nn.Linear(radial, self.product.weight_numel, bias=False)
        self.irreps_out = order if asked is None else asked
        self.linear = None if asked is None else o3.Linear(order, asked)
        self._degrees = [ir.l for _, ir in self.irreps_filter for _ in range(ir.dim)]

    def forward(self, features: torch.Tensor, offsets: torch.Tensor, point: torch.Tensor, points: int) -> torch.Tensor:
        """``features [E, irreps_in.dim]``, ``offsets [E, 3]``, ``point [E]`` (one of ``points``) -> ``[points, out]``.

        A cluster without points is reduced to zeros.
        """
        if features.shape != (len(offsets), self.irreps_in.dim):
            raise NetworkError(
                f"features have shape {tuple(features.shape)}, expected ({len(offsets)}, {self.irreps_in.dim})",
                where="Reduce",
                remedy=f"Give one row of {self.irreps_in} per point.",
            )
        messages = self.messages(features, offsets)
        summed = messages.new_zeros(points, messages.shape[1]).index_add(0, point, messages)
        return summed if self.linear is None else self.linear(summed)

    def messages(self, features: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """What each point adds, before the linear layer: ``[E, dim of the product]``."""
        x = offsets.norm(dim=-1)
        filters = o3.spherical_harmonics(self.irreps_filter, offsets, True, "component")
        fade = directed(x).unsqueeze(-1)
        filters = torch.cat([filters[:, :1], filters[:, 1:] * fade], dim=1)
        return self.product(features, filters, self.radial_weights(gaussians(x, self.radial)))

    def scalar_tables(self) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The step as arrays, for scalar features: ``radial [l_max+1, radial, C]`` and per l ``mixing [C, K_l]``.

        One point of features ``x`` at ``r`` reduces to ``c[l, k, m] = sum_c mixing[l][c, k] x_c (sum_n radial[l, n, c]
        g_n(|r|)) Y_lm(r)``. Differentiable: training goes through here.
        """
        channels = self.irreps_in.dim
        if self.linear is None or self.irreps_in != o3.Irreps(f"{channels}x0e"):
            raise NetworkError(f"{self.irreps_in} are not mixed scalars", where="Reduce.scalar_tables")
        radial = self.radial_weights.weight.T.view(self.radial, -1, channels)  # paths in the order of l
        scale = [i.path_weight / (2 * degree + 1) ** 0.5 for degree, i in enumerate(self.product.instructions)]
        radial = radial.transpose(0, 1) * torch.tensor(scale, dtype=radial.dtype, device=radial.device)[:, None, None]
        blocks = sorted(self.linear.weight_views(yield_instruction=True), key=lambda item: item[1].i_in)
        return radial, [weight * instruction.path_weight for _, instruction, weight in blocks]
