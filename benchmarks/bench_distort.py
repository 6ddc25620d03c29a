"""`Distorter.solve` at 24, 40, 80 and 200 atoms, against the dense solver in the same run, one thread.

Structures: beta-Li2IrO3 (24, 192), SrTiO3 2x2x2 (40), CaTiO3 2x2x1 (80), SrTiO3 2x2x10 (200). Requests: every fourth
mode of an octahedron, alone ("motif") and of its orbit, at amplitudes of a slider; the first solve of a set of modes
(factorisation, symmetry) is timed apart.

summary, for N in 24, 40, 80, 192, 200: motif_N_ms and motif_N_p95_ms, orbit_N_ms and orbit_N_p95_ms (median and 95th
percentile of one solve), the same with cpu_ in front in processor time (what an idle machine would take), full_N_ms
(the motif requests without symmetry), first_N_ms (median of first solves), dense_N_ms and dense_over_sparse_N (motif
requests, without symmetry, processor time), worst_N (largest distance from the dense answer, Angstrom);
cost_words_200_ms (`Distorted.costs`), keep_200_ms (`keep="request"`, orbit), break_40_ms.
"""

import statistics
import time

import numpy as np

SIZES = (24, 40, 80, 192, 200)


def _structures():
    from motifdesk.structures import read

    iridate, titanate = read("beta-Li2IrO3.cif", cell="primitive"), read("SrTiO3.cif")
    orthorhombic = read("CaTiO3.cif")
    return {
        24: iridate,
        40: titanate * (2, 2, 2),
        80: orthorhombic * (2, 2, 1),
        192: iridate * (2, 2, 2),
        200: titanate * (2, 2, 10),
    }


def _timed(distorter, modes, rng, each: int):
    """Milliseconds of first and later solves, the latter also in processor time, and the last answer of each mode."""
    first, later, busy, solved = [], [], [], []
    for mode in modes:
        for n in range(each + 1):
            amplitude = float(rng.uniform(0.01, 0.15))
            began, used = time.perf_counter(), time.process_time()
            answer = distorter.solve({mode: amplitude})
            took, used = time.perf_counter() - began, time.process_time() - used
            (later if n else first).append(1e3 * took)
            if n:
                busy.append(1e3 * used)
        solved.append((amplitude, answer))
    return first, later, busy, solved


def run(args) -> dict:
    from motifdesk.motifs import Distorter, distortion_modes, find_motifs
    from motifdesk.motifs.distortion.dense import DenseSolver

    rng = np.random.default_rng(args.seed)
    each = max(2, (args.limit or 60) // 6)
    summary: dict[str, float] = {}
    for size, structure in _structures().items():
        assert len(structure) == size
        graph = find_motifs(structure)
        motif = next(m for m in graph.motifs if m.symbol == "O:6" and m.formula != "LiO6")
        single = distortion_modes(structure, motif, "motif", graph=graph)[::4]
        orbit = distortion_modes(structure, motif, "orbit", graph=graph)[::4]
        fast, full, dense = (Distorter(structure, graph) for _ in range(3))
        for plain in (full, dense):
            plain.symmetry.ignore()
        dense.solver = DenseSolver
        firsts = []
        for scope, modes in (("motif", single), ("orbit", orbit)):
            first, later, busy, _ = _timed(fast, modes, rng, each)
            firsts += first
            for kind, times in (("", later), ("cpu_", busy)):
                summary[f"{kind}{scope}_{size}_ms"] = statistics.median(times)
                summary[f"{kind}{scope}_{size}_p95_ms"] = float(np.percentile(times, 95))
        summary[f"first_{size}_ms"] = statistics.median(firsts)
        _, later, sparse, _ = _timed(full, single, rng, each)
        summary[f"full_{size}_ms"] = statistics.median(later)
        _, later, busy, solved = _timed(dense, single, rng, max(2, each // 4))
        summary[f"dense_{size}_ms"] = statistics.median(later)
        summary[f"dense_over_sparse_{size}"] = statistics.median(busy) / statistics.median(sparse)
        apart = [
            np.abs(full.solve({mode: q}).positions - answer.positions).max()
            for mode, (q, answer) in zip(single, solved, strict=True)
        ]
        summary[f"worst_{size}"] = float(max(apart))
        if size == 200:
            began = time.perf_counter()
            fast.solve({single[1]: 0.1}).costs  # noqa: B018 - worked out when read
            summary["cost_words_200_ms"] = 1e3 * (time.perf_counter() - began)
            kept = Distorter(structure, graph, keep="request")
            summary["keep_200_ms"] = statistics.median(_timed(kept, orbit, rng, each)[1])
        if size == 40:
            breaking = Distorter(structure, graph, keep="break")
            summary["break_40_ms"] = statistics.median(_timed(breaking, single, rng, 2)[1])
    return {"summary": summary}
