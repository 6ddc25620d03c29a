"""10,000 candidates through all checks on two processes: minutes, memory, and where the time goes.

``--limit`` (default 10,000) substitutions of known crystals pass every check of a plan, in two child processes as users
run them; duplicates are marked among them. `minutes` is what that took, from nothing to the last duplicate;
`minutes_10000` is the same for 10,000: measured with the default, an extrapolation with a smaller limit (time grows
with the count, duplicates within one formula a little faster).

Memory: the largest resident set so far of the campaign's own process and of its workers together, when a tenth, a half
and all of the candidates were done; and at the end, duplicates marked. `grown_kb_each`: what each candidate of the last
nine tenths added to it.

A store of ``STORED`` rows is then opened as the desk opens it (columns alone, in a process of its own): seconds and
memory. And the prefilter of duplicates is held against the full matcher on pairs of crystals that `StructureMatcher`
calls the same: its recall, and how many of the pairs that are not the same it saves the matcher.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

STORED = 100_000
PAIRS = 600
_OPEN = """
import json, resource, sys, time
from motifdesk.screening.listing import Listing
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
listing = Listing(sys.argv[1])
opened = time.perf_counter() - began
began = time.perf_counter()
found = len(listing.search("passed unique hull<0.1"))
searched = time.perf_counter() - began
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps({"rows": len(listing), "open_s": opened, "search_s": searched, "open_mb": grown, "found": found}))
"""


def large_store(path: Path, rows: int, seed: int) -> None:
    """A store of `rows` candidates: known crystals with figures of the usual kind."""
    import numpy as np

    from motifdesk.screening import Candidate, Energy, Store, Verdict
    from motifdesk.structures import corpus

    known, rng = corpus("mp_20"), np.random.default_rng(seed)
    crystals = [known[int(k)] for k in rng.choice(len(known), 200, replace=False)]
    with Store(path) as store:
        for start in range(0, rows, 5000):
            made = []
            for k in range(start, min(start + 5000, rows)):
                arrays = crystals[k % len(crystals)]
                energy = Energy("none", -5.0 - rng.random(), True, 0.05, 20, float(rng.gamma(1.5, 0.08)), "against it")
                figures = {"spacegroup": 62, "density": 4.0, "x": rng.normal(), "y": rng.normal(), "novel": True}
                verdicts = (Verdict("contacts", k % 3 != 0, "0.4 Angstrom apart"),)
                made.append(Candidate("g", 0, k, {"kind": "g"}, arrays, None, verdicts, energy, figures=figures))
            store.put(made)


def opened(rows: int, seed: int) -> dict[str, float]:
    """Seconds and memory of opening a large store."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.sqlite"
        large_store(path, rows, seed)
        said = subprocess.run([sys.executable, "-c", _OPEN, str(path)], capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


def prefilter(pairs: int, seed: int) -> dict[str, float]:
    """Recall of the prefilter on pairs that the full matcher calls the same, and what it saves on those it does not.

    Pairs: a known crystal of at most ten atoms and itself with every atom displaced and the cell strained, from
    slightly to beyond what the matcher forgives; and (every fourth) a known crystal with the elements of another one of
    the same stoichiometry, as a campaign of substitutions proposes them.
    """
    import numpy as np

    from motifdesk.screening.checks.novelty import amd, matcher, near_enough
    from motifdesk.structures import AtomArrays, corpus, from_arrays

    rng, fit = np.random.default_rng(seed), matcher()
    known = corpus("mp_20")
    small = [int(k) for k in rng.permutation(len(known)) if known.natoms[int(k)] <= 10]
    by_amounts: dict[tuple[int, ...], list[int]] = {}
    for k in small:
        by_amounts.setdefault(amounts(known[k].numbers), []).append(k)
    same = kept = other = spared = 0
    for k in range(pairs):
        a = known[small[k % len(small)]]
        if k % 4 == 3:
            b = known[int(rng.choice(by_amounts[amounts(a.numbers)]))]
            theirs, ours = ranked(b.numbers), ranked(a.numbers)
            numbers = np.array([ours[theirs.index(z)] for z in b.numbers.tolist()])
            b = AtomArrays(numbers, b.positions, b.cell)
        else:
            size = rng.uniform(0.0, 0.25) * (a.volume / len(a)) ** (1 / 3)
            cell = a.cell @ (np.eye(3) + rng.normal(scale=rng.uniform(0, 0.06), size=(3, 3)))
            moved = a.fractional @ cell + rng.normal(scale=size / np.sqrt(3), size=(len(a), 3))
            b = AtomArrays(a.numbers, moved, cell)
        near = near_enough(amd(a), amd(b))
        if fit.fit(from_arrays(a), from_arrays(b)):
            same, kept = same + 1, kept + near
        else:
            other, spared = other + 1, spared + (not near)
    return {"pairs": pairs, "same": same, "recall": kept / max(1, same), "spared": spared / max(1, other)}


def ranked(numbers: Any) -> list[int]:
    """Atomic numbers of a cell, the rarest first."""
    return [z for z, _ in sorted(Counter(numbers.tolist()).items(), key=lambda pair: (pair[1], pair[0]))]


def amounts(numbers: Any) -> tuple[int, ...]:
    """How many atoms of each element, without saying of which."""
    return tuple(sorted(Counter(numbers.tolist()).values()))


def resident_mb() -> float:
    """Peak resident memory of this process and its children so far, summed, MB; NaN where there is no /proc."""
    me = Path("/proc/self")
    try:
        children = [c for t in (me / "task").iterdir() for c in (t / "children").read_text().split()]
        return sum(_peak(Path("/proc") / p) for p in ("self", *children))
    except OSError:
        return float("nan")


def _peak(process: Path) -> float:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def campaign_of_checks(limit: int, seed: int) -> dict[str, Any]:
    """A campaign of checks alone: its figures, by a process of its own (``python -m benchmarks.bench_screening``)."""
    from motifdesk.screening import Campaign, Plan

    with tempfile.TemporaryDirectory() as folder:
        plan = Plan.make(
            {
                "campaign": {"map": False, "seed": seed, "batch": 16},
                "generate": [{"kind": "substitution", "name": "sub", "count": limit}],
            },
            folder,
        )
        began = time.perf_counter()
        campaign = Campaign(plan)
        marks = {max(1, limit * share // 10): 0.0 for share in (1, 5, 10)}
        reached: dict[str, float] = {}

        def watch(p: Any) -> None:
            now = time.perf_counter() - began
            if p.stage == "candidates" and p.done:
                reached.setdefault("first", now)
            if p.stage == "candidates":
                for n in marks:
                    if not marks[n] and p.done >= n:
                        marks[n] = resident_mb()
                reached["checked"] = now

        outcome = campaign.run(workers=2, progress=watch)
        wall = time.perf_counter() - began
        work = float(campaign.store.table(["seconds"])["seconds"].sum())
        reasons = Counter(c.reason.split(":")[0] for c in campaign.store if c.reason)
        campaign.close()  # folds the write-ahead log into the file
        size = campaign.plan.store.stat().st_size
    start, memory = reached["first"], list(marks.values())
    figures = {
        "candidates": limit,
        "passed": outcome.counts.get("passed", 0),
        "duplicates": outcome.duplicates,
        "check_ms_each": 1e3 * work / limit,
        "minutes": wall / 60.0,
        "minutes_10000": (start + (wall - start) * 10_000 / limit) / 60.0,
        "start_s": start,
        "duplicates_s": wall - reached["checked"],
        "memory_mb_tenth": memory[0],
        "memory_mb_half": memory[1],
        "memory_mb_all": memory[2],
        "memory_mb_end": _peak(Path("/proc/self")),
        "grown_kb_each": 1024 * (memory[2] - memory[0]) / max(1, limit - limit // 10),
        "store_kb_each": size / limit / 1e3,
    }
    return {"figures": figures, "rejected_by": dict(reasons.most_common())}


def run(args: Any) -> dict[str, Any]:
    """Throughput and memory of a campaign of checks alone, a large store, the prefilter."""
    limit = args.limit or 10_000
    command = [sys.executable, "-m", "benchmarks.bench_screening", str(limit), str(args.seed)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    if said.returncode:
        raise RuntimeError(said.stderr[-2000:])
    found = json.loads(said.stdout.splitlines()[-1])
    print({k: round(v, 3) for k, v in found["figures"].items()}, flush=True)
    large, same = opened(STORED, args.seed), prefilter(PAIRS, args.seed)
    return {
        "summary": {
            **found["figures"],
            "open_100000_s": large["open_s"],
            "open_100000_mb": large["open_mb"],
            "search_100000_s": large["search_s"],
            "prefilter_pairs_same": same["same"],
            "prefilter_recall": same["recall"],
            "prefilter_spared": same["spared"],
        },
        "rejected_by": found["rejected_by"],
    }


if __name__ == "__main__":
    print(json.dumps(campaign_of_checks(int(sys.argv[1]), int(sys.argv[2]))))
