"""The map pane: one big scattergl trace of the atlas, set once; everything that moves is the bridge's overlay.

Colours are in :mod:`motifdesk.desk.mapcolours`, further sets of points in :mod:`motifdesk.desk.maplayers`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import deepcopy
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.channels import Output
from motifdesk.desk.mapcolours import colouring, options
from motifdesk.desk.maplayers import MapLayer, inside

if TYPE_CHECKING:
    from motifdesk.session import History, State

_TRAIL = 400  # steps of the trail


def new_figure() -> Any:
    """An empty FigureWidget dressed as a map: coordinates of a projection mean nothing, so there are no ticks."""
    import plotly.graph_objects as go

    figure = go.FigureWidget(
        data=[
            go.Scattergl(
                x=[], y=[], mode="markers", marker={"size": 3, "opacity": 0.55}, hoverinfo="none", showlegend=False
            )
        ],
        layout={
            "template": "none",
            "autosize": True,
            "margin": {"l": 6, "r": 6, "t": 2, "b": 6},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": "pan",
            "hovermode": "closest",
            "legend": {
                "orientation": "h",
                "y": 0.01,
                "x": 0.01,
                "yanchor": "bottom",
                "font": {"size": 11},
                "itemsizing": "constant",
            },
            "xaxis": _axis(),
            "yaxis": {**_axis(), "scaleanchor": "x"},
        },
    )
    figure._config = {"scrollZoom": True, "displaylogo": False, "displayModeBar": False, "responsive": True}
    return figure


def _axis() -> dict[str, Any]:
    return {"visible": False, "showgrid": False, "zeroline": False, "constrain": "domain"}


class MapPane:
    """The atlas on screen. ``fill`` once, ``colour_by`` when asked; the design's place is in :meth:`overlay`."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.figure = new_figure()
        self.holder: Any = None
        """The box that shows the figure."""
        output.publish(figure_id=self.figure._model_id if hasattr(self.figure, "_model_id") else self.figure.model_id)
        self.composition = "keep"
        self.by = "source"
        self.drawing = False
        self.status = "The map opens with the codec …"
        self.atlas: Any = None
        self.lock = threading.RLock()
        self.elements: tuple[str, ...] = ()
        """Symbols whose share the points can be coloured by: those of the design."""
        self._layers: dict[str, MapLayer] = {}

    def redraw(self) -> None:
        """Send the whole figure anew and have it drawn anew, for a page that has missed what was sent of it."""
        with self.lock:
            self.figure._widget_layout = deepcopy(self.figure._layout_obj._props)
            self.figure._widget_data = deepcopy(self.figure._data)
            self.figure.send_state(["_widget_layout", "_widget_data"])  # also where nothing has changed on this side
            if self.holder is not None:
                self.holder.children = ()
                self.holder.children = (self.figure,)

    def fill(self, atlas: Any) -> None:
        """Show the atlas: one trace of places and colours (the hover card asks for the rest, point by point)."""
        with self.lock:
            self.atlas = atlas
            xy = np.asarray(atlas.xy, dtype=np.float32)
            with self.figure.batch_update():
                trace = self.figure.data[0]
                trace.x, trace.y = xy[:, 0], xy[:, 1]
                trace.marker.size = 2.4 if len(xy) > 50_000 else 3 if len(xy) > 5000 else 5
                low, high = np.percentile(xy, [0.2, 99.8], axis=0)
                pad = 0.06 * (high - low)
                self.figure.layout.xaxis.range = [float(low[0] - pad[0]), float(high[0] + pad[0])]
                self.figure.layout.yaxis.range = [float(low[1] - pad[1]), float(high[1] + pad[1])]
                self._colour(self.by)
            self.status = ""

    def options(self) -> list[list[str]]:
        """[value, words] of the colourings this atlas allows."""
        return [] if self.atlas is None else options(self.atlas, self.elements)

    def colour_by(self, name: str) -> None:
        """Colour the points by "source", "motif", "anion", "share:Ti", or a numeric column."""
        with self.lock:
            if self.atlas is None or name not in [o[0] for o in self.options()]:
                return
            with self.figure.batch_update():
                self._colour(name)

    def layer(
        self,
        name: str,
        label: str = "",
        *,
        colour: str = "#D1495B",
        card: Callable[[int], dict[str, Any]] | None = None,
        opened: Callable[[int], None] | None = None,
        lassoed: Callable[[np.ndarray], None] | None = None,
    ) -> MapLayer:
        """A further set of points, made on first use; see :mod:`motifdesk.desk.maplayers`."""
        with self.lock:
            if name not in self._layers:
                self._layers[name] = MapLayer(self, name, label or name, colour, card, opened, lassoed)
            return self._layers[name]

    def layer_of(self, trace: int) -> MapLayer | None:
        """The layer that is trace number `trace` of the figure; None for the atlas."""
        return next((layer for layer in self._layers.values() if layer.trace == trace), None)

    def lassoed(self, polygon: Any) -> np.ndarray:
        """int [k]: the points of the atlas inside a polygon (lists of x and y); layers are told of theirs."""
        for layer in list(self._layers.values()):
            if layer.lassoed is not None and len(layer.xy):
                layer.lassoed(inside(layer.xy, polygon))
        return np.zeros(0, dtype=int) if self.atlas is None else inside(np.asarray(self.atlas.xy), polygon)

    def emphasise(self, indices: np.ndarray | None) -> None:
        """Fade all points but these; None: none is faded."""
        with self.lock, self.figure.batch_update():
            trace = self.figure.data[0]
            # an array travels as bytes; a list of 100,000 numbers would travel as text
            trace.selectedpoints = None if indices is None else np.asarray(indices, dtype=np.int32)
            trace.selected = {
                "marker": {"opacity": 0.85, "size": 5 if indices is not None and len(indices) < 2000 else 3}
            }
            trace.unselected = {"marker": {"opacity": 0.05}}

    def lasso(self, on: bool) -> None:
        """Whether dragging over the map draws a lasso (the page's own) rather than panning."""
        self.drawing = bool(on)

    def _colour(self, name: str) -> None:
        found = colouring(self.atlas, name)
        self.figure.data[0].marker.update(found.marker)
        self.legend = found.legend
        self.by = name

    legend: list[list[str]] = []

    def bar(self) -> dict[str, Any]:
        """The controls above the map."""
        return {
            "options": self.options(),
            "by": self.by,
            "composition": self.composition,
            "status": self.status,
            "legend": self.legend,
            "lasso": self.drawing,
        }

    def overlay(self, state: State, history: History) -> dict[str, Any]:
        """Where the design landed (re-encoded), where the probe asked it to go, and the way it came."""
        latent = state.latent
        trail: list[list[float]] = []
        # of a long way the last part: every edit sends it
        tree = history.nodes
        for number in reversed(list(islice(tree.up(history.current), _TRAIL))):
            xy = tree.slot(number).xy
            if xy is not None and (not trail or trail[-1] != list(xy)):
                trail.append([float(xy[0]), float(xy[1])])
        return {
            "landed": None if latent.xy is None else [float(v) for v in latent.xy],
            "target": None if latent.target_xy is None else [float(v) for v in latent.target_xy],
            "stale": bool(latent.stale),
            "trail": trail,
        }
