"""The trained encoder as plain arrays, for the hand-written Jacobian."""

from __future__ import annotations

from typing import TYPE_CHECKING

from motifdesk.codec.harmonics import LMAX
from motifdesk.codec.jacobian import EncoderArrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    from motifdesk.networks.encoder import Encoder


def encoder_arrays(encoder: Encoder) -> EncoderArrays:
    """The numbers of ``encoder`` in float64 (no gradient), laid out as :class:`EncoderArrays` says."""
    c = encoder.config
    if c.l_max != LMAX:
        raise CodecError(
            f"the decoder is written for l_max = {LMAX}, these weights have {c.l_max}",
            where="encoder",
            remedy="train with l_max = 3",
        )

    def plain(tensor):  # noqa: ANN001, ANN202 - torch is imported by the caller
        return tensor.detach().double().cpu()

    def layers(mlp):  # noqa: ANN001, ANN202
        return tuple(plain(t) for t in (mlp[0].weight, mlp[0].bias, mlp[2].weight, mlp[2].bias))

    matrices = encoder.mixing_matrices()
    return EncoderArrays(
        cutoff=c.cutoff,
        n_radial=c.radial,
        power=c.envelope_power,
        species=plain(encoder.species),
        own=plain(encoder.own),
        norm=c.norm,
        # row u = channel * radial + n
        mix_aware=tuple(
            plain(m).unflatten(0, (c.channels, c.radial)).transpose(0, 1).contiguous() for m in matrices["aware"]
        ),
        mix_blind=tuple(plain(m) for m in matrices["blind"]),
        mlp_aware=layers(encoder.mlp_aware),
        mlp_blind=layers(encoder.mlp_blind),
        delta=c.delta,
        eps=c.std_epsilon,
        mean=plain(encoder.code_mean),
        std=plain(encoder.code_std),
    )
