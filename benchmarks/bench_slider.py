"""The slider's kernel part: `Distorter.solve` on beta-Li2IrO3 (24 atoms) and larger cells, a new amplitude each time.

summary: median_ms and p95_ms at 24 atoms, the same for 48 and 192 (supercells), prepare_ms (Distorter and modes),
find_motifs_ms (the full search on the same 24 atoms) and ratio_to_find_motifs (its median over the solve's median).
"""

import statistics
import time

import numpy as np


def _timed(distorter, keys, repeats: int, rng) -> list[float]:
    out = []
    for n in range(repeats):
        amplitudes = {keys[n % len(keys)]: float(rng.uniform(0.01, 0.15)), keys[(n + 1) % len(keys)]: 0.05}
        began = time.perf_counter()
        distorter.solve(amplitudes)
        out.append(1e3 * (time.perf_counter() - began))
    return out


def run(args) -> dict:
    from motifdesk.motifs import Distorter, distortion_modes, find_motifs
    from motifdesk.structures import read

    rng = np.random.default_rng(args.seed)
    structure = read("beta-Li2IrO3.cif", cell="primitive")
    results = {}
    repeats = args.limit or 200
    for factor in (1, 2, 8):
        made = structure if factor == 1 else structure * ((2, 1, 1) if factor == 2 else (2, 2, 2))
        graph = find_motifs(made)
        motif = next(m for m in graph.motifs if m.formula == "IrO6")
        began = time.perf_counter()
        distorter = Distorter(made, graph)
        keys = [m.key for m in distortion_modes(made, motif, "orbit", graph=graph) if m.block == "stretch"]
        distorter.solve({key: 0.01 for key in keys})
        prepared = 1e3 * (time.perf_counter() - began)
        times = _timed(distorter, keys, max(10, repeats // factor), rng)
        results[len(made)] = (statistics.median(times), float(np.percentile(times, 95)), prepared)
    searches = []
    for _ in range(10):
        began = time.perf_counter()
        find_motifs(structure)
        searches.append(1e3 * (time.perf_counter() - began))
    median, p95, prepared = results[24]
    return {
        "summary": {
            "median_ms": median,
            "p95_ms": p95,
            "median_48_ms": results[48][0],
            "p95_48_ms": results[48][1],
            "median_192_ms": results[192][0],
            "p95_192_ms": results[192][1],
            "prepare_ms": prepared,
            "find_motifs_ms": statistics.median(searches),
            "ratio_to_find_motifs": statistics.median(searches) / median,
        }
    }
