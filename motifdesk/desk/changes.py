"""The design beside another structure: its modes and strain from that parent, and the slider that leads to it.

Worked out while the page looks at it and the hand rests; greyed as soon as the design has moved on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.desk.history import listed
from motifdesk.desk.workers import Latest
from motifdesk.session.paths import Other, decomposed, other, way
from motifdesk.structures.errors import MotifDeskError, SessionError, one_line

if TYPE_CHECKING:
    from motifdesk.motifs import Decomposition
    from motifdesk.session import Session, State

_REST_S = 0.4  # the read-outs and the outlook of a release go first
_ROWS = 40
MOST_IMAGES = 101


class ChangesPane:
    """Compares the newest committed state with a chosen structure, while the page looks at it."""

    def __init__(
        self, session: Session, show: Callable[[dict[str, Any]], None], aim: Callable[[Other | None], None]
    ) -> None:
        self.session = session
        self._show = show
        self._aim = aim
        self._loop = Latest(self._work, "motifdesk-changes")
        self._lock = threading.RLock()  # what is under way must not be shown as if it were of what has come since
        self._looked_at = False
        self._current: State | None = None
        self._against: Any = "start"
        self._file: Other | None = None
        self._described: dict[str, Any] = {}
        self._text = ("", "")

    def ask(self, state: State | None) -> None:
        """The design is `state` now; None: it is being moved, and what is shown holds no longer."""
        with self._lock:
            if not self._looked_at:
                return
            self._current = state
            if state is not None:
                self._loop.put(state)
                self._publish(stale=True, choices=self._choices())
            elif not self._described.get("stale"):
                self._publish(stale=True)

    def look(self, shown: bool) -> None:
        """The page shows the comparison, or has turned away."""
        self._looked_at = shown
        if shown:
            self.ask(self.session.committed)

    def against(self, which: Any) -> None:
        """Compare with "start", a history node (a number, or its digits), "file" (the one opened last) or a path."""
        text = str(which).strip()
        if text == "file" and self._file is not None:
            self._against = self._file
        elif text.isdigit():
            other(self.session.history, int(text))
            self._against = int(text)
        elif text == "start":
            self._against = "start"
        elif not text:
            raise SessionError("no file name", where="modes", remedy="give the path of a structure file")
        else:
            self._against = self._file = other(self.session.history, text)
        self._text = ("", "")
        self._aim(None)
        with self._lock:
            self._publish(morph=False, against=self._name())
        self.ask(self.session.committed)

    def write(self, folder: str, n: Any, format: str) -> None:
        """Write images of the way into `folder`; what came of it is said in the panel."""
        try:
            count = int(n)
            if not 2 <= count <= MOST_IMAGES:
                raise SessionError(f"{count} images", where="images", remedy=f"choose 2 ... {MOST_IMAGES}")
            if not folder.strip():
                raise SessionError("no folder", where="images", remedy="give the folder a name")
            paths = self.session.export_images(self._against, folder.strip(), count, format=format)
            self._text = (f"Written: {len(paths)} images, {paths[0]} to {paths[-1].name}", "good")
        except MotifDeskError as error:
            self._text = (str(error).replace("overwrite=True", "empty this one"), "bad")
        except (TypeError, ValueError):
            self._text = (f"{n!r} images: give a whole number from 2 to {MOST_IMAGES}", "bad")
        with self._lock:
            self._publish(text=self._text[0], level=self._text[1])

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until what was asked for is shown."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    # ------------------------------------------------------------------------------------------------ inner workings

    def _publish(self, **news: Any) -> None:
        self._described = {**self._described, **news}
        self._show(self._described)

    def _choices(self) -> list[list[str]]:
        nodes = [[str(node.id), f"step {node.id}: {node.name}"] for node in listed(self.session.history)]
        nodes[0] = ["start", f"the start: {nodes[0][1].partition(': ')[2]}"]
        return [*nodes, *([["file", self._file.title]] if self._file is not None else [])]

    def _work(self, state: State) -> None:
        if not self._loop.sleep(_REST_S):
            return
        news: dict[str, Any] = {"against": self._name(), "crystal": state.arrays.is_crystal}
        news |= {"text": self._text[0], "level": self._text[1]}
        beside: Other | None = None
        try:
            beside = other(self.session.history, self._against)
            news |= described(decomposed(state, beside.structure), beside.title)
        except MotifDeskError as error:
            news |= {"head": "", "total": "", "rows": [], "strain": [], "why": str(error)}
        if self._loop.waiting():
            return
        aim: Other | None = None
        news |= {"morph": False, "why_not": ""}
        if beside is not None:
            try:
                found = way(state.arrays, beside.structure)
                step = found.morph.largest
                strained = float(abs(found.morph.strain).max())
                if step < 1e-3 and strained < 1e-4:
                    news["why_not"] = "The design is that structure: there is no way to go."
                else:
                    aim = beside
                    news |= {"morph": True, "why_not": found.note}
            except MotifDeskError as error:
                news["why_not"] = "" if news.get("why") else str(error)
        with self._lock:
            if not self._loop.waiting():
                self._aim(aim)
                self._publish(**{**news, "stale": self._current is not state})

    def _name(self) -> str:
        return "file" if isinstance(self._against, Other) else str(self._against)


def described(found: Decomposition, title: str) -> dict[str, Any]:
    """The table of a decomposition: order parameters with amplitude and subgroup, strain, both space groups."""
    before, after = found.modes.group, found.group
    rows = [
        {
            "irrep": row.irrep,
            "orbit": row.orbit + (f", copy {row.copy}" if row.copy > 1 else ""),
            "k": _written(row.wavevector),
            "Ap": f"{row.Ap:.3f}",
            "As": f"{row.As:.3f}",
            "group": row.subgroup.symbol,
            "primary": row.irrep in found.primary,
        }
        for row in found.rows[:_ROWS]
    ]
    strain = [[s.label, f"{100 * s.value:+.2f} %"] for s in found.strain if abs(s.value) > 5e-5]
    cells = "" if found.cells == 1 else f", {found.cells} parent cells"
    return {
        "head": f"{before.symbol} → {after.symbol}",
        "head_title": f"{one_line(title, 80)} is {before.symbol} ({before.number}); the design is {after.symbol} "
        f"({after.number}), within {after.tolerance:g} Å",
        "total": f"{found.Ap:.3f} Å{cells}",
        "rows": rows,
        "strain": strain,
        "why": "" if rows or strain else "No mode and no strain: the design is that structure.",
        "rest": max(0, len(found.rows) - _ROWS),
    }


def _written(k: tuple[float, float, float]) -> str:
    import numpy as np

    from motifdesk.motifs.symmetry.wavevectors import written

    return f"({written(np.array(k))})"
