"""Desks that follow one another: the same pick, the same camera; callbacks that hear of every change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.desk.desk import Desk
    from motifdesk.session import Change, State

log = logging.getLogger("motifdesk.desk")


class Link:
    """Two or more desks that follow one another until :meth:`close` (or until one of them is closed)."""

    def __init__(self, desks: tuple[Desk, ...], selection: bool, camera: bool) -> None:
        self.desks = desks
        self._camera = camera
        self._ends: list[Callable[[], None]] = []
        self._busy = threading.local()
        if selection:
            for session in {id(d.session): d.session for d in desks}.values():
                self._ends.append(session.observe(partial(self._picked, session)))
        if camera:
            for desk in desks:
                desk.follow_cameras({d.key for d in desks if d is not desk})

    def __repr__(self) -> str:
        return f"Link({', '.join(map(repr, self.desks))})"

    def close(self) -> None:
        """Each for itself again."""
        while self._ends:
            self._ends.pop()()
        if self._camera:
            self._camera = False
            for desk in self.desks:
                desk.follow_cameras({d.key for d in self.desks if d is not desk}, follow=False)

    def _picked(self, session: Any, change: Change) -> None:
        if change.action != "select" or getattr(self._busy, "at_it", False):
            return
        self._busy.at_it = True
        try:
            for other in {id(d.session): d.session for d in self.desks if d.session is not session}.values():
                pick = counterpart(change.state, other.state)
                if pick is not None:
                    other.select(**pick)
        except MotifDeskError:
            log.debug("a linked desk cannot pick the same", exc_info=True)
        finally:
            self._busy.at_it = False


def counterpart(state: State, other: State) -> dict[str, Any] | None:
    """What has to be picked in ``other`` to mean the same as in ``state``: the motif on the same site with the same
    formula, the atoms by their site. None where there is no such thing."""
    pick, there = state.selection, other.selection
    graph, elsewhere = state.graph, other.graph
    motif: int | None = None
    if pick.motif is not None:
        if graph is None or elsewhere is None or pick.motif >= len(graph.motifs):
            return None
        wanted = graph.motifs[pick.motif]
        found = elsewhere.motif_at(wanted.centre) if wanted.centre < len(other.arrays) else None
        if found is None or found.formula != wanted.formula:
            return None
        motif = found.index
    atoms = tuple(a for a in pick.atoms if a < len(other.arrays))
    same = (motif, pick.scope, atoms, pick.pattern, pick.symmetry)
    if same == (there.motif, there.scope, there.atoms, there.pattern, there.symmetry):
        return None
    return {"motif": motif, "scope": pick.scope, "atoms": atoms, "pattern": pick.pattern, "symmetry": pick.symmetry}


def link(*desks: Desk, selection: bool = True, camera: bool = True) -> Link:
    """Let desks follow one another; the returned `Link` ends it with ``close()``.

    ``selection``: what is picked on one (motif by its central site, scope, pattern, atoms) is picked on the others,
    where they have it. ``camera``: turning, moving or zooming one turns, moves and zooms the others, in the page alone.
    Desks on one session share design and pick anyway; linking them shares the camera.
    """
    if len(desks) < 2 or len({id(d) for d in desks}) < len(desks):
        raise SessionError("one desk cannot follow itself", where="link", remedy="give two or more different desks")
    return Link(desks, selection, camera)


def watched(
    callback: Callable[[Change], Any], previews: bool, failed: Callable[[Exception], None]
) -> Callable[[Change], None]:
    """An observer of the session that calls back for what the caller asked for, and tells of its errors on the desk."""
    if not callable(callback):
        raise SessionError(
            f"{callback!r} cannot be called", where="on_change", remedy="give a function of one argument"
        )

    def tell(change: Change) -> None:
        if change.action == "preview" and not previews:
            return
        try:
            callback(change)
        except Exception as error:
            log.exception("a callback of the desk failed")
            failed(error)

    return tell


__all__ = ["Link", "counterpart", "link"]
