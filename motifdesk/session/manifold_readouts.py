"""Read-outs of how far the design, and the point that the probe asked for, lie from the known structures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.motif_readouts import Row, Sheet
from motifdesk.session.services import Services
from motifdesk.session.state import State
from motifdesk.structures.errors import AtlasError

if TYPE_CHECKING:
    from motifdesk.atlas.manifold import Place


@dataclass(frozen=True)
class Places:
    """Where the design landed and what was asked for; None where there is no code of it."""

    landed: Place | None = None
    target: Place | None = None


def places(state: State, services: Services, wait: bool = True) -> Places:
    """How far ``state`` and its target lie from the known structures (:mod:`motifdesk.atlas.manifold`).

    ``wait``: whether the calibration, a second's work, is done where it has not been; else there is nothing to say yet.
    """
    latent = state.latent
    if latent.root is None or latent.stale or not services.atlas_loaded:
        return Places()
    from motifdesk.atlas.manifold import known_manifold, manifold_of

    atlas: Any = services.atlas
    if not hasattr(atlas, "embed"):
        return Places()  # a stand-in without latents
    try:
        manifold = manifold_of(atlas) if wait else known_manifold(atlas)
    except AtlasError:
        return Places()
    if manifold is None:
        return Places()
    roots = [latent.root] if latent.target_root is None else [latent.root, latent.target_root]
    found = [None if math.isnan(p.percentile) else p for p in manifold.place(np.stack(roots))]
    return Places(found[0], found[1] if len(found) > 1 else None)


def manifold_rows(sheet: Sheet, state: State, services: Services, wait: bool = False) -> None:
    """Tier "move": a word and a percentile of the known structures for the design and for what was asked for."""
    found = places(state, services, wait)
    for key, label, place in (
        ("manifold", "Among known structures", found.landed),
        ("manifold_target", "Asked for", found.target),
    ):
        if place is not None:
            sheet.rows.append(Row(key, label, place.words, "", "move", place.percentile, place.level == "far"))


__all__ = ["Places", "manifold_rows", "places"]
