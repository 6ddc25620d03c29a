"""Two steps of the history side by side: both structures in one orientation, what differs, and "take this one"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk import scene
from motifdesk.desk.history import describe_history, listed, short
from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.compare import Comparison
from motifdesk.session.differences import apart, differences, movers
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session import Change, History, Session, State

_VISIBLE = 1.0  # Angstrom that the longest arrow is drawn with, if it is shorter
_MOST_EDITS = 12


class ComparePane(Part):
    """Shows two steps beside each other over structure and map. ``show(**traits)`` publishes; ``shown()``: the kinds of
    polyhedra on the stage, None where the desk has not chosen yet."""

    def __init__(
        self,
        session: Session,
        show: Callable[..., None],
        failed: Callable[[Exception], None],
        shown: Callable[[], frozenset[str] | None],
    ) -> None:
        self.session = session
        self._show = show
        self._failed = failed
        self._kinds = shown
        self._pair: tuple[int, int] | None = None
        self._around: int | None = None
        self._loop = Latest(self._work, "motifdesk-compare")

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """Messages: compare two steps (or end it), name a step, look at another part of a long history."""
        return {
            "compare": self._on_compare,
            "name_step": lambda m: self.session.name_step(int(m["node"]), str(m["name"])),
            "window": lambda m: self.look_around(int(m["around"])),
        }

    def changed(self, change: Change) -> None:
        """The list follows the design again; another session's steps are not these."""
        if change.action in ("edit", "undo", "redo", "goto", "adopt"):
            self._around = None
        if change.action == "adopt" and self._pair is not None:
            self.end()

    def look_around(self, node: int) -> None:
        """List the steps around a node of a long history until the design moves on."""
        history = self.session.history
        self._around = history[node].id
        self._show(history=describe_history(history, self._around))

    def compare(self, a: int, b: int) -> Comparison:
        """Show two steps; the comparison."""
        found = self.session.compare(a, b)
        self._pair = (a, b)
        self._show(compare=self._described(found, a, b))
        return found

    def end(self) -> None:
        """Back to structure and map."""
        self._pair = None
        self._show(compare={})

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until what was asked for is shown."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    # ------------------------------------------------------------------------------------------------ inner workings

    def _on_compare(self, message: dict[str, Any]) -> None:
        if message.get("close"):
            self.end()
            return
        history = self.session.history
        a, b = message.get("a"), message.get("b")
        if a is None or b is None:
            a, b = usual_pair(history)
        self._loop.put((history[int(a)].id, history[int(b)].id))

    def _work(self, pair: tuple[int, int]) -> None:
        try:
            self.compare(*pair)
        except MotifDeskError as error:
            self._failed(error)

    def _described(self, found: Comparison, a: int, b: int) -> dict[str, Any]:
        history = self.session.history
        rows, of_a, of_b = differences(found, self.session.services)
        kinds = self._kinds()
        arrows: dict[str, Any] = {}
        if found.displacements is not None and found.largest and found.largest > 1e-3:
            factor = max(1.0, _VISIBLE / found.largest)
            arrows = {"arrows": np.round(found.displacements * factor, 3).ravel().tolist(), "factor": round(factor, 1)}
        head = "the atoms are not the same" if found.rms is None else ""
        if found.rms is not None and found.largest is not None:
            head = (
                "no atom has moved"
                if found.largest < 1e-4
                else f"RMS displacement {found.rms:.3f} Å, largest {found.largest:.3f} Å"
            )
        sides = []
        for node, state, edits, sheet in ((a, found.a, found.edits_a, of_a), (b, found.b, found.edits_b, of_b)):
            names = [short(e.name) for e in edits]
            more = len(names) - _MOST_EDITS
            sides.append(
                {
                    "node": node,
                    "name": short(history[node].name),
                    "called": history.names.get(node, ""),
                    "formula": state.formula,
                    "edits": [*names[-_MOST_EDITS:]] if more <= 0 else [f"{more} earlier steps", *names[-_MOST_EDITS:]],
                    "verdict": str(sheet.verdict),
                    "level": "good" if sheet.verdict.sane else "warn",
                    "current": node == history.current,
                    **drawing(state, kinds),
                }
            )
        return {
            "a": {**sides[0], **arrows},
            "b": sides[1],
            "head": head,
            "common": f"step {found.common}",
            "rows": [[d.label, d.unit, d.a, d.b, d.change, d.same] for d in rows],
            "movers": [[name, f"{length:.3f} Å"] for name, length in movers(found)],
            "steps": choices(history, a, b),
        }


def usual_pair(history: History) -> tuple[int, int]:
    """What is worth comparing unless somebody says otherwise: the design with the newest end of another branch, else
    with the start."""
    if len(history) < 2:
        raise SessionError("there is one step only", where="compare", remedy="make a step first, then compare")
    here = history.current
    path = set(history.nodes.up(here))
    others = [n.id for n in history.leaves() if n.id != here and here not in history.nodes.up(n.id)]
    if others:
        return others[-1], here
    return (0, here) if here != 0 else (0, [n.id for n in history if n.id not in path][-1])


def choices(history: History, *must: int) -> list[list[str]]:
    """[node, words] of the steps that the two lists offer: those of the history panel and the ones compared."""
    return [[str(n.id), f"{n.id}: {history.names.get(n.id) or short(n.name)}"] for n in listed(history, *must)]


def drawing(state: State, kinds: frozenset[str] | None) -> dict[str, Any]:
    """A structure as the page draws it flat: drawn atoms [D], points [3 D], bonds, polyhedra, corners of the cell."""
    state = apart(state)
    arrays, graph = state.arrays, state.graph
    known = frozenset(scene.kinds(graph))
    chosen = kinds if kinds and known & kinds else scene.default_kinds(arrays, graph)
    described = scene.build(arrays, graph, shown=chosen)
    points = scene.points(described, arrays.positions, arrays.cell)
    corners: list[float] = []
    if arrays.cell is not None:
        unit = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
        corners = np.round(unit @ np.asarray(arrays.cell), 3).ravel().tolist()
    return {
        "points": np.round(points, 3).ravel().tolist(),
        "corners": corners,
        "site": described["site"],
        "colour": described["colour"],
        "radius": described["radius"],
        "label": described["label"],
        "bonds": described["bonds"],
        "polyhedra": [{k: p[k] for k in ("colour", "tri", "edge")} for p in described["polyhedra"]],
    }


__all__ = ["ComparePane", "drawing", "usual_pair"]
