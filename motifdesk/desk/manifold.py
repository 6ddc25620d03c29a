"""What keeps the map up with the design: how far off the known structures its markers are, its elements, its
readiness."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.manifold_readouts import places
from motifdesk.session.map_workers import codes_of
from motifdesk.structures.arrays import element_symbols

if TYPE_CHECKING:
    from motifdesk.atlas.manifold import Place
    from motifdesk.desk.map import MapPane
    from motifdesk.session import Change, Session, State


class MapWatch(Part):
    """Publishes ``manifold``: {"landed", "target"}, each {"percentile", "level", "words"} or None.

    On a thread of its own, newest first: a drag does not wait for it. Empty as soon as an edit leaves the design's
    place on the map unknown. Also tells the map which elements' shares may colour it, and reads, while the hand
    rests, what a drag would have to wait for."""

    def __init__(self, session: Session, pane: MapPane, publish: Callable[..., None]) -> None:
        self.session, self.map = session, pane
        self._publish = publish
        self._loop = Latest(self._work, "motifdesk-manifold", paced=lambda state: state is not None and state.preview)
        self._shown: dict[str, Any] = {}
        self._ready_for: Any = None
        self._elements(session.state)

    def changed(self, change: Change) -> None:
        """The design has moved."""
        if not change.state.preview and self._elements(change.state) and self.map.atlas is not None:
            self._publish(mapbar=self.map.bar())
        latent, before = change.state.latent, change.previous.latent
        if latent is before:
            return
        if latent.root is None or latent.stale:
            self._loop.put(None)
        elif self.session.services.atlas_loaded:
            self._loop.put(change.state)

    def rested(self) -> None:
        """Read what the first frame of a drag needs: the corpora behind the map, the codes around the design."""
        state, services = self.session.committed, self.session.services
        latent = state.latent
        if latent.root is None or latent.stale or latent.xy is None or state.arrays is self._ready_for:
            return
        carry = getattr(services.atlas, "carry", None)
        if carry is not None:
            carry(codes_of(latent.root, services.codec), latent.xy, latent.xy)
            self._ready_for = state.arrays

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the newest place is shown."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    def _elements(self, state: State) -> bool:
        """Tell the map the design's elements; whether they are others than before."""
        symbols = element_symbols()
        found = tuple(symbols[z] for z in sorted(set(state.arrays.numbers.tolist())))
        changed, self.map.elements = found != self.map.elements, found
        return changed

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


__all__ = ["MapWatch"]
