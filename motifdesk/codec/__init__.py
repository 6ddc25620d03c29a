"""Structures to codes and back.

>>> codec = load_codec()
>>> codes = codec.encode([structure])
>>> decoded = codec.decode(codes)[0]
>>> decoded.structure, decoded.residual, decoded.converged, decoded.source
>>> follower = codec.follower(structure); frame = follower.step(target_code)

Names resolve on first use: importing this room does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Children": "children",
    "Codec": "codec",
    "load_codec": "codec",
    "Codes": "codes",
    "concatenate": "codes",
    "Decoded": "decode",
    "Edited": "editing",
    "Follower": "follower",
    "Frame": "follower",
    "edit_motif": "editing",
    "Proposal": "missing",
    "propose_missing": "missing",
}

__all__ = [
    "Children",
    "Codec",
    "Codes",
    "Decoded",
    "Edited",
    "Follower",
    "Frame",
    "Proposal",
    "concatenate",
    "edit_motif",
    "load_codec",
    "propose_missing",
]

if TYPE_CHECKING:
    from motifdesk.codec.children import Children as Children
    from motifdesk.codec.codec import Codec as Codec
    from motifdesk.codec.codec import load_codec as load_codec
    from motifdesk.codec.codes import Codes as Codes
    from motifdesk.codec.codes import concatenate as concatenate
    from motifdesk.codec.decode import Decoded as Decoded
    from motifdesk.codec.editing import Edited as Edited
    from motifdesk.codec.editing import edit_motif as edit_motif
    from motifdesk.codec.follower import Follower as Follower
    from motifdesk.codec.follower import Frame as Frame
    from motifdesk.codec.missing import Proposal as Proposal
    from motifdesk.codec.missing import propose_missing as propose_missing


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
