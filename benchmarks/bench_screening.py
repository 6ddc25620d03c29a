"""Candidates through the checks: seconds for 10,000 on two processes, and where they go.

``--limit`` (default 400) substitutions of known crystals pass every check of a plan, in two child processes as a user
runs them; duplicates are marked among them. Time grows with the count (checks) and a little faster (duplicates within
one formula), so `minutes_10000` is an extrapolation of the first and says so.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from typing import Any


def run(args: Any) -> dict[str, Any]:
    """Throughput of a campaign of checks alone."""
    from motifdesk.screening import Campaign, Plan

    limit = args.limit or 400
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan.make(
            {
                "campaign": {"map": False, "seed": args.seed, "batch": 16},
                "generate": [{"kind": "substitution", "name": "sub", "count": limit}],
            },
            folder,
        )
        campaign = Campaign(plan)
        first = [0.0]

        def watch(p: Any) -> None:
            if p.stage == "candidates" and not first[0]:
                first[0] = time.perf_counter()

        began = time.perf_counter()
        outcome = campaign.run(workers=2, progress=watch)
        wall = time.perf_counter() - began
        work = float(campaign.store.table(["seconds"])["seconds"].sum())
        reasons = Counter(c.reason.split(":")[0] for c in campaign.store if c.reason)
        campaign.close()  # folds the write-ahead log into the file
        size = campaign.plan.store.stat().st_size
    start = first[0] - began
    return {
        "summary": {
            "candidates": limit,
            "passed": outcome.counts.get("passed", 0),
            "duplicates": outcome.duplicates,
            "check_ms_each": 1e3 * work / limit,
            "start_s": start,
            "wall_s": wall,
            "minutes_10000": (start + (wall - start) * 10_000 / limit) / 60.0,
            "store_kb_each": size / limit / 1e3,
        },
        "rejected_by": dict(reasons.most_common()),
    }
