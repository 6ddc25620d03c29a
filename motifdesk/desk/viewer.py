"""The structure pane: a stage lent by nglview, and the scene and positions that the bridge draws on it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk import colouring, palette, scene
from motifdesk.desk.channels import Output
from motifdesk.desk.pieces import Drawn, Piece, available, choose
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.session import State

_REPEATS = 8  # most cells drawn


def new_widget() -> Any:
    """An empty nglview widget.

    It is given no structure: nglview freezes bonds and species at load, sleeps up to 0.1 s per call and keeps an
    archive of calls that it sends again, so the bridge loads and moves the design on its stage instead.
    """
    from IPython.utils.capture import capture_output

    with capture_output():  # nglview displays an empty widget the first time it is imported
        from nglview import NGLWidget

    widget = NGLWidget()
    widget.layout.width = "100%"
    widget.layout.height = "100%"
    return widget


def end_threads(widget: Any) -> None:
    """End the threads that `widget` started: nglview lets them poll for ever, and each keeps its widget alive."""
    from nglview.remote_thread import RemoteCallThread

    def leave(_: Any) -> None:
        raise SystemExit  # ends the thread that makes the call, silently

    for thread in threading.enumerate():
        if isinstance(thread, RemoteCallThread) and thread.view is widget:
            thread.q.append(leave)


class Viewer:
    """Publishes scene, positions and highlight of a state. Thread-safe: everything goes through ``Output.publish``."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.widget = new_widget()
        output.publish(viewer_id=self.widget.model_id)
        self.shown: frozenset[str] | None = None  # kinds of polyhedra; None until the first graph says what is usual
        self._kinds: frozenset[str] = frozenset()
        self.repeat = (1, 1, 1)
        self.piece = Piece()
        self.words = ""
        self.colouring = "species"
        self.legend: list[list[str]] = []
        self._drawn: tuple[Any, ...] | None = None
        self._number = 0
        self._frame = 0
        self._fit = 1
        self._lock = threading.RLock()

    def traits(self, state: State, *, fit: bool = False) -> dict[str, Any]:
        """Output traits that show `state`: always positions and frame, the scene only when its topology changed."""
        with self._lock:
            arrays = state.arrays
            graph = state.graph if len(arrays.numbers) else None
            kinds = frozenset(scene.kinds(graph))
            if self.shown is None or (kinds and self._kinds.isdisjoint(kinds)):
                self.shown = scene.default_kinds(arrays, graph)  # none of the kinds that were chosen from is left
                self._kinds = kinds
            elif self.shown and not kinds <= self._kinds:  # another element in the place of one that was shown
                self.shown |= scene.default_kinds(arrays, graph) - self._kinds
                self._kinds |= kinds
            pick = state.selection.motif
            extra = frozenset() if pick is None or graph is None else self._extra(graph, pick)
            colours = (self.colouring, colouring.signature(state, self.colouring))
            if state.preview and self._drawn is not None:
                colours = self._drawn[-1]  # the colours follow when the hand rests: a new scene is no frame
            topology = (id(graph), arrays.numbers.tobytes(), self.shown, extra, self.repeat, self.piece, colours)
            result: dict[str, Any] = {}
            if topology != self._drawn:
                drawn = self._chosen(arrays, graph)
                described = scene.build(arrays, graph, shown=self.shown, picked=extra, repeat=self.repeat, piece=drawn)
                self.legend = colouring.paint(described, state, self.colouring)
                self._number += 1
                self._drawn = topology
                self._keep = graph  # id() is only a name while the object lives
                described["id"] = self._number
                described["title"] = f"{state.formula}, {len(arrays.numbers)} atoms"
                described["motifs"] = {} if graph is None else {m.index: describe(m, graph) for m in graph.motifs}
                result["scene"] = described
                result["view"] = self.controls(state)
            if fit:
                self._fit += 1
            self._frame += 1
            cell = np.zeros(9) if arrays.cell is None else np.asarray(arrays.cell).ravel()
            result["positions"] = np.concatenate([np.asarray(arrays.positions).ravel(), cell]).astype("<f4").tobytes()
            result["frame"] = self._frame
            result["fit"] = self._fit
            result["highlight"] = self.highlight(state)
            return result

    def _chosen(self, arrays: Any, graph: Any) -> Drawn | None:
        """What the piece draws; a piece that another design does not have gives way to whole cells."""
        try:
            drawn = choose(self.piece, arrays, graph, self.repeat)
        except MotifDeskError:
            self.piece, drawn = Piece(), None
        self.words = "" if drawn is None else drawn.words
        return drawn

    def set_piece(self, piece: Piece, state: State) -> None:
        """Draw this piece of the design from now on. SessionError or StructureError where the design has none such."""
        choose(piece, state.arrays, state.graph, self.repeat)
        with self._lock:
            self.piece = piece

    def _extra(self, graph: Any, pick: int) -> frozenset[int]:
        """The picked motif is drawn as a polyhedron even when its kind is not."""
        motif = graph.motifs[pick] if pick < len(graph.motifs) else None
        return frozenset() if motif is None or motif.formula in (self.shown or ()) else frozenset({pick})

    def highlight(self, state: State) -> dict[str, Any]:
        """What is emphasised: the picked motif, those its handles act on, picked atoms."""
        pick = state.selection
        graph = state.graph
        if pick.motif is None or graph is None or pick.motif >= len(graph.motifs):
            return {"picked": None, "related": [], "atoms": list(pick.atoms), "movable": bool(pick.atoms)}
        related = members(graph, pick.motif, pick.scope)
        return {"picked": pick.motif, "related": related, "atoms": list(pick.atoms), "movable": True}

    def controls(self, state: State) -> dict[str, Any]:
        """The chips above the structure."""
        graph = state.graph
        chips = []
        for kind in scene.kinds(graph):
            motifs = [m for m in graph.motifs if m.formula == kind] if graph is not None else []
            if state.arrays.cell is None or len(motifs[0].ligands) < 4:
                continue
            centre = int(state.arrays.numbers[motifs[0].centre])
            chips.append({"name": kind, "colour": palette.colour(centre), "shown": kind in (self.shown or ())})
        piece = self.piece
        return {
            "kinds": chips,
            "repeat": list(self.repeat),
            "crystal": state.arrays.cell is not None,
            "pieces": available(state.arrays, graph),
            "piece": {"kind": piece.kind, "hkl": list(piece.hkl), "layers": piece.layers, "vacuum": piece.vacuum},
            "words": self.words,
        }

    def show_kind(self, kind: str, shown: bool) -> None:
        """Show or hide the polyhedra of a formula."""
        with self._lock:
            self.shown = (self.shown or frozenset()) | {kind} if shown else (self.shown or frozenset()) - {kind}

    def set_repeat(self, repeat: Any) -> None:
        """How many cells are drawn along each lattice vector; more than 8 cells in all are not."""
        times = tuple(max(1, min(4, int(n))) for n in repeat)
        if len(times) == 3 and times[0] * times[1] * times[2] <= _REPEATS:
            with self._lock:
                self.repeat = times


def members(graph: Any, motif: int, scope: str) -> list[int]:
    """Motifs that handles of `scope` act on: this one, its orbit, or all of its kind."""
    picked = graph.motifs[motif]
    if scope == "orbit":
        return [m.index for m in graph.motifs if m.orbit == picked.orbit]
    if scope == "all":
        return [m.index for m in graph.motifs if m.formula == picked.formula]
    return [motif]


def describe(motif: Any, graph: Any) -> str:
    """ "IrO6 octahedron, Ir8", "CH group, C0": what it is called and the site of its centre."""
    site = graph.structure[motif.centre]
    where = f"{site.specie.symbol}{motif.centre}"
    called = motif.name.removesuffix(f" ({where})")
    return f"{called}, {where}"
