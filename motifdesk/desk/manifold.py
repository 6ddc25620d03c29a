"""How far off the known structures the design and the probe are, for the markers of the map."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.manifold_readouts import places

if TYPE_CHECKING:
    from motifdesk.atlas.manifold import Place
    from motifdesk.session import Change, Session, State


class ManifoldPane(Part):
    """Publishes ``manifold``: {"landed", "target"}, each {"percentile", "level", "words"} or None.

    On a thread of its own, newest first: a drag does not wait for it. Empty as soon as an edit leaves the design's
    place on the map unknown.
    """

    def __init__(self, session: Session, publish: Callable[..., None]) -> None:
        self.session = session
        self._publish = publish
        self._loop = Latest(self._work, "motifdesk-manifold")
        self._shown: dict[str, Any] = {}

    def changed(self, change: Change) -> None:
        """The design has moved."""
        latent, before = change.state.latent, change.previous.latent
        if latent is before:
            return
        if latent.root is None or latent.stale:
            self._loop.put(None)
        elif self.session.services.atlas_loaded:
            self._loop.put(change.state)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the newest place is shown."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    def _work(self, state: State | None) -> None:
        shown: dict[str, Any] = {}
        if state is not None:
            found = places(state, self.session.services, wait=not state.preview)
            if found.landed is not None:
                shown = {"landed": _told(found.landed), "target": _told(found.target)}
        if shown != self._shown:
            self._shown = shown
            self._publish(manifold=shown)


def _told(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"percentile": round(place.percentile, 1), "level": place.level, "words": place.words}


__all__ = ["ManifoldPane"]
