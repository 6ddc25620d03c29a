"""The report of a campaign: one HTML file that needs nothing else, no network and no script."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays
from motifdesk.structures.arrays import element_symbols

from .candidate import Candidate
from .errors import ScreeningError
from .exporting import row, shortlist
from .plots import plots
from .stability.keeping import lines_of, stability_of
from .store import Store

_STYLE = """
:root{color-scheme:light dark;--text:#1c2430;--soft:#5c6878;--line:#dde3ea;--head:#f4f6f9;--page:#fff}
@media (prefers-color-scheme:dark){:root{--text:#e4e8ee;--soft:#a3aebc;--line:#39424e;--head:#252c35;--page:#181c22}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--text);background:var(--page);max-width:1180px;margin:2em auto;
padding:0 1em}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:1.2em}
.plots svg{width:100%;height:auto}.grid{stroke:var(--line)}
.keys{display:flex;flex-wrap:wrap;gap:.3em 1.4em;list-style:none;padding:0;font-size:13px}
table{border-collapse:collapse;width:100%;font-size:13px}th,td{padding:.35em .6em;text-align:left;
border-bottom:1px solid var(--line);vertical-align:middle}th{background:var(--head);position:sticky;top:0}
.short{width:auto;min-width:55%}
th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}td.n .muted{white-space:normal}
.muted{color:var(--soft)}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
figure{margin:0;max-width:600px}figcaption{font-size:13px;color:var(--soft);text-align:center}.scroll{overflow-x:auto}
sub{font-size:.75em;line-height:0}
.copy{user-select:all;display:block;background:var(--head);padding:.3em .5em;border-radius:4px;cursor:copy}
@media print{th{position:static}details{display:none}}
"""


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
        plots(store),
        f"<h2>The best {len(chosen)}</h2>",
        _energies_said(store),
        _table(chosen, store),
    ]
    body = "\n".join(p for p in parts if p)
    head = f'<meta charset="utf-8"><title>{escape(name)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def write_report(store: Store, path: str | os.PathLike[str], *, best: int = 50) -> Path:
    """Write `html_report` to a file; returns its path. ScreeningError where it cannot be written."""
    target = Path(path)
    text = html_report(store, best=best)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        said = f"the report cannot be written: {error.strerror or error}"
        raise ScreeningError(said, where=target, remedy="name another file") from error
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
    return f'<h2>Generators</h2><table class="short">{head}{"".join(rows)}</table>'


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
    head = '<tr><th>check</th><th class="n">candidates</th><th>for example</th></tr>'
    return f"<h2>Why the others did not pass</h2><table>{head}{rows}</table>"


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


_NUMBERS = ("space group", "g/cm³", "eV/atom", "above hull")


def _table(chosen: Sequence[Candidate], store: Store) -> str:
    stable = stability_of(store)
    file = store.path.name
    names = [
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
        "made",
    ]
    if not any(c.id in stable for c in chosen):
        names.remove("stability")
    head = "".join(f"<th{' class=n' if n in _NUMBERS else ''}>{n}</th>" for n in names)
    rows = []
    for c in chosen:
        r = row(c)
        arrays = c.arrays if c.relaxed is None else c.relaxed
        assert arrays is not None
        known = "not in the corpora" if r["novel"] else (r["known_as"] or "")
        made = ", ".join(f"{k} {_plainly(v)}" for k, v in c.recipe.items() if k != "kind")
        note = f'<br><span class="muted">{escape(str(r["energy_note"]))}</span>' if r["energy_note"] else ""
        cells = {
            "": f"<td>{thumbnail(arrays)}</td>",
            "formula": f"<td>{_formula(str(r['formula']))}</td>",
            "space group": f'<td class="n">{_number(r["spacegroup"], 0)}</td>',
            "motifs": f"<td>{escape(str(r['motif'] or ''))}</td>",
            "g/cm³": f'<td class="n">{_number(r["density"], 2)}</td>',
            "eV/atom": f'<td class="n">{_number(r["energy_per_atom"], 3)}</td>',
            "above hull": f'<td class="n">{_number(r["above_hull"], 3)}{note}</td>',
            "stability": f"<td>{stability_cell(stable.get(c.id))}</td>",
            "known": f"<td>{escape(str(known))}</td>",
            "from": f"<td>{escape(c.id)}{_snippet(file, c.id)}</td>",
            "made": f'<td class="muted">{escape(made[:160])}</td>',
        }
        rows.append(f"<tr>{''.join(cells[n] for n in names)}</tr>")
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _formula(text: str) -> str:
    """A formula with its numbers below the line; everything else escaped."""
    parts = re.split(r"(?<=[A-Za-z)\]])([0-9.]+)", text)
    return "".join(f"<sub>{escape(p)}</sub>" if k % 2 else escape(p) for k, p in enumerate(parts))


def _plainly(value: Any) -> str:
    """A value of a recipe as people write it: "Co → Ir, Cd → Na" for exchanges, "1 1 1" for a list."""
    if isinstance(value, Mapping):
        arrow = " → " if all(isinstance(v, str) for v in value.values()) else " "
        return ", ".join(f"{k}{arrow}{_plainly(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return " ".join(_plainly(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
    return "" if value is None or not np.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


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
