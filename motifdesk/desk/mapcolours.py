"""What the points of the map can be coloured by: source, motifs, anion, the share of an element, a property."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Columns that are coloured by value, with the words a designer reads
VALUES = {
    "formation_energy": "formation energy (eV/atom)",
    "energy_above_hull": "energy above the hull (eV/atom)",
    "band_gap": "band gap (eV)",
    "natoms": "atoms in the cell",
    "spacegroup": "space group number",
}
SOURCES = {
    "mp_20": "MP-20",
    "mpts_52": "MPTS-52",
    "perov_5": "Perov-5",
    "carbon_24": "Carbon-24",
    "qm9": "QM9 molecules",
    "kitaev": "iridates",
}
# Distinct on light and dark pages and to the commoner colour-blindnesses (Okabe-Ito, softened)
COLOURS = ["#5B8DB8", "#E2A13C", "#5FA777", "#C56A9C", "#8C7CC3", "#C8694B", "#7FB8C9", "#9A9A9A"]
_CLASSES = len(COLOURS) - 1  # named classes; the rest is grey
_SHARE = "share:"


@dataclass(frozen=True)
class Colouring:
    """How a trace is coloured: plotly's marker, and legend entries [words, CSS colour, search word or ""]."""

    marker: dict[str, Any]
    legend: list[list[str]]


def options(atlas: Any, elements: Sequence[str] = ()) -> list[list[str]]:
    """[value, words] of the colourings this map allows; ``elements``: symbols whose share is offered (the design's)."""
    found = [["source", "source"]]
    if _shapes(atlas) is not None:
        found.append(["motif", "motif"])
    if column(atlas, "formula") is not None:
        found.append(["anion", "anion"])
    for name, words in VALUES.items():
        values = column(atlas, name)
        if values is not None and np.isfinite(values.astype(float)).any():
            found.append([name, words])
    if column(atlas, "formula") is not None:
        found += [[_SHARE + symbol, f"share of {symbol}"] for symbol in elements]
    return found


def colouring(atlas: Any, name: str) -> Colouring:
    """The colouring `name`, one of :func:`options` (any element for "share:X"); KeyError if it is none."""
    if name == "source":
        sources = np.asarray(column(atlas, "source")).astype(str)
        kinds, index, counts = np.unique(sources, return_inverse=True, return_counts=True)
        first = np.array([np.flatnonzero(index == k)[0] for k in range(len(kinds))])
        order = np.argsort(first)
        return _classes(np.argsort(order)[index], [SOURCES.get(s, s) for s in kinds[order]], list(kinds[order]))
    if name == "motif":
        shapes = _shapes(atlas)
        if shapes is None:
            raise KeyError(name)
        words = [f"motif={n.replace(' ', '_')}" if k else "" for k, n in enumerate(shapes.names)]
        return _ranked(shapes.main, list(shapes.names), words, rest=(0,))
    if name == "anion":
        from motifdesk.atlas.searching import anions
        from motifdesk.structures.arrays import element_symbols

        symbols = element_symbols()
        names = [symbols[z] if z else "none" for z in range(119)]
        return _ranked(anions(atlas), names, [f"anion={n}" if k else "" for k, n in enumerate(names)], rest=(0,))
    if name.startswith(_SHARE):
        from motifdesk.atlas.searching import compositions
        from motifdesk.structures.arrays import element_symbols

        z = element_symbols().index(name[len(_SHARE) :])
        counts = compositions(atlas)
        share = counts[:, z] / np.maximum(counts.sum(axis=1), 1)
        return _values(share.astype(np.float32), 0.0, max(float(np.percentile(share, 99)), 0.25))
    if name not in VALUES:
        raise KeyError(name)
    values = np.asarray(column(atlas, name), dtype=np.float32)
    low, high = (float(v) for v in np.nanpercentile(values, [2, 98]))
    return _values(values, low, high)


def column(atlas: Any, name: str) -> Any:
    """A column of the map as an array, or None."""
    columns = getattr(atlas, "columns", None)
    if columns is not None and name in columns:
        return np.asarray(columns[name])
    value = getattr(atlas, name, None)
    return None if value is None or callable(value) else np.asarray(value)


def _shapes(atlas: Any) -> Any:
    if column(atlas, "id") is None or column(atlas, "source") is None:
        return None
    from motifdesk.atlas.shapes import shapes_of

    try:
        return shapes_of(atlas)
    except TypeError:  # a stand-in that cannot be referred to weakly
        return None


def _ranked(index: np.ndarray, names: list[str], words: list[str], rest: tuple[int, ...] = ()) -> Colouring:
    """The commonest classes in colours, the others (and ``rest``) grey."""
    counts = np.bincount(index, minlength=len(names))
    counts[list(rest)] = 0
    chosen = [int(k) for k in np.argsort(-counts, kind="stable")[:_CLASSES] if counts[k]]
    place = np.full(len(names), len(chosen), dtype=np.uint8)
    place[chosen] = np.arange(len(chosen))
    return _classes(place[index], [*(names[k] for k in chosen), "others"], [*(words[k] for k in chosen), ""], last=True)


def _classes(index: np.ndarray, names: list[str], words: list[str], last: bool = False) -> Colouring:
    colours = [COLOURS[k % len(COLOURS)] for k in range(len(names))]
    if last:
        colours[-1] = COLOURS[-1]
    marker = {
        "color": index.astype(np.uint8),
        "cmin": 0,
        "cmax": max(len(names) - 1, 1),
        "colorscale": _steps(colours),
        "showscale": False,
    }
    return Colouring(marker, [list(entry) for entry in zip(names, colours, words, strict=True)])


def _values(values: np.ndarray, low: float, high: float) -> Colouring:
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
    marker = {
        "color": values,
        "cmin": low,
        "cmax": max(high, low + 1e-6),
        "colorscale": "Viridis",
        "showscale": True,
        "colorbar": bar,
    }
    return Colouring(marker, [])


def _steps(colours: list[str]) -> list[list[Any]]:
    """A colour scale of flat steps at 0, 1/(n-1), ..., 1."""
    count = len(colours)
    if count < 2:
        return [[0.0, colours[0]], [1.0, colours[0]]]
    scale: list[list[Any]] = []
    for k, colour in enumerate(colours):
        scale += [[max(0.0, (k - 0.5) / (count - 1)), colour], [min(1.0, (k + 0.5) / (count - 1)), colour]]
    return scale


__all__ = ["COLOURS", "SOURCES", "Colouring", "colouring", "column", "options"]
