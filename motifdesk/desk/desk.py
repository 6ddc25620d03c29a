"""The desk: three linked panes and a strip over one session. The session is the document; the widgets show it and emit
edits.
"""

from __future__ import annotations

import itertools
import logging
import uuid
from collections.abc import Callable
from typing import Any

import ipywidgets

from motifdesk.desk import export
from motifdesk.desk.channels import Input, Output, Panel, owned
from motifdesk.desk.handles import Hands, describe_handles
from motifdesk.desk.history import describe_history, describe_travel
from motifdesk.desk.map import MapPane
from motifdesk.desk.readouts import describe_readouts
from motifdesk.desk.viewer import Viewer, end_threads
from motifdesk.desk.workers import Dragger, Latest
from motifdesk.session import Change, Session, State
from motifdesk.structures.errors import MotifDeskError

log = logging.getLogger("motifdesk.desk")

_IDLE_S = 0.7  # rest of the hand after which the slower read-outs are computed
_MOST_MESSAGES = 4


class Desk(ipywidgets.VBox):
    """A design on screen: structure, map, handles, read-outs, history, export. Display it by putting it last in a cell.

    Parameters
    ----------
    design
        A `Session`, or anything ``motifdesk.read`` accepts (path, pymatgen Structure or Molecule, ase.Atoms).
    codec, atlas
        "lazy" (the bundled ones, loaded in the background once the desk is visible), loaded objects, or
        None. Only used when `design` is not a session.

    Attributes
    ----------
    session
        The document. Every edit made through it, from any thread, shows at once.
    viewer, map
        The panes; ``viewer.widget`` is the nglview widget, ``map.figure`` the plotly FigureWidget.

    Notes
    -----
    Bad input raises the one clear MotifDeskError before anything is displayed; an error during a gesture becomes a
    message on the
    desk and leaves the design as it was. ``close()`` disposes of widgets, threads and the WebGL context.
    """

    _closed = True  # until it is open: bad input raises before there is anything to close

    def __init__(self, design: Any, *, codec: Any = "lazy", atlas: Any = "lazy") -> None:
        self.session = design if isinstance(design, Session) else Session(design, codec=codec, atlas=atlas)
        self._input = Input()
        self._output = Output(key=uuid.uuid4().hex, input_id=self._input.model_id)
        self.viewer = Viewer(self._output)
        self.map = MapPane(self._output)
        self._hands = Hands(self.session)
        self._drag = Dragger(self.session, done=lambda n: self._output.publish(ack=n), failed=self._report)
        self._measure = Latest(self._measure_state, "motifdesk-readouts")
        self._errands = Latest(lambda errand: errand(), "motifdesk-loader")
        self._numbers = itertools.count(1)
        self._map_state = "waiting"
        self._closed = False
        super().__init__(children=[self._frame()])
        self.add_class("motifdesk")
        self.layout.width = "100%"
        self._commands: dict[str, Callable[[dict[str, Any]], None]] = {
            "ready": self._on_ready,
            "pick": self._on_pick,
            "scope": lambda m: self._select(scope=str(m["scope"])),
            "distort": self._on_move,
            "strain": self._on_move,
            "probe": self._on_probe,
            "release": self._on_release,
            "cancel": self._on_cancel,
            "reset": lambda m: self._hands.reset(),
            "undo": lambda m: self._travel("undo"),
            "redo": lambda m: self._travel("redo"),
            "goto": lambda m: self._travel("goto", int(m["node"])),
            "kind": self._on_kind,
            "repeat": self._on_repeat,
            "colour": self._on_colour,
            "composition": self._on_composition,
            "export": self._on_export,
            "download": self._on_download,
            "dismiss": self._on_dismiss,
        }
        self._refresh(None)
        self._output.publish(export=export.describe_export(self.session), mapbar=self.map.bar())
        self._input.on_msg(self._on_message)
        self._unsubscribe = self.session.observe(self._on_change)
        self._measure.put(None)

    def __repr__(self) -> str:
        state = self.session.state
        kind = "atoms" if state.arrays.cell is not None else "atoms, molecule"
        return f"Desk({state.formula}, {len(state.arrays.numbers)} {kind})"

    def _frame(self) -> ipywidgets.Box:
        def panel(kind: str) -> Panel:
            return Panel(kind=kind, key=self._output.key)

        def box(children: list[Any], *classes: str) -> ipywidgets.Box:
            made = ipywidgets.Box(children=children)
            for name in classes:
                made.add_class(name)
            return made

        self._panels = [
            panel(k) for k in ("header", "view", "mapbar", "handles", "readouts", "history", "export", "messages")
        ]
        header, view, mapbar, handles, readouts, history, export_panel, messages = self._panels
        structure = box([view, box([self.viewer.widget], "md-stage")], "md-pane", "md-pane-view")
        chart = box([mapbar, box([self.map.figure], "md-chart")], "md-pane", "md-pane-map")
        strip = box([readouts, history, export_panel], "md-strip")
        self._frame_box = box([header, structure, chart, handles, strip, messages], "md-frame")
        return self._frame_box

    # ------------------------------------------------------------------------------------------ session to page

    def _on_change(self, change: Change) -> None:
        if not self._closed:
            self._refresh(change)
            self._measure.put(change)

    def _refresh(self, change: Change | None) -> None:
        """Publish what `change` (None: everything) made different. Reads the newest state inside the gate, so that two
        threads cannot publish in the wrong order."""
        with self._output.gate:
            session = self.session
            state = session.state
            action = "open" if change is None else change.action
            traits: dict[str, Any] = {"overlay": self.map.overlay(state, session.history)}
            if action != "locate":
                other = change is not None and not state.preview and _another(change.previous, state)
                traits |= self.viewer.traits(state, fit=other)
                if other:
                    traits["export"] = export.describe_export(session)
            if action not in ("preview", "locate") or not (self._hands.busy or self._drag.busy):
                traits["handles"] = describe_handles(state, session)
            if action not in ("preview", "select"):
                traits["history"] = describe_history(session.history)
            if action != "select":
                traits["stale"] = True
            traits["header"] = self._header(state)
            self._output.publish(**traits)

    def _header(self, state: State) -> dict[str, Any]:
        count = len(state.arrays.numbers)
        facts = [f"{count} atoms", f"{state.label}{' …' if state.preview else ''}"]
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
        if not self._measure.sleep(_IDLE_S) or self._map_state != "ready":
            return
        if not self.session.state.preview and not (self._hands.busy or self._drag.busy):
            self._show_readouts("idle")
            self._locate()

    def _locate(self) -> None:
        """Place the design on the map; one that the codec cannot encode is no fault of the map."""
        if self.session.state.preview:
            return
        try:
            self.session.locate()
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
            self._output.publish(readouts=described, stale=found.version != now.version)

    # ------------------------------------------------------------------------------------------ page to session

    def _on_message(self, _: Any, content: dict[str, Any], buffers: Any = None) -> None:
        """A command of the page: never raises into the kernel, and always acknowledged."""
        operation = self._commands.get(str(content.get("op")))
        if operation is None or self._closed:
            return
        try:
            operation(content)
        except MotifDeskError as error:
            self._report(error)
        except Exception as error:
            log.exception("the desk could not do %r", content.get("op"))
            self._report(error)
        if content.get("op") != "probe" and content.get("what") != "probe":  # the drag worker acknowledges its own
            self._output.publish(ack=int(content.get("n", 0)))

    def _on_ready(self, message: dict[str, Any]) -> None:
        """The page shows the structure: now there is time for the codec and the map."""
        if self._map_state == "waiting":
            self._map_state = "loading"
            self._output.publish(header=self._header(self.session.state))
            self._errands.put(self._load_map)

    def _load_map(self) -> None:
        try:
            atlas = self.session.atlas
            self.map.fill(atlas)
            self._output.publish(mapbar=self.map.bar())
            self.session.codec  # noqa: B018 - loads it
            self._map_state = "ready"
            self._locate()
            self._output.publish(map_ready=True)
        except MotifDeskError as error:
            self._map_state = "failed"
            self.map.status = str(error)
        except Exception as error:
            log.exception("the map could not be loaded")
            self._map_state = "failed"
            self.map.status = f"The map could not be loaded: {type(error).__name__}: {error}"
        with self._output.gate:
            self._output.publish(mapbar=self.map.bar(), header=self._header(self.session.state))
        self._measure.put(None)

    def _on_pick(self, message: dict[str, Any]) -> None:
        kind, motif, site = message.get("kind"), message.get("motif"), int(message.get("site") or 0)
        pick = self.session.state.selection
        if kind == "none":
            self._select(motif=None, atoms=())
        elif kind == "atom" and message.get("shift"):
            atoms = pick.atoms
            self._select(atoms=tuple(a for a in atoms if a != site) if site in atoms else (*atoms, int(site)))
        elif kind == "atom":
            graph = self.session.state.graph
            owner = graph.motif_at(int(site)) if graph is not None else None
            # the centre of a motif is the motif; a ligand picks the polyhedron it was clicked on
            index = owner.index if owner is not None else motif
            self._select(motif=index, atoms=(int(site),))
        else:
            self._select(motif=None if motif is None else int(motif), atoms=())

    def _select(self, **what: Any) -> None:
        self._hands.release()
        self.session.select(**what)

    def _on_move(self, message: dict[str, Any]) -> None:
        pick = self.session.state.selection
        if message["op"] == "distort" and (message.get("scope"), message.get("motif")) != (pick.scope, pick.motif):
            return  # a slider of a pick that is no more
        self._hands.move(message["op"], str(message["key"]), float(message["value"]))

    def _on_probe(self, message: dict[str, Any]) -> None:
        if self._map_state == "ready":
            self._drag.move((float(message["x"]), float(message["y"])), int(message["n"]), self.map.composition)
        else:
            self._output.publish(ack=int(message["n"]))

    def _on_release(self, message: dict[str, Any]) -> None:
        if message.get("what") == "probe":
            self._drag.end("release", int(message["n"]))
        else:
            self._hands.release()

    def _on_cancel(self, message: dict[str, Any]) -> None:
        if message.get("what") == "probe":
            self._drag.end("cancel", int(message["n"]))
        else:
            self._hands.cancel()

    def _settle_hands(self) -> None:
        """Commit what a slider or the probe holds: undo and export mean the design as it is shown."""
        self._hands.release()
        self._drag.finish()

    def _travel(self, how: str, *where: int) -> None:
        self._settle_hands()
        getattr(self.session, how)(*where)

    def _on_kind(self, message: dict[str, Any]) -> None:
        self.viewer.show_kind(str(message["kind"]), bool(message["shown"]))
        self._redraw()

    def _on_repeat(self, message: dict[str, Any]) -> None:
        self.viewer.set_repeat(message["repeat"])
        self._redraw(fit=True)

    def _redraw(self, fit: bool = False) -> None:
        with self._output.gate:
            state = self.session.state
            self._output.publish(**{**self.viewer.traits(state, fit=fit), "view": self.viewer.controls(state)})

    def _on_colour(self, message: dict[str, Any]) -> None:
        self.map.colour_by(str(message["by"]))
        self._output.publish(mapbar=self.map.bar())

    def _on_composition(self, message: dict[str, Any]) -> None:
        if message.get("value") in ("keep", "follow"):
            self.map.composition = message["value"]
            self._output.publish(mapbar=self.map.bar())

    def _on_export(self, message: dict[str, Any]) -> None:
        self._settle_hands()
        try:
            path = export.write_file(
                self.session, str(message["name"]), str(message["format"]), bool(message.get("overwrite"))
            )
            text, level = f"Written: {path}", "good"
        except MotifDeskError as error:
            text, level = str(error), "bad"
        self._output.publish(export=export.describe_export(self.session, text, level))

    def _on_download(self, message: dict[str, Any]) -> None:
        self._settle_hands()
        name, text = export.as_text(self.session, str(message["name"]), str(message["format"]))
        self._output.publish(download={"id": next(self._numbers), "name": name, "text": text})

    # ------------------------------------------------------------------------------------------ messages, end

    def _report(self, error: Exception | str, level: str = "error") -> None:
        text = str(error) if isinstance(error, MotifDeskError | str) else f"{type(error).__name__}: {error}"
        with self._output.gate:
            kept = [m for m in self._output.messages if m["text"] != text][-(_MOST_MESSAGES - 1) :]
            self._output.publish(messages=[*kept, {"id": next(self._numbers), "text": text, "level": level}])

    def _on_dismiss(self, message: dict[str, Any]) -> None:
        with self._output.gate:
            self._output.publish(messages=[m for m in self._output.messages if m["id"] != message.get("id")])

    @property
    def messages(self) -> tuple[str, ...]:
        """What the desk has to say, newest last: errors of gestures, each one sentence with its remedy."""
        return tuple(m["text"] for m in self._output.messages)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the background work asked for so far (map, drag, read-outs) is done. False if it took longer."""
        return all([self._errands.settle(timeout), self._drag.settle(timeout), self._measure.settle(timeout)])

    def close(self) -> None:
        """Dispose of the desk: threads, widgets, WebGL context. The session lives on."""
        if self._closed:
            return
        self._closed = True
        self._unsubscribe()
        self._hands.cancel()
        for worker in (self._drag, self._measure, self._errands):
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
