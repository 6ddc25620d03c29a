"""The report of a campaign: one HTML file that needs nothing else, no network and no script."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays
from motifdesk.structures.arrays import element_symbols

from .candidate import Candidate
from .exporting import UNIQUE, row, shortlist
from .stability.keeping import lines_of, stability_of
from .store import Store

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1c2430;max-width:1100px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}.plots{display:flex;flex-wrap:wrap;gap:1.2em}
table{border-collapse:collapse;width:100%;font-size:13px}th,td{padding:.35em .6em;text-align:left;
border-bottom:1px solid #dde3ea;vertical-align:middle}th{background:#f4f6f9;position:sticky;top:0}
th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}.muted{color:#5c6878}
svg text{font:11px system-ui,sans-serif;
fill:#3b4656}figure{margin:0}figcaption{font-size:13px;color:#5c6878}.scroll{overflow-x:auto}
.copy{user-select:all;display:block;background:#f4f6f9;padding:.3em .5em;border-radius:4px;cursor:copy}
"""
# Okabe and Ito's palette: told apart by colour-blind readers too
_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
_MOST_POINTS = 20_000  # in one plot: more are thinned evenly, and the caption says so


def html_report(store: Store, *, best: int = 50, title: str | None = None) -> str:
    """The report as text: counts, reasons of rejection, the map, energies, and a table of the best with pictures.

    Everything from the store is escaped. Plots are SVG, drawn here; no script.
    """
    plan = store.recall("campaign") or {}
    name = title or str(plan.get("name") or store.path.stem)
    counts = store.counts()
    chosen = shortlist(store, best)
    parts = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{sum(counts.values()):,} candidates: "
        + ", ".join(f"{n:,} {escape(s)}" for s, n in sorted(counts.items()))
        + f"; {_duplicates(store):,} duplicates among those that passed.</p>",
        _by_generator(store),
        _reasons(store),
        _plots(store),
        f"<h2>The best {len(chosen)}</h2>",
        _energies_said(store),
        _table(chosen, store),
    ]
    body = "\n".join(p for p in parts if p)
    head = f'<meta charset="utf-8"><title>{escape(name)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def write_report(store: Store, path: str | os.PathLike[str], *, best: int = 50) -> Path:
    """Write `html_report` to a file; returns its path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(html_report(store, best=best), encoding="utf-8")
    return target


def _duplicates(store: Store) -> int:
    return int(store._one("SELECT count(*) FROM candidates WHERE duplicate_of IS NOT NULL"))


def _by_generator(store: Store) -> str:
    t = store.table(["generator", "status", "seconds"])
    if not len(t["generator"]):
        return "<p>The store is empty.</p>"
    rows = []
    for name in sorted(set(t["generator"].tolist())):
        mine = t["generator"] == name
        each = [int((mine & (t["status"] == s)).sum()) for s in ("passed", "rejected", "error")]
        cells = "".join(f'<td class="n">{n:,}</td>' for n in each)
        spent = t["seconds"][mine]
        mean = _number(spent[np.isfinite(spent)].mean() if np.isfinite(spent).any() else None, 2)
        rows.append(f'<tr><td>{escape(name)}</td>{cells}<td class="n">{mean}</td></tr>')
    numbers = "".join(f'<th class="n">{n}</th>' for n in ("passed", "rejected", "error", "seconds each"))
    head = f"<tr><th>generator</th>{numbers}</tr>"
    return f"<h2>Generators</h2><table>{head}{''.join(rows)}</table>"


def _reasons(store: Store) -> str:
    reasons = store.table(["reason"], "status != 'passed'")["reason"].tolist()
    if not reasons:
        return ""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(reason.split(":")[0], []).append(reason)
    rows = "".join(
        f'<tr><td>{escape(k)}</td><td class="n">{len(v):,}</td><td class="muted">{escape(v[0])}</td></tr>'
        for k, v in sorted(kinds.items(), key=lambda item: -len(item[1]))[:20]
    )
    return (
        f"<h2>Why the others did not pass</h2><table><tr><th>check</th><th></th><th>for example</th></tr>{rows}</table>"
    )


def _energies_said(store: Store) -> str:
    energy = store.recall("energy") or {}
    if not energy.get("calculator"):
        return '<p class="muted">No energies were computed; in the order of their names.</p>'
    how = f"relaxed to {energy['fmax']} eV/Å" if energy.get("relax") else "as proposed"
    return (
        f'<p class="muted">Energies by {escape(str(energy["calculator"]))}, {how}. Above the hull: '
        "against the phases of the bundled corpora and textbook elements, with energies of the same calculator; these "
        "are a part of the known phases, so what looks stable here need not be.</p>"
    )


def _plots(store: Store) -> str:
    made = [
        _map(store),
        _plot(store, "density", "above_hull", "density, g/cm³", "above the hull, eV/atom"),
        _plot(store, "volume_per_atom", "energy_per_atom", "volume, Å³/atom", "energy, eV/atom"),
    ]
    return f'<h2>Map and properties</h2><div class="plots">{"".join(made)}</div>' if any(made) else ""


def _map(store: Store) -> str:
    t = store.table(["x", "y", "generator"], f"{UNIQUE} AND x IS NOT NULL")
    return _scatter(t["x"], t["y"], t["generator"], "", "", "the map of codes", axes=False)


def _plot(store: Store, a: str, b: str, label_a: str, label_b: str) -> str:
    t = store.table([a, b, "generator"], f"{UNIQUE} AND {a} IS NOT NULL AND {b} IS NOT NULL")
    return _scatter(t[a], t[b], t["generator"], label_a, label_b, "")


def _scatter(
    x: np.ndarray, y: np.ndarray, kinds: np.ndarray, label_x: str, label_y: str, caption: str, axes: bool = True
) -> str:
    """An SVG scatter plot, coloured by kind; "" without points."""
    if not len(x):
        return ""
    names = sorted(set(kinds.tolist()))
    colour = {n: _PALETTE[k % len(_PALETTE)] for k, n in enumerate(names)}
    step = max(1, int(np.ceil(len(x) / _MOST_POINTS)))
    said = caption if step == 1 else f"{caption} every {step}th point".strip()
    width, height, margin = 500, 380, 48
    low = np.array([x.min(), y.min()])
    span = np.maximum(np.array([x.max(), y.max()]) - low, 1e-9)
    px = margin + (x - low[0]) / span[0] * (width - margin - 12)
    py = height - margin - (y - low[1]) / span[1] * (height - margin - 30)
    dots = []
    for n in names:
        mine = np.flatnonzero(kinds == n)[::step]
        path = "".join(f"M{px[k]:.1f} {py[k]:.1f}h0" for k in mine)
        dots.append(f'<path d="{path}" stroke="{colour[n]}" stroke-width="4" stroke-linecap="round" opacity="0.65"/>')
    keys = "".join(
        f'<circle cx="{margin + 8}" cy="{14 + 14 * k}" r="4" fill="{colour[n]}"/>'
        f'<text x="{margin + 16}" y="{18 + 14 * k}">{escape(n)}</text>'
        for k, n in enumerate(names[:8])
    )
    frame = ""
    if axes:
        frame = (
            f'<path d="M{margin} 24V{height - margin}H{width - 8}" fill="none" stroke="#8a94a3"/>'
            f'<text x="{margin}" y="{height - margin + 16}">{low[0]:.3g}</text>'
            f'<text x="{width - 10}" y="{height - margin + 16}" text-anchor="end">{low[0] + span[0]:.3g}</text>'
            f'<text x="{margin - 4}" y="{height - margin}" text-anchor="end">{low[1]:.3g}</text>'
            f'<text x="{margin - 4}" y="34" text-anchor="end">{low[1] + span[1]:.3g}</text>'
            f'<text x="{(width + margin) / 2}" y="{height - 10}" text-anchor="middle">{escape(label_x)}</text>'
            f'<text transform="translate(14 {height / 2}) rotate(-90)" text-anchor="middle">{escape(label_y)}</text>'
        )
    picture = f'<svg width="{width}" height="{height}" role="img">{frame}{"".join(dots)}{keys}</svg>'
    return f"<figure>{picture}<figcaption>{escape(said)}</figcaption></figure>"


def _table(chosen: Sequence[Candidate], store: Store) -> str:
    stable = stability_of(store)
    file = store.path.name
    head = "".join(
        f"<th>{h}</th>"
        for h in (
            "",
            "formula",
            "space group",
            "motifs",
            "g/cm³",
            "eV/atom",
            "above hull",
            "stability",
            "known",
            "from",
            "recipe",
        )
    )
    rows = []
    for c in chosen:
        r = row(c)
        arrays = c.arrays if c.relaxed is None else c.relaxed
        assert arrays is not None
        known = "new" if r["novel"] else (r["known_as"] or "")
        recipe = ", ".join(f"{k} {v}" for k, v in c.recipe.items() if k != "kind")
        note = f'<br><span class="muted">{escape(str(r["energy_note"]))}</span>' if r["energy_note"] else ""
        cells = [
            f"<td>{thumbnail(arrays)}</td>",
            f"<td>{escape(str(r['formula']))}</td>",
            f'<td class="n">{_number(r["spacegroup"], 0)}</td>',
            f"<td>{escape(str(r['motif'] or ''))}</td>",
            f'<td class="n">{_number(r["density"], 2)}</td>',
            f'<td class="n">{_number(r["energy_per_atom"], 3)}</td>',
            f'<td class="n">{_number(r["above_hull"], 3)}{note}</td>',
            f"<td>{stability_cell(stable.get(c.id))}</td>",
            f"<td>{escape(str(known))}</td>",
            f"<td>{escape(c.id)}{_snippet(file, c.id)}</td>",
            f'<td class="muted">{escape(recipe[:160])}</td>',
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def stability_cell(found: Mapping[str, Any] | None) -> str:
    """What phonons and elastic constants said, as HTML; "" where nobody looked."""
    if not found:
        return ""
    return "<br>".join(escape(line) for line in lines_of(found))


def _snippet(file: str, name: str) -> str:
    """The line that puts a candidate on a desk, to be copied: a page of its own cannot reach a kernel."""
    code = f"md.Desk(Store({file!r}, read_only=True).open({name!r}))"
    how = "click to select; in a notebook after: import motifdesk as md; from motifdesk.screening import Store"
    shown = f'<code class="copy" title="{how}">{escape(code)}</code>'
    return f"<details><summary>to the desk</summary>{shown}</details>"


def _number(value: Any, digits: int) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def thumbnail(arrays: AtomArrays, size: int = 84) -> str:
    """A structure as a small SVG: atoms as discs, far ones first, seen along a tilted axis; the cell's outline."""
    from motifdesk.codec.radii import COVALENT_RADII

    a, b = np.radians(-70.0), np.radians(20.0)
    turn = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    view = (tilt @ turn).T
    cell = np.zeros((3, 3)) if arrays.cell is None else arrays.cell
    wrapped = arrays.positions if arrays.cell is None else (arrays.fractional % 1.0) @ cell
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    points, box = wrapped @ view, (corners @ cell) @ view
    both = np.concatenate([points, box])[:, :2]
    low, span = both.min(0), max(float(np.ptp(both, axis=0).max()), 1.0)
    scale = (size - 16) / span

    def flat(p: np.ndarray) -> tuple[float, float]:
        return 8 + (p[0] - low[0]) * scale, size - 8 - (p[1] - low[1]) * scale

    lines = []
    for i in range(8):
        for j in range(i + 1, 8):
            if np.abs(corners[i] - corners[j]).sum() == 1:
                (x0, y0), (x1, y1) = flat(box[i]), flat(box[j])
                lines.append(f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}")
    discs = []
    for k in np.argsort(points[:, 2]).tolist():
        z = int(arrays.numbers[k])
        x, y = flat(points[k])
        r = max(1.5, 0.45 * COVALENT_RADII[min(z, len(COVALENT_RADII) - 1)] * scale)
        discs.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{_colour(z)}" stroke="#33404f" stroke-width="0.5"/>'
        )
    label = escape(arrays.formula)
    return (
        f'<svg width="{size}" height="{size}" role="img" aria-label="{label}"><path d="{"".join(lines)}" '
        f'stroke="#b9c2cd" fill="none"/>{"".join(discs)}</svg>'
    )


def _colour(z: int) -> str:
    """Jmol's colour of an element, as ASE tabulates them."""
    from ase.data.colors import jmol_colors

    r, g, b = (int(255 * v) for v in jmol_colors[min(z, len(element_symbols()) - 1, len(jmol_colors) - 1)])
    return f"#{r:02x}{g:02x}{b:02x}"
