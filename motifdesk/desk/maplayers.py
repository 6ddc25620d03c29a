"""More points on the map than the atlas has: a campaign's candidates, a list of one's own.

>>> layer = desk.map.layer("campaign", "candidates", card=card_of, opened=open_it)
>>> layer.show(xy)                        # float [n, 2]; again whenever there are more
>>> layer.show(xy, values=energies, words="energy above the hull (eV/atom)")
>>> layer.clear()

A layer is a trace of its own: showing it sends its points alone, and the big trace of the atlas is never sent or
changed. Hovering over a point shows the card that ``card(index)`` returns ({"formula", "group", "atoms", "facts":
[lines], "id", "picture": an SVG or ""}); a lasso tells ``lassoed(indices)``; ``opened(index)`` is called for a double
click on a point. All three run on the desk's own threads and may raise MotifDeskError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.errors import AtlasError

if TYPE_CHECKING:
    from motifdesk.desk.map import MapPane

MOST_POINTS = 200_000


class MapLayer:
    """One set of points over the atlas; made by :meth:`motifdesk.desk.map.MapPane.layer`.

    Attributes: ``name``; ``label`` (words of the legend); ``colour``; ``xy`` float32 [n, 2], what is shown.
    """

    def __init__(
        self,
        pane: MapPane,
        name: str,
        label: str,
        colour: str,
        card: Callable[[int], dict[str, Any]] | None,
        opened: Callable[[int], None] | None,
        lassoed: Callable[[np.ndarray], None] | None,
    ) -> None:
        self.pane, self.name, self.label, self.colour = pane, name, label, colour
        self.card, self.opened, self.lassoed = card, opened, lassoed
        self.xy = np.zeros((0, 2), dtype=np.float32)
        with pane.lock:
            pane.figure.add_scattergl(
                x=[],
                y=[],
                mode="markers",
                marker={"size": 7, "opacity": 0.9, "color": colour, "line": {"width": 1, "color": "rgba(0,0,0,.55)"}},
                hoverinfo="none",
                showlegend=False,
                name=label,
            )
            self.trace = len(pane.figure.data) - 1

    def show(self, xy: Any, *, values: Any = None, words: str = "") -> None:
        """Show these points of the map instead of those so far, in one colour or by ``values`` [n] (NaN: grey).

        AtlasError: not [n, 2], not finite, too many, or another number of values.
        """
        places = np.asarray(xy, dtype=np.float32).reshape(-1, 2) if np.size(xy) else np.zeros((0, 2), np.float32)
        if not np.isfinite(places).all() or len(places) > MOST_POINTS:
            raise AtlasError(
                f"{len(places)} points, not all finite or too many",
                where=f"map layer {self.name}",
                remedy=f"give at most {MOST_POINTS} finite places",
            )
        marker: dict[str, Any] = {"color": self.colour, "showscale": False}
        if values is not None:
            numbers = np.asarray(values, dtype=np.float32)
            if numbers.shape != (len(places),):
                raise AtlasError(f"{numbers.shape} values for {len(places)} points", where=f"map layer {self.name}")
            known = numbers[np.isfinite(numbers)]
            low, high = (float(v) for v in np.percentile(known, [2, 98])) if len(known) else (0.0, 1.0)
            marker = {"color": numbers, "cmin": low, "cmax": max(high, low + 1e-6), "colorscale": "Viridis"}
        with self.pane.lock, self.pane.figure.batch_update():
            trace = self.pane.figure.data[self.trace]
            trace.x, trace.y = places[:, 0], places[:, 1]
            trace.marker.update(marker)
            trace.name = words or self.label
            self.xy = places

    def clear(self) -> None:
        """Show nothing of it."""
        self.show(np.zeros((0, 2)))


def inside(xy: np.ndarray, polygon: Any) -> np.ndarray:
    """int [k]: which of the points [n, 2] lie inside a polygon (two lists, x and y; even-odd rule)."""
    corners = np.asarray(polygon, dtype=float)
    if corners.ndim != 2 or corners.shape[0] != 2 or corners.shape[1] < 3 or not np.isfinite(corners).all():
        raise AtlasError("a lasso of fewer than three corners", where="map", remedy="draw around points")
    low, high = corners.min(axis=1), corners.max(axis=1)
    rough = np.flatnonzero(((xy >= low) & (xy <= high)).all(axis=1))
    x, y = xy[rough, 0].astype(float), xy[rough, 1].astype(float)
    odd = np.zeros(len(rough), dtype=bool)
    (px, py), (qx, qy) = corners, np.roll(corners, -1, axis=1)
    for k in range(corners.shape[1]):
        if py[k] != qy[k]:
            crosses = (py[k] > y) != (qy[k] > y)
            odd ^= crosses & (x < (qx[k] - px[k]) * (y - py[k]) / (qy[k] - py[k]) + px[k])
    return rough[odd]


__all__ = ["MOST_POINTS", "MapLayer", "inside"]
