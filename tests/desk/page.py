"""The browser's side of a desk, without a browser."""

import threading
from collections.abc import Collection

import numpy as np
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances

from motifdesk.desk import Desk
from motifdesk.session.map_workers import Drag


def ours() -> list[Widget]:
    """Live widgets that the desk makes itself (not the layouts and helpers behind them)."""
    return [w for w in _instances.values() if type(w).__module__.startswith("motifdesk")]


def our_threads(but: Collection[threading.Thread] = ()) -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("motifdesk") and t not in but]


class Page:
    """The browser's side: sends numbered messages, sees published traits."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.session = desk.session
        self.out = desk._output
        self.sent = 0

    def send(self, op: str, **content) -> "Page":
        self.sent += 1
        self.desk._input._handle_custom_msg({"op": op, "n": self.sent, **content}, [])
        return self

    def pick(self, formula: str, scope: str = "motif") -> int:
        index = next(m.index for m in self.session.state.graph.motifs if m.formula == formula)
        self.send("pick", kind="motif", motif=index, shift=False).send("scope", scope=scope)
        return index

    def slide(self, key: str, *values: float) -> "Page":
        pick = self.session.state.selection
        for value in values:
            self.send("distort", scope=pick.scope, motif=pick.motif, key=key, value=value)
        return self

    def slider(self, words: str) -> dict:
        return next(s for g in self.out.handles["groups"] for s in g["sliders"] if words in s["label"])

    def open_map(self) -> "Page":
        self.send("ready")
        assert self.desk.settle()
        assert self.out.map_ready, self.out.mapbar["status"]
        return self

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions [N, 3] and cell [3, 3] as the page reads them from the bytes."""
        numbers = np.frombuffer(self.out.positions, "<f4").reshape(-1, 3)
        return numbers[:-3], numbers[-3:]

    def shows(self, state) -> bool:
        positions, cell = self.shown()
        wanted = np.zeros((3, 3)) if state.arrays.cell is None else state.arrays.cell
        return (
            positions.shape == state.arrays.positions.shape
            and np.abs(positions - state.arrays.positions).max() < 1e-5
            and np.abs(cell - wanted).max() < 1e-5
        )

    def edits(self) -> list[str]:
        return [node.edit.kind for node in self.session.history]


class Gate:
    """Holds the first frame of a drag until it is opened; the pointer moves on meanwhile."""

    def __init__(self, monkeypatch):
        self.entered, self.opened = threading.Event(), threading.Event()
        update = Drag.update

        def held(drag, *args, **kwargs):
            self.entered.set()
            assert self.opened.wait(30)
            return update(drag, *args, **kwargs)

        monkeypatch.setattr(Drag, "update", held)

    def wait(self):
        assert self.entered.wait(30)

    def open(self):
        self.opened.set()
