"""What each handle leads to and how far it goes, worked out while the hand rests and shown before it is moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.desk.workers import Latest
from motifdesk.session.cell_handles import cell_leads_to
from motifdesk.session.outlook import group_of, leads_to
from motifdesk.session.reach import Reach, reach
from motifdesk.session.ties import NONE, STRAINS, VOLUME, Ties

if TYPE_CHECKING:
    from motifdesk.motifs import MolecularGroup
    from motifdesk.session import Session, State
    from motifdesk.structures.symmetry import SpaceGroup

    Group = SpaceGroup | MolecularGroup

_REST_S = 0.15  # the read-outs of a release go first
_BATCH = 6
_MOST_ATOMS = 500  # of a cell whose strains are tried out: seven searches for a space group


class Outlook:
    """Space groups (molecules: point groups) and ranges of the handles, on a thread of their own: newest design first,
    dropped when something is held."""

    def __init__(self, session: Session, show: Callable[[dict[str, Any]], None]) -> None:
        self.session = session
        self._show = show
        self._loop = Latest(self._work, "motifdesk-outlook")
        self._asked = False
        self._about: Any = None  # the arrays that the tags shown belong to; held, so that their id stays theirs
        self._cell: tuple[int, Ties, dict[str, Any]] = (0, NONE, {})

    def ask(self, state: State | None) -> None:
        """Work out the handles of `state`; None stops what is under way."""
        if state is not None or self._asked:  # once is enough: a held slider must not wake the thread at every move
            self._asked = state is not None
            self._loop.put(state)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the handles asked for last are known."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    def _work(self, state: State | None) -> None:
        if state is None or not self._loop.sleep(_REST_S):
            return
        if state.arrays is not self._about:
            self._about = state.arrays
            self._show({})  # what was said of another design is not said of this one
        now = group_of(state.arrays)
        ties = self.session.ties
        tags = self._of_cell(state, now, ties)
        for k, mode in enumerate(state.modes):
            if self._loop.waiting():
                return
            if mode.key in ties.locked:
                continue
            tag = describe(leads_to(state, mode, ties), now)
            if not self._loop.waiting():
                ends = reach(state, mode, ties, self._loop.waiting)
                tag |= {"low": ends.low, "high": ends.high, "ends": _stops(ends)}
            tags[mode.key] = tag
            if k % _BATCH == _BATCH - 1:
                self._show(dict(tags))
        if not self._loop.waiting():
            self._show(tags)

    def _of_cell(self, state: State, now: Group | None, ties: Ties) -> dict[str, Any]:
        """What the strains lead to; the same whatever is picked."""
        if not state.arrays.is_crystal or len(state.arrays) > _MOST_ATOMS:
            return {}
        if self._cell[:2] != (id(state.arrays), ties):
            history = self.session.history
            tags: dict[str, Any] = {}
            for key in (VOLUME, *STRAINS):
                if self._loop.waiting():
                    return tags
                if key not in ties.locked:
                    tags[key] = describe(cell_leads_to(history, state, key), now)
            self._cell = (id(state.arrays), ties, tags)
        return dict(self._cell[2])


def _stops(ends: Reach) -> str:
    """Why the slider ends where it does; "" where it is as long as any."""
    said = [f"below {ends.low:.2f} Å {ends.why[0]}"] if ends.why[0] else []
    if ends.why[1]:
        said.append(f"above {ends.high:.2f} Å {ends.why[1]}")
    return "; ".join(said)


def describe(found: Group | None, now: Group | None) -> dict[str, Any]:
    """The tag at a slider: short symbol, whether it is the group there is already, and a sentence."""
    if found is None:
        return {"text": "", "same": True, "title": "no space group could be found for this handle"}
    same = now is not None and found.name == now.name
    if same:
        title = f"this handle keeps {found.name}"
    else:
        before = "" if now is None else f", from {now.name}"
        title = f"this handle leads to {found.name}{before}"
    return {"text": found.symbol, "same": same, "title": f"{title}, within {found.tolerance:g} Å"}
