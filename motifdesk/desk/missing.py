"""What is missing here: proposals of the missing-atom network, asked for, shown, accepted or sent away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.desk import palette
from motifdesk.desk.workers import Latest
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.codec.missing import Proposal
    from motifdesk.session import Session, State

_MOST = 5
_UNSURE = 0.1  # a proposal below this is a guess
_SAME = 0.3  # Angstrom: proposals closer than this share one ghost, that of the surest


class MissingPane:
    """Asks for proposals on a thread of its own; what is shown always belongs to the design as it is now.

    Publishes the trait ``missing`` through ``show``: ``{"state": "none" | "asking" | "shown", "id", "text",
    "proposals": [{"element", "position", "confidence", "percent", "colour", "radius", "ghost"}]}``.
    """

    def __init__(
        self, session: Session, show: Callable[[dict[str, Any]], None], report: Callable[[Exception | str], None]
    ) -> None:
        self.session = session
        self._show = show
        self._report = report
        self._loop = Latest(self._work, "motifdesk-missing")
        # held while an answer is compared with the design and shown: an edit meanwhile dismisses it right after
        self._lock = threading.RLock()
        self._number = 0
        self._about: State | None = None
        self._found: list[Proposal] = []

    def ask(self) -> None:
        """Propose for the committed design; returns at once."""
        with self._lock:
            self._number += 1
            self._found, self._about = [], self.session.committed
            self._show({"state": "asking", "id": self._number, "text": "asking the network …", "proposals": []})
            self._loop.put((self._number, self._about))

    def dismiss(self) -> None:
        """Take the proposals off the desk, or stop waiting for them."""
        with self._lock:
            if self._about is not None:
                self._number += 1
                self._found, self._about = [], None
                self._show(nothing())

    def changed(self, state: State) -> None:
        """The design is another one: proposals for the old one mean nothing now."""
        with self._lock:
            if self._about is not None and state.arrays is not self._about.arrays:
                self.dismiss()

    def accept(self, number: int, index: int) -> None:
        """Put proposal `index` of the answer `number` in, as one edit."""
        with self._lock:
            if number != self._number or not 0 <= index < len(self._found):
                raise SessionError(
                    "this proposal belongs to an earlier design", where="what is missing here", remedy="ask again"
                )
            proposal = self._found[index]
        self.session.accept(proposal)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the question asked last is answered."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    def _work(self, request: tuple[int, State]) -> None:
        from motifdesk.codec.missing import propose_missing

        number, state = request
        try:
            found = propose_missing(state.arrays, _MOST)
        except Exception as error:
            if number == self._number:
                self.dismiss()
                self._report(error)
                if not isinstance(error, MotifDeskError):
                    raise
            return
        with self._lock:
            if number != self._number or self.session.committed.arrays is not state.arrays:
                return
            self._found = found
            text = "" if found else "The network has no proposal that it trusts at all."
            if found and found[0].confidence < _UNSURE:
                text = "The network is unsure: nothing may be missing, or nothing that it knows."
            self._show({"state": "shown", "id": number, "text": text, "proposals": describe(found)})


def nothing() -> dict[str, Any]:
    """The trait when nothing was asked."""
    return {"state": "none", "id": 0, "text": "", "proposals": []}


def describe(found: list[Proposal]) -> list[dict[str, Any]]:
    """Proposals for the page. ``ghost``: whether a sphere is drawn (one a place, that of the surest element)."""
    described: list[dict[str, Any]] = []
    drawn: list[tuple[float, float, float]] = []
    for p in found:
        near = any(sum((a - b) ** 2 for a, b in zip(p.position, q, strict=True)) < _SAME**2 for q in drawn)
        if not near:
            drawn.append(p.position)
        described.append(
            {
                "element": p.element,
                "position": [round(x, 4) for x in p.position],
                "confidence": p.confidence,
                "percent": f"{100 * p.confidence:.0f} %" if p.confidence >= 0.095 else f"{100 * p.confidence:.1f} %",
                "colour": palette.colour(p.number),
                "radius": palette.radius(p.number),
                "ghost": not near,
            }
        )
    return described
