"""Candidates as points of the map: places, colours, and the words of the legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from motifdesk.desk.maplayers import MapLayer

BY = {
    "above_hull": "energy above the hull",
    "energy_per_atom": "energy per atom",
    "density": "density",
    "status": "status",
    "generator": "generator",
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C7CC3", "#8A8A8A")  # Okabe and Ito's
_STATUS = {"passed": "#009E73", "rejected": "#E69F00", "error": "#D55E00"}
# blue is low, and told from orange by colour-blind readers too; both stand out from light and dark pages
_SCALE = [[0.0, "#1F8FD0"], [0.5, "#EBD58B"], [1.0, "#CC4A1F"]]
_MANY = 20_000


def paint(layer: MapLayer, columns: Mapping[str, np.ndarray], rows: np.ndarray, by: str) -> list[list[str]]:
    """Show these rows (int [k]) of a listing's columns, coloured by one of `BY`.

    Returns the legend: [word, colour] of kinds, or [[lowest, "low"], [highest with its unit, "high"]] of numbers.
    """
    places = np.stack([columns["x"][rows], columns["y"][rows]], axis=1)
    if by in ("status", "generator"):
        kinds = columns[by].astype(str)
        names = sorted(set(kinds.tolist()))
        tints = [_STATUS.get(n, _COLOURS[k % len(_COLOURS)]) for k, n in enumerate(names)]
        values = np.searchsorted(np.array(names), kinds[rows]).astype(float) if names else np.zeros(len(rows))
        layer.show(places, values=values, words=BY[by])
        _mark(layer, len(rows), colorscale=_steps(tints), cmin=0, cmax=max(len(names) - 1, 1))
        return [[n, t] for n, t in zip(names, tints, strict=True)][:8]
    values = columns[by][rows]
    layer.show(places, values=values, words=BY[by])
    known = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(known, [2, 98])) if len(known) else (0.0, 1.0)
    _mark(layer, len(rows), colorscale=_SCALE, cmin=low, cmax=high + 1e-9)
    unit = {"density": "g/cm³"}.get(by, "eV/atom")
    return [[f"{low:.2f}", "low"], [f"{high:.2f} {unit}", "high"]]


def _mark(layer: MapLayer, count: int, **marker: Any) -> None:
    size = 7 if count < 2000 else 5 if count < _MANY else 3.5
    line = {"width": 1.0 if count < _MANY else 0.0, "color": "rgba(0,0,0,.55)"}
    with layer.pane.lock, layer.pane.figure.batch_update():
        layer.pane.figure.data[layer.trace].marker.update(size=size, opacity=0.85, line=line, **marker)


def _steps(tints: list[str]) -> list[list[Any]]:
    """A colour scale of flat steps at 0, 1/(n-1), ..., 1."""
    if len(tints) < 2:
        tint = tints[0] if tints else _COLOURS[0]
        return [[0.0, tint], [1.0, tint]]
    top = len(tints) - 1
    ends = [(max(0.0, (k - 0.5) / top), min(1.0, (k + 0.5) / top)) for k in range(len(tints))]
    return [[at, tint] for (low, high), tint in zip(ends, tints, strict=True) for at in (low, high)]


__all__ = ["BY", "paint"]
