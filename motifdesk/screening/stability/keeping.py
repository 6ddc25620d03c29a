"""Stability in a store: a table beside the candidates, one row per candidate that was looked at.

Kept apart from the candidates' own rows, so that a store made by an earlier MotifDesk opens, and a candidate that is
put again keeps what was found.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from ..candidate import dumps
from ..store import Store

COLUMNS = {
    "phonon_stable": "INTEGER",
    "lowest_thz": "REAL",
    "interpolated_thz": "REAL",
    "elastic_stable": "INTEGER",
    "lowest_gpa": "REAL",
    "bulk_gpa": "REAL",
    "shear_gpa": "REAL",
    "stability_note": "TEXT",
}
_TABLE = f"""CREATE TABLE IF NOT EXISTS stability (generator TEXT, seed INTEGER, idx INTEGER, kind TEXT,
    {", ".join(f"{k} {v}" for k, v in COLUMNS.items())}, details TEXT,
    PRIMARY KEY (generator, seed, idx)) WITHOUT ROWID"""


def put_stability(store: Store, key: tuple[str, int, int], kind: str, found: Mapping[str, Any]) -> None:
    """Keep what was found of a candidate: the columns, and everything else as JSON in `details`."""
    with store._lock, store._guard():
        store._db.execute(_TABLE)
    names = ", ".join(("generator", "seed", "idx", "kind", *COLUMNS, "details"))
    more = {k: v for k, v in found.items() if k not in COLUMNS}
    row = [*key, kind, *(found.get(k) for k in COLUMNS), dumps(more)]
    store._write(f"INSERT OR REPLACE INTO stability ({names}) VALUES ({', '.join('?' * len(row))})", [row])


def stability_of(store: Store, kind: str | None = None) -> dict[str, dict[str, Any]]:
    """id -> what was found (the columns as in `COLUMNS`, and "details"), of all or of one `kind` of settings."""
    names = ["generator", "seed", "idx", *COLUMNS, "details"]
    where, values = ("", ()) if kind is None else (" WHERE kind = ?", (kind,))
    try:
        rows = store._db.execute(f"SELECT {', '.join(names)} FROM stability{where}", values).fetchall()
    except sqlite3.OperationalError:  # no such table: nothing was looked at
        return {}
    found = {}
    for r in rows:
        d = dict(zip(names, r, strict=True))
        for k in ("phonon_stable", "elastic_stable"):
            d[k] = None if d[k] is None else bool(d[k])
        d["details"] = json.loads(d["details"] or "{}")
        found[f"{d.pop('generator')}/{d.pop('seed')}/{d.pop('idx')}"] = d
    return found


def said_of(store: Store, key: tuple[str, int, int]) -> str:
    """One line of what was found of a candidate; "" where nobody looked."""
    statement = f"SELECT {', '.join(COLUMNS)} FROM stability WHERE generator = ? AND seed = ? AND idx = ?"
    try:
        row = store._db.execute(statement, key).fetchone()
    except sqlite3.OperationalError:
        return ""
    return "" if row is None else "; ".join(lines_of(dict(zip(COLUMNS, row, strict=True))))


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """What phonons and elastic constants said, and the note."""
    said = []
    if found["phonon_stable"] is not None:
        lowest = f"imaginary modes, down to {found['lowest_thz']:.2f} THz"
        said.append("no imaginary modes" if found["phonon_stable"] else lowest)
    if found["elastic_stable"] is not None:
        moduli = f"K {found['bulk_gpa']:.0f}, G {found['shear_gpa']:.0f} GPa"
        said.append(moduli if found["elastic_stable"] else "elastically unstable")
    return said + ([str(found["stability_note"])] if found["stability_note"] else [])
