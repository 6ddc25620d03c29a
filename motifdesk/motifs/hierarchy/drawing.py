"""What the picture of a motif graph is made of: layout, glyphs, colours, text."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from functools import cache

import numpy as np

#: Colours of the two themes: page, ink, dim text, faint lines, halo behind text.
THEMES: dict[str, dict[str, str]] = {
    "light": {"page": "#ffffff", "ink": "#23272e", "dim": "#6b7280", "line": "#dfe3e8", "halo": "#ffffff"},
    "dark": {"page": "#15181d", "ink": "#e8eaed", "dim": "#9aa3af", "line": "#343a43", "halo": "#15181d"},
}
#: Strokes of the kinds of sharing, light and dark: corner, edge, face, bond. Told apart by form as well as by colour.
STROKES: dict[str, tuple[str, str]] = {
    "corner": ("#3b82c4", "#6fb1ea"),
    "edge": ("#c8641b", "#f0a05c"),
    "face": ("#8c3fb0", "#c78be6"),
    "bond": ("#7a828c", "#8d96a1"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


@cache
def element_colour(number: int, dark: bool) -> str:
    """Jmol's colour of an element, calmed: pulled towards grey, and away from the page it is drawn on."""
    from ase.data.colors import jmol_colors

    rgb = np.asarray(jmol_colors[min(number, len(jmol_colors) - 1)], dtype=float)
    rgb = 0.78 * rgb + 0.22 * (0.62 if dark else 0.5)
    luminance = float(rgb @ [0.299, 0.587, 0.114])
    if not dark and luminance > 0.8:
        rgb = rgb * 0.8 / luminance
    if dark and luminance < 0.35:
        rgb = rgb + (0.35 - luminance)
    red, green, blue = (int(round(255 * min(max(float(c), 0.0), 1.0))) for c in rgb)
    return f"#{red:02x}{green:02x}{blue:02x}"


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on `colour`."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return "#1b1f24" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "#ffffff"


_SUBSCRIPTS = str.maketrans("0123456789", "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089")


def subscripts(formula: str) -> str:
    """Digits as subscripts: IrO6 to the eye. Words stay as they are."""
    return formula if " " in formula else formula.translate(_SUBSCRIPTS)


def text(
    x: float, y: float, words: str, colour: str, size: float, *, weight: int = 400, anchor: str = "middle",
    halo: str | None = None,
) -> str:  # fmt: skip
    """An SVG text element; `words` is escaped here and nowhere else."""
    behind = f' stroke="{halo}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size:g}" font-weight="{weight}" '
        f'text-anchor="{anchor}"{behind}>{html.escape(words)}</text>'
    )


def glyph(x: float, y: float, r: float, coordination: int, colour: str, rim: str) -> str:
    """A disc for up to two ligands, else the polygon one sees of the figure from outside."""
    corners = {3: 3, 4: 4, 5: 5, 6: 6, 8: 8, 12: 12}.get(coordination, 0 if coordination < 3 else 10)
    style = f'fill="{colour}" stroke="{rim}" stroke-width="1.5" stroke-linejoin="round"'
    if not corners:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{0.88 * r:.1f}" {style}/>'
    turn = -math.pi / 2 + (math.pi / corners if corners in (4, 8, 12) else 0.0)
    r *= {3: 1.28, 4: 1.12, 5: 1.06, 6: 1.04}.get(corners, 1.0)
    y += 0.12 * r if corners == 3 else 0.0
    angles = [turn + 2 * math.pi * n / corners for n in range(corners)]
    points = " ".join(f"{x + r * math.cos(t):.1f},{y + r * math.sin(t):.1f}" for t in angles)
    return f'<polygon points="{points}" {style}/>'


def layout(n: int, weights: Mapping[tuple[int, int], float], aspect: float) -> np.ndarray:
    """float64 [n, 2], places in the square [0, 1]^2 (then stretched by `aspect`): the same for the same graph.

    Stress majorisation (E. Gansner, Y. Koren and S. North, Graph Drawing 2004) of graph distances from a circle, then a
    few rounds that push overlapping nodes apart. Parts that are not connected are set side by side.
    """
    if n == 1:
        return np.array([[0.5, 0.5]])
    distance = np.full((n, n), np.inf)
    np.fill_diagonal(distance, 0.0)
    for a, b in weights:
        if a != b:
            distance[a, b] = distance[b, a] = 1.0
    for k in range(n):
        distance = np.minimum(distance, distance[:, k, None] + distance[None, k])
    far = distance[np.isfinite(distance)].max(initial=1.0)
    distance[~np.isfinite(distance)] = far + 1.0
    angle = 2 * np.pi * np.arange(n) / n - np.pi / 2
    x = 0.5 * max(1.0, n / 6) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x += 1e-3 * np.random.default_rng(7).standard_normal((n, 2))
    d = distance.copy()
    np.fill_diagonal(d, 1.0)
    w = d**-2.0
    np.fill_diagonal(w, 0.0)
    inverse = np.linalg.pinv(np.diag(w.sum(axis=1)) - w)
    for _ in range(120):
        gap = np.linalg.norm(x[:, None] - x[None], axis=2)
        np.fill_diagonal(gap, 1.0)
        ratio = w * distance / np.maximum(gap, 1e-9)
        pull = np.diag(ratio.sum(axis=1)) - ratio
        moved = inverse @ (pull @ x)
        if np.abs(moved - x).max() < 1e-5:
            x = moved
            break
        x = moved
    # the longer axis lies across
    _, _, axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    x = (x - x.mean(axis=0)) @ axes.T
    x *= np.where(x[np.abs(x).argmax(axis=0), np.arange(2)] < 0, -1.0, 1.0)
    return _spread(x, aspect)


def _spread(x: np.ndarray, aspect: float) -> np.ndarray:
    """Fill the square, and keep nodes apart as far as there is room."""
    n = len(x)
    low, high = x.min(axis=0), x.max(axis=0)
    size = high - low
    flat = size < 0.08 * size.max()
    x = np.where(flat, 0.5, (x - low) / np.where(flat, 1.0, size))
    scale = np.array([aspect, 0.72])  # text stands under the nodes: they need more room up and down
    least = 0.74 * math.sqrt(0.72 * aspect / n)
    for _ in range(120):
        delta = (x[:, None] - x[None]) * scale
        gap = np.linalg.norm(delta, axis=2)
        np.fill_diagonal(gap, np.inf)
        close = gap < least
        if not close.any():
            break
        short = np.where(close, least - gap, 0.0) / np.maximum(gap, 1e-6)
        push = delta * short[..., None]
        x = np.clip(x + 0.3 * push.sum(axis=1) / scale, 0.0, 1.0)
    return x
