"""Does the density deliver a motif that was asked for? Hit rates with and without guidance, per motif.

``--limit`` (default 8) candidates a motif and way: "plain", without guidance; "guided", one draw around the holders;
"verified", up to three such draws until the decoded structure holds the motif (the default). The same seeds and
compositions each way; a hit is a candidate that passes the check ``wish_motif``. Nothing is relaxed: the figure is that
of the generator.
"""

from __future__ import annotations

import time
from typing import Any

WAYS = ("plain", "guided", "verified")
CASES = (
    ("Ti2O4", "TiO6", "edge"),
    ("Si2O4", "SiO4", "corner"),
    ("MgCl2", "MgCl6", "edge"),
    ("Zn2S2", "ZnS4", "corner"),
    ("LiCoO2", "CoO6", "edge"),
    ("SrTiO3", "TiO6", "corner"),
)


def run(args: Any) -> dict[str, Any]:
    """Hit rates."""
    from motifdesk.screening import make_generator
    from motifdesk.screening.generators.motif_guidance import MotifGuide

    count = args.limit or 8
    rows, began = [], time.perf_counter()
    for formula, motif, sharing in CASES:
        wish = {"formula": motif, "sharing": sharing}
        guide = MotifGuide(wish, "bench")
        row: dict[str, Any] = {"formula": formula, "motif": f"{motif} {sharing}", "n": count}
        ways = {"plain": {}, "guided": {"motif": wish, "motif_tries": 1}, "verified": {"motif": wish}}
        for way, extra in ways.items():
            if way not in (getattr(args, "ways", None) or WAYS):
                continue
            clock = time.perf_counter()
            table = {"kind": "density", "name": way, "count": count, "formula": formula, **extra}
            made = [make_generator(table, args.seed).make(k) for k in range(count)]
            row[way] = sum(c.arrays is not None and guide.holds(c.arrays)[0] for c in made)
            row[f"{way}_s"] = (time.perf_counter() - clock) / count
        rows.append(row)
        print(row, flush=True)
    total = count * len(rows)
    summary = {
        "motifs": len(rows),
        "candidates_each_way": total,
        **{f"hit_rate_{w}": sum(r[w] for r in rows) / total for w in WAYS if all(w in r for r in rows)},
        "seconds": time.perf_counter() - began,
    }
    return {"summary": summary, "motifs": rows}
