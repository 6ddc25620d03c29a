"""Plots of a campaign's report: scatter plots as SVG, drawn here, with round numbers on their axes."""

from __future__ import annotations

from html import escape

import numpy as np

from .exporting import UNIQUE
from .store import Store

# Okabe and Ito's palette: told apart by colour-blind readers too; the last ones change with the theme
_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "currentColor", "#999999")
_MOST_POINTS = 20_000  # in one plot: more are thinned evenly, and the caption says so
_BACKGROUND = 4_000  # known crystals behind the map
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 460, 340, 54, 44, 12, 12


def plots(store: Store) -> str:
    """The map, energies above the hull against density, energies against volume: those that have points; ""."""
    made = [
        _map(store),
        _of_columns(store, "density", "above_hull", "density, g/cm³", "above the hull, eV/atom"),
        _of_columns(store, "volume_per_atom", "energy_per_atom", "volume, Å³/atom", "energy, eV/atom"),
    ]
    if not any(made):
        return ""
    t = store.table(["generator"], f"{UNIQUE} GROUP BY generator")["generator"].tolist()
    colours = _colours(t)
    keys = "".join(
        f'<li><svg width="10" height="10" aria-hidden="true"><circle cx="5" cy="5" r="4.5" fill="{colours[n]}"/></svg> '
        f"{escape(n)}</li>"
        for n in t
    )
    return f'<h2>Map and properties</h2><ul class="keys">{keys}</ul><div class="plots">{"".join(made)}</div>'


def _colours(names: list[str]) -> dict[str, str]:
    return {n: _PALETTE[k % len(_PALETTE)] for k, n in enumerate(sorted(names))}


def _map(store: Store) -> str:
    t = store.table(["x", "y", "generator"], f"{UNIQUE} AND x IS NOT NULL AND y IS NOT NULL")
    if not len(t["x"]):
        return ""
    from motifdesk.structures.corpora import corpus

    from .placing import the_atlas

    atlas = the_atlas()
    crystals = [n for n in set(atlas.columns["source"].tolist()) if n == "examples" or corpus(n).is_crystal]
    known = np.asarray(atlas.xy)[np.isin(atlas.columns["source"], crystals)]
    known = known[:: max(1, len(known) // _BACKGROUND)]
    return _scatter(t["x"], t["y"], t["generator"], "", "", "on the map of codes; grey: known crystals", store, known)


def _of_columns(store: Store, a: str, b: str, label_a: str, label_b: str) -> str:
    t = store.table([a, b, "generator"], f"{UNIQUE} AND {a} IS NOT NULL AND {b} IS NOT NULL")
    return _scatter(t[a], t[b], t["generator"], label_a, label_b, f"{label_b.split(',')[0]} by {label_a}", store)


def _scatter(
    x: np.ndarray,
    y: np.ndarray,
    kinds: np.ndarray,
    label_x: str,
    label_y: str,
    caption: str,
    store: Store,
    behind: np.ndarray | None = None,
) -> str:
    """An SVG scatter plot, coloured by kind; "" without points. `behind`: [K, 2] grey points, and then no axes."""
    if not len(x):
        return ""
    names = store.table(["generator"], f"{UNIQUE} GROUP BY generator")["generator"].tolist()
    colours = _colours(names)
    step = max(1, int(np.ceil(len(x) / _MOST_POINTS)))
    said = caption if step == 1 else f"{caption}; every {step}th point"
    both = [np.append(x, [] if behind is None else behind[:, 0]), np.append(y, [] if behind is None else behind[:, 1])]
    ticks = [_ticks(float(v.min()), float(v.max())) for v in both]
    low = np.array([min(t[0], float(v.min())) for t, v in zip(ticks, both, strict=True)])
    high = np.array([max(t[-1], float(v.max())) for t, v in zip(ticks, both, strict=True)])
    span = high - low
    left, bottom = (_RIGHT, _RIGHT) if behind is not None else (_LEFT, _BOTTOM)
    wide, tall = _WIDTH - left - _RIGHT, _HEIGHT - bottom - _TOP

    def at(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return left + (u - low[0]) / span[0] * wide, _TOP + (1.0 - (v - low[1]) / span[1]) * tall

    parts = []
    if behind is None:
        parts.append(_axes(ticks, low, span, label_x, label_y))
    else:
        parts.append(_dots(*at(behind[:, 0], behind[:, 1]), "#8a94a3", 1.6, 0.25))
    size = float(np.clip(26.0 / max(1.0, len(x)) ** 0.25, 3.0, 9.0))
    for n in names:
        mine = np.flatnonzero(kinds == n)[::step]
        if len(mine):
            parts.append(_dots(*at(x[mine], y[mine]), colours[n], size, 0.75))
    label = escape(f"{said}: {len(x):,} points")
    picture = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return f"<figure>{picture}<figcaption>{escape(said)}</figcaption></figure>"


def _dots(px: np.ndarray, py: np.ndarray, colour: str, size: float, opacity: float) -> str:
    path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(px.tolist(), py.tolist(), strict=True))
    style = f'stroke="{colour}" stroke-width="{size:.1f}" stroke-linecap="round" opacity="{opacity}"'
    return f'<path d="{path}" fill="none" {style}/>'


def _axes(ticks: list[np.ndarray], low: np.ndarray, span: np.ndarray, label_x: str, label_y: str) -> str:
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    base, lines, words = _HEIGHT - _BOTTOM, [], []
    for value, text in zip(ticks[0], _texts(ticks[0]), strict=True):
        px = _LEFT + (value - low[0]) / span[0] * wide
        lines.append(f"M{px:.1f} {_TOP}V{base}")
        words.append(f'<text x="{px:.1f}" y="{base + 16}" text-anchor="middle">{text}</text>')
    for value, text in zip(ticks[1], _texts(ticks[1]), strict=True):
        py = _TOP + (1.0 - (value - low[1]) / span[1]) * tall
        lines.append(f"M{_LEFT} {py:.1f}H{_WIDTH - _RIGHT}")
        words.append(f'<text x="{_LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{text}</text>')
    middle = _TOP + tall / 2
    return (
        f'<path d="{"".join(lines)}" fill="none" class="grid"/>{"".join(words)}'
        f'<text x="{_LEFT + wide / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(label_x)}</text>'
        f'<text transform="translate(12 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(label_y)}</text>'
    )


def _ticks(low: float, high: float) -> np.ndarray:
    """Three to seven round numbers around a range."""
    if high - low < 1e-9 * max(1.0, abs(low)):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(s for s in (1.0, 2.0, 2.5, 5.0, 10.0) if s * power >= rough * 0.999)
    return step * np.arange(np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9) + 1)


def _texts(values: np.ndarray) -> list[str]:
    """Numbers with as many decimals as their steps need, with a proper minus."""
    step = float(values[1] - values[0])
    digits = next(d for d in range(12) if abs(round(step, d) - step) < 1e-6 * step)
    return [f"{v + 0.0 if abs(v) > step / 2 else 0.0:.{digits}f}".replace("-", "−") for v in values.tolist()]
