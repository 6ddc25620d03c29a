"""The desk: three linked panes and a strip over one session. The session is the document; the widgets show it and emit
edits.
"""

from __future__ import annotations

import itertools
import logging
import os
import uuid
from typing import Any

import ipywidgets

from motifdesk.desk import export
from motifdesk.desk.autosave import Autosave
from motifdesk.desk.campaigns import Campaigns
from motifdesk.desk.changes import ChangesPane
from motifdesk.desk.channels import Input, Output, Panel, owned
from motifdesk.desk.commands import Commands
from motifdesk.desk.comparing import ComparePane
from motifdesk.desk.edits import EditsPane
from motifdesk.desk.energy import Relaxes
from motifdesk.desk.families import FamilyPane
from motifdesk.desk.finds import Finds
from motifdesk.desk.forces import ForceArrows
from motifdesk.desk.handles import Hands, describe_handles
from motifdesk.desk.history import describe_history, describe_travel
from motifdesk.desk.latentpath import PathPane
from motifdesk.desk.lives import Lives
from motifdesk.desk.manifold import MapWatch
from motifdesk.desk.map import MapPane
from motifdesk.desk.missing import MissingPane
from motifdesk.desk.motifgraph import NetPane
from motifdesk.desk.opening import Opening
from motifdesk.desk.outlook import Outlook
from motifdesk.desk.parts import Part
from motifdesk.desk.readouts import describe_readouts
from motifdesk.desk.stagetools import StageTools
from motifdesk.desk.verbs import Verbs
from motifdesk.desk.viewer import Viewer, end_threads
from motifdesk.desk.workers import Dragger, Latest
from motifdesk.session import Change, Session, State
from motifdesk.session.flags import flags
from motifdesk.session.paths import Other
from motifdesk.structures.errors import MotifDeskError

log = logging.getLogger("motifdesk.desk")

_IDLE_S = 0.7  # rest of the hand after which the slower read-outs are computed
_MOST_MESSAGES = 4


class Desk(Verbs, Lives, Relaxes, Campaigns, Commands, ipywidgets.VBox):
    """A design on screen: structure, map, handles, read-outs, history, export. Display it by putting it last in a cell.

    Parameters
    ----------
    design
        A `Session`, or anything ``motifdesk.read`` accepts (path, pymatgen Structure or Molecule, ase.Atoms).
    codec, atlas
        "lazy" (the bundled ones, loaded in the background once the desk is visible), loaded objects, or
        None. Only used when `design` is not a session.
    autosave
        True: from the first step made by hand the session is saved by itself in the notebook's folder, as
        ``<notebook>-<design>.motifdesk.json``; False: never; a path: that file, whoever edits. No other file is ever
        written over.
    resume
        Whether to continue at once what was saved from the same input. Otherwise the desk offers it.

    Attributes
    ----------
    session
        The document. Every edit made through it, from any thread, shows at once.
    viewer, map
        The panes; ``viewer.widget`` is the nglview widget, ``map.figure`` the plotly FigureWidget.

    Notes
    -----
    Bad input raises the one clear MotifDeskError before anything is displayed; an error during a gesture becomes a
    message on the desk and leaves the design as it was. ``close()`` disposes of widgets, threads and the WebGL context.
    """

    _closed = True  # until it is open: bad input raises before there is anything to close

    def __init__(
        self,
        design: Any,
        *,
        codec: Any = "lazy",
        atlas: Any = "lazy",
        autosave: bool | str | os.PathLike[str] = True,
        resume: bool = False,
    ) -> None:
        self.session = design if isinstance(design, Session) else Session(design, codec=codec, atlas=atlas)
        self._input = Input()
        self._output = Output(key=uuid.uuid4().hex, input_id=self._input.model_id)
        self.viewer = Viewer(self._output)
        self.map = MapPane(self._output)
        self._tools = StageTools(self.session, self._output, self.viewer)
        self._finds = Finds(self.session, self._output, self.map)
        self._edits = EditsPane(self.session, self._output)
        self._hands = Hands(self.session)
        self._drag = Dragger(self.session, done=lambda n: self._output.publish(ack=n), failed=self._report)
        self._measure = Latest(
            self._measure_state, "motifdesk-readouts", paced=lambda change: change is not None and change.state.preview
        )
        self._outlook = Outlook(self.session, lambda tags: self._output.publish(outlook=tags))
        self._net = NetPane(lambda described: self._output.publish(net=described))
        self._changes = ChangesPane(self.session, lambda described: self._output.publish(changes=described), self._aim)
        self._missing = MissingPane(self.session, lambda m: self._output.publish(missing=m), self._report)
        self._families = FamilyPane(self.session, self._output.publish)
        self._errands = Latest(lambda errand: errand(), "motifdesk-loader")
        self._autosave = Autosave(self.session, self._output.publish, self._report, autosave)
        self._compare = ComparePane(self.session, self._output.publish, self._report, lambda: self.viewer.shown)
        self._parts = self._make_parts()
        self._numbers = itertools.count(1)
        self._map_state = "waiting"
        self._closed = False
        super().__init__(children=[self._frame()])
        self.add_class("motifdesk")
        self.layout.width = "100%"
        self._commands = self._operations()
        for part in self._parts:
            self._commands |= part.operations()
        self._refresh(None)
        self._output.publish(export=export.describe_export(self.session), mapbar=self.map.bar())
        self._input.on_msg(self._on_message)
        self._unsubscribe = self.session.observe(self._on_change)
        self._begin_life()
        self._autosave.compare_versions()
        if resume:
            self._autosave.resume_if_any()
        self._measure.put(None)
        self._outlook.ask(self.session.state)
        self._net.ask(self.session.state)

    def __repr__(self) -> str:
        state = self.session.state
        kind = "atoms" if state.arrays.cell is not None else "atoms, molecule"
        return f"Desk({state.formula}, {len(state.arrays.numbers)} {kind})"

    def _make_parts(self) -> tuple[Part, ...]:
        """Parts that add messages of their own, and hear of changes, of rest and of the end."""
        self._path = PathPane(self.session, self.map, self._output.publish, self._report)
        self._opening = Opening(self.session, self._output, self._report, self._settle_hands)
        return (
            self._autosave,
            self._compare,
            MapWatch(self.session, self.map, self._output.publish),
            self._path,
            self._opening,
            *(*self._energy_parts(), self._campaign_part()),
            ForceArrows(self.session, self._tools, self._energy),
            self._sites_part(),
        )

    def _frame(self) -> ipywidgets.Box:
        def panel(kind: str) -> Panel:
            return Panel(kind=kind, key=self._output.key)

        def box(children: list[Any], *classes: str) -> ipywidgets.Box:
            made = ipywidgets.Box(children=children)
            for name in classes:
                made.add_class(name)
            return made

        self._panels = [
            panel(k)
            for k in (
                "header",
                "view",
                "mapbar",
                "compare",
                "families",
                "handles",
                "readouts",
                "history",
                "export",
                "messages",
            )
        ]
        header, view, mapbar, compare, families, handles, readouts, history, export_panel, messages = self._panels
        structure = box([view, box([self.viewer.widget], "md-stage")], "md-pane", "md-pane-view")
        self.map.holder = box([self.map.figure], "md-chart")
        chart = box([mapbar, self.map.holder], "md-pane", "md-pane-map")
        strip = box([readouts, history, export_panel], "md-strip")
        self._frame_box = box(
            [header, structure, chart, compare, box([families, handles], "md-side"), strip, messages], "md-frame"
        )
        return self._frame_box

    # ------------------------------------------------------------------------------------------ session to page

    def _on_change(self, change: Change) -> None:
        if not self._closed:
            self._refresh(change)
            self._measure.put(change)
            if change.action != "locate":
                self._outlook.ask(None if change.state.preview else change.state)
                if change.action not in ("select", "ties"):
                    self._changes.ask(None if change.state.preview else change.state)
            self._missing.changed(change.state)
            for part in self._parts:
                part.changed(change)
            if not change.state.preview:
                self._net.ask(change.state)
                if change.action not in ("select", "locate", "ties"):
                    self._families.refresh(change.state)

    def _aim(self, towards: Other | None) -> None:
        """Where the morph slider leads from now on."""
        self._hands.towards = towards

    def _refresh(self, change: Change | None) -> None:
        """Publish what `change` (None: everything) made different. Reads the newest state inside the gate, so that two
        threads cannot publish in the wrong order."""
        with self._output.gate:
            session = self.session
            state = session.state
            action = "open" if change is None else change.action
            traits: dict[str, Any] = {"overlay": self.map.overlay(state, session.history)}
            if action != "locate":
                other = change is not None and not state.preview and _another(self._before(change), state)
                traits |= self.viewer.traits(state, fit=other)
                traits |= self._tools.traits(state)
                if other:
                    traits["export"] = export.describe_export(session)
            if action not in ("preview", "locate") or not (self._hands.busy or self._drag.busy or self._families.busy):
                traits["handles"] = describe_handles(state, session)
            if action not in ("preview", "select"):
                traits["history"] = describe_history(session.history)
            if action != "select":
                traits["stale"] = True
            if self._drag.serving:  # one message fewer for each frame of a drag
                traits["ack"] = self._drag.serving
            traits["header"] = self._header(state)
            self._output.publish(**traits)

    def _before(self, change: Change) -> State:
        """What stood on the desk before a step: what a drag showed on its way has its atoms already."""
        history = self.session.history
        parent = history[history.current].parent if change.action == "edit" else None
        return change.previous if parent is None else history[parent].state

    def _header(self, state: State) -> dict[str, Any]:
        count = len(state.arrays.numbers)
        facts = [f"{count} atom{'s' * (count != 1)}", f"{state.label}{' …' if state.preview else ''}"]
        status = {"loading": "loading the codec and the map …", "failed": "no map"}.get(self._map_state, "")
        return {
            "formula": state.formula,
            "facts": " · ".join(facts),
            "status": status,
            "busy": self._map_state == "loading",
            **describe_travel(self.session.history),
        }

    def _measure_state(self, change: Change | None) -> None:
        """Read-outs, fast ones at once, slower ones when the hand rests; a newer change ends it."""
        action = "open" if change is None else change.action
        self._show_readouts("move" if action == "preview" else "release")
        if action != "preview":
            self._edits.show(str(self._output.edits.get("error", "")) if action == "locate" else "")
        if not self._measure.sleep(_IDLE_S) or self._map_state != "ready":
            return
        if not self.session.state.preview and not (self._hands.busy or self._drag.busy or self._families.busy):
            self._show_readouts("idle")
            self._locate()
            for part in self._parts:
                part.rested()

    def _locate(self) -> None:
        """Place the design on the map; one that the codec cannot encode is no fault of the map."""
        if self.session.state.preview:
            return
        try:
            self.session.locate()
            self._finds.ask()
        except MotifDeskError as error:
            self._report(error)

    def _show_readouts(self, tier: str) -> None:
        state = self.session.state
        try:
            found = self.session.readouts(tier)
        except MotifDeskError as error:
            self._report(error)
            return
        with self._output.gate:
            now = self.session.state
            described = describe_readouts(found, state, self._output.readouts)
            flagged = [flag.motif for flag in flags(state)] if state.preview else []
            self._output.publish(readouts=described, flagged=flagged, stale=found.version != now.version)

    # ------------------------------------------------------------------------------------------ messages, end

    def _report(self, error: Exception | str, level: str = "error") -> None:
        text = str(error) if isinstance(error, MotifDeskError | str) else f"{type(error).__name__}: {error}"
        with self._output.gate:
            kept = [m for m in self._output.messages if m["text"] != text][-(_MOST_MESSAGES - 1) :]
            self._output.publish(messages=[*kept, {"id": next(self._numbers), "text": text, "level": level}])

    def _on_dismiss(self, message: dict[str, Any]) -> None:
        with self._output.gate:
            self._output.publish(messages=[m for m in self._output.messages if m["id"] != message.get("id")])

    def _forget(self, *places: str) -> None:
        """What went wrong there has been put right."""
        with self._output.gate:
            kept = [m for m in self._output.messages if not m["text"].startswith(places)]
            if len(kept) < len(self._output.messages):
                self._output.publish(messages=kept)

    @property
    def messages(self) -> tuple[str, ...]:
        """What the desk has to say, newest last: errors of gestures, each one sentence with its remedy."""
        return tuple(m["text"] for m in self._output.messages)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the background work asked for so far (map, drag, read-outs) is done. False if it took longer."""
        return all([worker.settle(timeout) for worker in (*self._workers(), *self._parts)])

    def _workers(self) -> tuple[Any, ...]:
        """What works in the background, in the order in which it is to be waited for."""
        return (
            self._errands,
            self._drag,
            self._measure,
            self._outlook,
            self._net,
            self._changes,
            self._finds,
            self._missing,
            self._families,
        )

    def close(self) -> None:
        """Dispose of the desk: threads, widgets, WebGL context. The session lives on."""
        if self._closed:
            return
        self._closed = True
        self._unsubscribe()
        self._end_life()
        self._hands.cancel()
        for worker in (*self._parts, *self._workers()[1:], self._errands):
            worker.close()
        self._input.on_msg(self._on_message, remove=True)
        self._output.close()  # first: the bridge lets go of the stage before its widget is gone
        end_threads(self.viewer.widget)
        for widget in owned(self, self.viewer.widget, self.map.figure, self._output, self._input):
            if widget is not self:
                widget.close()
        super().close()


def _another(previous: State, state: State) -> bool:
    """Whether this is another structure rather than another shape of the same one: then the view may be fitted anew."""
    return len(previous.arrays.numbers) != len(state.arrays.numbers) or bool(
        (previous.arrays.numbers != state.arrays.numbers).any()
    )


__all__ = ["Desk"]
