"""The read-outs panel: what the session measures, as rows of text stamped with the edit they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motifdesk.session import State
    from motifdesk.session.readouts import Readouts


def describe_readouts(found: Readouts, state: State, earlier: dict[str, Any] | None = None) -> dict[str, Any]:
    """The panel of these read-outs of `state`.

    Rows of slower tiers that were not computed this time are kept from `earlier` and marked stale: a number that
    disappears while the pointer moves would make the panel jump.
    """
    rows = []
    for row in found.rows:
        text = f"{row.value} {row.unit}".strip()
        rows.append(
            {
                "key": row.key,
                "label": row.label,
                "value": text,
                "tier": row.tier,
                "level": "warn" if row.warn else "",
                "stale": False,
            }
        )
    keys = {row["key"] for row in rows}
    rank = {"move": 0, "release": 1, "idle": 2}
    for old in (earlier or {}).get("rows", []):
        if old["key"] not in keys and rank[old["tier"]] > rank[found.tier]:
            rows.append({**old, "stale": True})
    label = "preview" if found.preview else f"step {found.node}"
    return {
        "rows": rows,
        "stamp": f"{label}: {state.label}",
        "verdict": str(found.verdict),
        "level": "good" if found.verdict.sane else "warn",
        "node": found.node,
        "version": found.version,
    }
