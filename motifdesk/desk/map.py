"""The map pane: one big scattergl trace of the atlas, set once; everything that moves is the bridge's overlay."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.channels import Output

if TYPE_CHECKING:
    from motifdesk.session import History, State

# Columns that are coloured by value, with the words a designer reads
_VALUES = {
    "formation_energy": "formation energy (eV/atom)",
    "band_gap": "band gap (eV)",
    "natoms": "atoms in the cell",
    "spacegroup": "space group number",
}
_SOURCES = {
    "mp_20": "MP-20",
    "mpts_52": "MPTS-52",
    "perov_5": "Perov-5",
    "carbon_24": "Carbon-24",
    "qm9": "QM9 molecules",
    "kitaev": "iridates",
}
_TRAIL = 400  # steps of the trail
# Distinct on light and dark pages and to the commoner colour-blindnesses (Okabe-Ito, softened)
_COLOURS = ["#5B8DB8", "#E2A13C", "#5FA777", "#C56A9C", "#8C7CC3", "#C8694B", "#7FB8C9", "#9A9A9A"]


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
        output.publish(figure_id=self.figure._model_id if hasattr(self.figure, "_model_id") else self.figure.model_id)
        self.composition = "keep"
        self.by = "source"
        self.status = "The map opens with the codec …"
        self.atlas: Any = None
        self._lock = threading.RLock()

    def fill(self, atlas: Any) -> None:
        """Show the atlas: one trace, hover text of formula, space group and source."""
        with self._lock:
            self.atlas = atlas
            xy = np.asarray(atlas.xy, dtype=np.float32)
            with self.figure.batch_update():
                trace = self.figure.data[0]
                trace.x, trace.y = xy[:, 0], xy[:, 1]
                trace.text = _hover_texts(atlas)
                trace.marker.size = 3 if len(xy) > 5000 else 5
                low, high = np.percentile(xy, [0.2, 99.8], axis=0)
                pad = 0.06 * (high - low)
                self.figure.layout.xaxis.range = [float(low[0] - pad[0]), float(high[0] + pad[0])]
                self.figure.layout.yaxis.range = [float(low[1] - pad[1]), float(high[1] + pad[1])]
                self._colour(self.by)
            self.status = ""

    def options(self) -> list[list[str]]:
        """[value, words] of the colourings this atlas allows."""
        if self.atlas is None:
            return []
        found = [["source", "source"]]
        for name, words in _VALUES.items():
            column = _column(self.atlas, name)
            if column is not None and np.isfinite(column.astype(float)).any():
                found.append([name, words])
        return found

    def colour_by(self, name: str) -> None:
        """Colour the points by the source or by a numeric column."""
        with self._lock:
            if self.atlas is None or name not in [o[0] for o in self.options()]:
                return
            with self.figure.batch_update():
                self._colour(name)

    def emphasise(self, indices: np.ndarray | None) -> None:
        """Fade all points but these; None: none is faded."""
        with self._lock, self.figure.batch_update():
            trace = self.figure.data[0]
            trace.selectedpoints = None if indices is None else [int(i) for i in indices]
            trace.selected = {
                "marker": {"opacity": 0.85, "size": 5 if indices is not None and len(indices) < 2000 else 3}
            }
            trace.unselected = {"marker": {"opacity": 0.05}}

    def lasso(self, on: bool) -> None:
        """Whether dragging over the map draws a lasso rather than panning."""
        with self._lock:
            self.figure.layout.dragmode = "lasso" if on else "pan"

    def _colour(self, name: str) -> None:
        marker = self.figure.data[0].marker
        if name == "source":
            sources = np.asarray(_column(self.atlas, "source")).astype(str)
            names = list(dict.fromkeys(sources.tolist()))
            lookup = {s: k for k, s in enumerate(names)}
            index = np.fromiter((lookup[s] for s in sources), dtype=np.uint8, count=len(sources))
            top = max(len(names) - 1, 1)
            marker.update(color=index, cmin=0, cmax=top, colorscale=_steps(len(names)), showscale=False)
            self.legend = [[_SOURCES.get(s, s), _COLOURS[k % len(_COLOURS)]] for k, s in enumerate(names)]
        else:
            values = np.asarray(_column(self.atlas, name), dtype=np.float32)
            low, high = (float(v) for v in np.nanpercentile(values, [2, 98]))
            bar = {
                "thickness": 8,
                "len": 0.5,
                "x": 1.0,
                "xanchor": "right",
                "y": 0.02,
                "yanchor": "bottom",
                "outlinewidth": 0,
                "tickfont": {"size": 10},
            }
            marker.update(
                color=values, cmin=low, cmax=max(high, low + 1e-6), colorscale="Viridis", showscale=True, colorbar=bar
            )
            self.legend = []
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
            "lasso": self.figure.layout.dragmode == "lasso",
        }

    def overlay(self, state: State, history: History) -> dict[str, Any]:
        """Where the design landed (re-encoded), where the probe asked it to go, and the way it came."""
        latent = state.latent
        trail: list[list[float]] = []
        # of a long way the last part: every edit sends it
        for node in reversed(list(islice(history.upward(), _TRAIL))):
            xy = node.state.latent.xy
            if xy is not None and (not trail or trail[-1] != list(xy)):
                trail.append([float(xy[0]), float(xy[1])])
        return {
            "landed": None if latent.xy is None else [float(v) for v in latent.xy],
            "target": None if latent.target_xy is None else [float(v) for v in latent.target_xy],
            "stale": bool(latent.stale),
            "trail": trail,
        }


def _column(atlas: Any, name: str) -> Any:
    columns = getattr(atlas, "columns", None)
    if columns is not None and name in columns:
        return np.asarray(columns[name])
    value = getattr(atlas, name, None)
    return None if value is None or callable(value) else np.asarray(value)


def _steps(count: int) -> list[list[Any]]:
    """A colour scale of `count` flat steps at 0, 1/(n-1), ..., 1."""
    if count < 2:
        return [[0.0, _COLOURS[0]], [1.0, _COLOURS[0]]]
    scale = []
    for k in range(count):
        colour = _COLOURS[k % len(_COLOURS)]
        scale += [[max(0.0, (k - 0.5) / (count - 1)), colour], [min(1.0, (k + 0.5) / (count - 1)), colour]]
    return scale


def _hover_texts(atlas: Any) -> list[str]:
    formulas, groups, sources = (_column(atlas, n) for n in ("formula", "spacegroup", "source"))
    if formulas is None:
        return []
    from motifdesk.atlas.searching import space_group_symbols

    symbols = space_group_symbols()
    count = len(formulas)
    groups = np.zeros(count, dtype=int) if groups is None else np.nan_to_num(groups.astype(float)).astype(int)
    names = {s: _SOURCES.get(str(s), str(s)) for s in np.unique(sources)} if sources is not None else {}
    shown = [names.get(s, "") for s in sources] if sources is not None else [""] * count
    return [
        f"<b>{_plain(f)}</b>{'  ' + symbols[g] if 0 < g < len(symbols) else ''}<br>{s}"
        for f, g, s in zip(formulas, groups, shown, strict=True)
    ]


def _plain(text: Any) -> str:
    """plotly reads hover text as a little HTML."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;")
