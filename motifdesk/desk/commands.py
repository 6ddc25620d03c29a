"""Page to session: what each message of the page does."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.desk import export
from motifdesk.desk.pieces import asked
from motifdesk.desk.stagetools import PICTURES
from motifdesk.desk.tying import Tying
from motifdesk.session.crystal import split
from motifdesk.structures.errors import MotifDeskError
from motifdesk.structures.threads import one_blas_thread

if TYPE_CHECKING:
    from motifdesk.desk.campaign import CampaignPane
    from motifdesk.desk.changes import ChangesPane
    from motifdesk.desk.channels import Output
    from motifdesk.desk.edits import EditsPane
    from motifdesk.desk.families import FamilyPane
    from motifdesk.desk.finds import Finds
    from motifdesk.desk.handles import Hands
    from motifdesk.desk.map import MapPane
    from motifdesk.desk.missing import MissingPane
    from motifdesk.desk.motifgraph import NetPane
    from motifdesk.desk.parts import Part
    from motifdesk.desk.stagetools import StageTools
    from motifdesk.desk.viewer import Viewer
    from motifdesk.desk.workers import Dragger, Latest
    from motifdesk.session import Session, State

log = logging.getLogger("motifdesk.desk")


class Commands(Tying):
    """The desk's half that listens. Mixed into :class:`motifdesk.desk.Desk`, whose parts it uses."""

    session: Session
    viewer: Viewer
    map: MapPane
    _output: Output
    _hands: Hands
    _drag: Dragger
    _errands: Latest
    _measure: Latest
    _net: NetPane
    _tools: StageTools
    _changes: ChangesPane
    _finds: Finds
    _edits: EditsPane
    _missing: MissingPane
    _families: FamilyPane
    _candidates: CampaignPane
    _parts: tuple[Part, ...]
    _numbers: itertools.count[int]
    _commands: dict[str, Callable[[dict[str, Any]], None]]
    _map_state: str
    _closed: bool

    if TYPE_CHECKING:  # the half that shows

        def _report(self, error: Exception | str, level: str = "error") -> None: ...
        def _header(self, state: State) -> dict[str, Any]: ...
        def _locate(self) -> None: ...
        def show_arrows(self, shown: bool = True, of: str | None = None) -> None: ...
        def colour_by(self, what: str) -> None: ...
        def view_piece(
            self, kind: str, *, site: int | None = ..., hkl: Any = ..., layers: int = ..., vacuum: float = ...
        ) -> None: ...
        def _on_dismiss(self, message: dict[str, Any]) -> None: ...
        def _forget(self, *places: str) -> None: ...

    def _operations(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """Name of a message -> what it does."""
        return {
            "ready": self._on_ready,
            "pick": self._on_pick,
            "scope": lambda m: self._select(scope=str(m["scope"])),
            "pattern": lambda m: self._select(pattern=str(m["value"])),
            "symmetry": self._on_symmetry,
            "net": lambda m: self._net.look(bool(m["shown"])),
            "changes": lambda m: self._changes.look(bool(m["shown"])),
            "against": lambda m: self._changes.against(m["which"]),
            "images": lambda m: self._changes.write(str(m["folder"]), m["count"], str(m["format"])),
            "families": lambda m: self._families.look(bool(m["shown"])),
            "family": lambda m: self._families.move(str(m["key"]), m["value"]),
            "build": self._on_build,
            "known": lambda m: self._families.choose_known(int(m["index"])),
            "members": lambda m: self._families.list_members(m["pages"]),
            "supercell": self._on_supercell,
            "distort": self._on_move,
            "morph": self._on_move,
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
            "piece": self._on_piece,
            "slab": self._on_slab,
            "colour": self._on_colour,
            "composition": self._on_composition,
            "export": self._on_export,
            "download": self._on_download,
            "dismiss": self._on_dismiss,
            "measure": lambda m: self._tools.on_measure(m),
            "redraw_map": lambda m: self.map.redraw(),
            "arrows": lambda m: self.show_arrows(bool(m["on"]), m.get("of")),
            "colouring": lambda m: self.colour_by(str(m["by"])),
            "shot": self._on_shot,
            "find": self._on_find,
            "lasso": self._on_lasso,
            "edit": self._on_edit,
            "delete": self._on_delete,
            "missing": self._on_missing,
        }

    def _on_message(self, _: Any, content: dict[str, Any], buffers: Any = None) -> None:
        """A command of the page: never raises into the kernel, and always acknowledged."""
        operation = self._commands.get(str(content.get("op")))
        if operation is None or self._closed:
            return
        for part in self._parts:
            part.heard(content)
        try:
            with one_blas_thread():
                operation({**content, "buffers": buffers} if buffers else content)
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
        self._candidates.map_opened()
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

    def _on_symmetry(self, message: dict[str, Any]) -> None:
        """How the handles treat the symmetry from now on; what is distorted already is done again that way."""
        self._select(symmetry=str(message["value"]))
        state = self.session.committed
        if split(state.amplitudes)[0] and state.keep != state.selection.symmetry:
            self.session.distort(dict(state.amplitudes))

    def _on_supercell(self, message: dict[str, Any]) -> None:
        self._settle_hands()
        self.session.supercell(message["matrix"])

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
        elif message.get("what") == "family":
            self._families.end("release")
        else:
            self._hands.release()

    def _on_build(self, message: dict[str, Any]) -> None:
        """A member of a family: by its name with the defaults, or of the design's own family with other parameters."""
        self._hands.release()
        self._drag.finish()
        family = message.get("family")
        self._families.build(
            None if family is None else str(family),
            dict(message.get("parameters") or {}),
            str(message.get("at") or ""),
            message.get("neutral"),
        )

    def _on_cancel(self, message: dict[str, Any]) -> None:
        if message.get("what") == "probe":
            self._drag.end("cancel", int(message["n"]))
        elif message.get("what") == "family":
            self._families.end("cancel")
        else:
            self._hands.cancel()

    def _settle_hands(self) -> None:
        """Commit what a slider or the probe holds: undo and export mean the design as it is shown."""
        self._hands.release()
        self._drag.finish()
        self._families.finish()
        for part in self._parts:
            part.hold()

    def _travel(self, how: str, *where: int) -> None:
        self._settle_hands()
        getattr(self.session, how)(*where)

    def _on_delete(self, message: dict[str, Any]) -> None:
        """Delete the picked atoms."""
        self._settle_hands()
        atoms = self.session.state.selection.atoms
        if atoms:
            self.session.delete_sites(atoms)

    def _on_missing(self, message: dict[str, Any]) -> None:
        """Ask what is missing, accept a proposal, or send the proposals away."""
        what = message.get("what")
        if what == "ask":
            self._settle_hands()
            self._missing.ask()
        elif what == "accept":
            self._missing.accept(int(message["id"]), int(message["index"]))
        elif what == "dismiss":
            self._missing.dismiss()

    def _on_kind(self, message: dict[str, Any]) -> None:
        self.viewer.show_kind(str(message["kind"]), bool(message["shown"]))
        self._redraw()

    def _on_repeat(self, message: dict[str, Any]) -> None:
        self.viewer.set_repeat(message["repeat"])
        self._redraw(fit=True)

    def _on_piece(self, message: dict[str, Any]) -> None:
        """What of the design is drawn: whole cells, molecules, a motif with its neighbours, a slab."""
        try:
            self.view_piece(str(message["kind"]), **asked(message))
        except MotifDeskError:
            self._redraw()  # the menu shows what is still drawn
            raise
        self._forget("view:", "slab:")

    def _on_slab(self, message: dict[str, Any]) -> None:
        """Make the slab that is seen, or described, the design."""
        self._settle_hands()
        self.session.slab(**asked(message))
        self.view_piece("cells")

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
        if str(message["format"]) in PICTURES:
            return self._ask_picture(message, write=True)
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
        if str(message["format"]) in PICTURES:
            return self._ask_picture(message, write=False)
        name, text = export.as_text(self.session, str(message["name"]), str(message["format"]))
        self._output.publish(download={"id": next(self._numbers), "name": name, "text": text})

    def _ask_picture(self, message: dict[str, Any], write: bool) -> None:
        kind, replace = str(message["format"]), bool(message.get("overwrite"))
        try:
            self._tools.shoot(kind, str(message["name"]), write=write, overwrite=replace)
            text, level = "Drawing …", ""
        except MotifDeskError as error:
            text, level = str(error), "bad"
        self._output.publish(export=export.describe_export(self.session, text, level))

    def _on_shot(self, message: dict[str, Any]) -> None:
        outcome = self._tools.on_shot(message, message.get("buffers", ()))
        if outcome is not None:
            self._output.publish(export=export.describe_export(self.session, *outcome))

    def _on_find(self, message: dict[str, Any]) -> None:
        if "open" in message:
            self._settle_hands()
        self._finds.on_find(message)

    def _on_lasso(self, message: dict[str, Any]) -> None:
        self.map.lasso(bool(message["on"]))
        self._output.publish(mapbar=self.map.bar())

    def _on_edit(self, message: dict[str, Any]) -> None:
        self._settle_hands()
        self._edits.on_edit(message)
