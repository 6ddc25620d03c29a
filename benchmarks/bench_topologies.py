"""Structure families: published members built and compared, build times, enumeration, parents of polar crystals.

summary: members_built (every published member of every family, `motifdesk.topologies.families`); members_matching
(space group as published, at 0.001 A); build_ms_p95 over members of at most 200 atoms (wall clock; build_cpu_ms_p95 is
the process time, which a busy machine leaves alone); enumeration_s and enumerated (harmonic honeycombs of at most 10
letters, duplicates removed); polar_pairs_recovered (share of polar crystals whose published nonpolar parent is among
those found: space group, and largest displacement from it within 0.01 A) and polar_groups_found (the group alone), on
24 pairs of --data (ferroelectric_pairs.json.gz of T. E. Smidt et al. 2020; default: that of ../shared/data, else the
nine among the tests); all pairs, and what the figures mean: `motifdesk bench parents`.
"""

import time

import numpy as np

from benchmarks.bench_parents import sample


def run(args) -> dict:
    from motifdesk.structures.symmetry import space_group
    from motifdesk.topologies import build, enumerate_members, families

    published = [(f.name, dict(p.parameters), p.group) for f in families().values() for p in f.published]
    for name in families():  # imports
        build(name)
    built, matching, wrong = 0, 0, []
    for name, parameters, group in published:
        found = space_group(build(name, **parameters), 1e-3).symbol
        built += 1
        matching += found == group
        if found != group:
            wrong.append({"family": name, **parameters, "found": found, "published": group})
    times, busy = [], []
    began = time.perf_counter()
    count = sum(1 for _ in enumerate_members("harmonic-honeycomb", max_length=10))
    enumeration = time.perf_counter() - began
    honeycombs = ("+", "+-", "++--", "+++---", "++++----", "++-+--+-", "++--+-+-++-+---+")
    words = [("harmonic-honeycomb", {"word": w}) for w in honeycombs]
    words += [("polytype", {"word": "+" * n + "-" * n}) for n in (1, 3, 10, 24, 50)]
    words += [("tunnel", {"width": w, "height": h}) for w in range(1, 7) for h in range(w, 7)]
    words += [("biopyribole", {"word": w}) for w in ("MMMMP", "MPMPM", "MMMMMMMP")]
    words += [(n, p) for n, p, _ in published]
    for name, parameters in words:
        for _ in range(3):
            began, worked = time.perf_counter(), time.process_time()
            structure = build(name, **parameters)
            if len(structure) <= 200:
                times.append(1e3 * (time.perf_counter() - began))
                busy.append(1e3 * (time.process_time() - worked))
    pairs = sample(min(args.limit or 24, 24), args.seed, args.data)
    return {
        "summary": {
            "members_built": built,
            "members_matching": matching,
            "build_ms_p95": float(np.percentile(times, 95)),
            "build_ms_median": float(np.median(times)),
            "build_ms_max": float(np.max(times)),
            "build_cpu_ms_p95": float(np.percentile(busy, 95)),
            "families": len(families()),
            "enumeration_s": enumeration,
            "enumerated": count,
            "polar_pairs_recovered": pairs["polar_pairs_recovered"],
            "polar_groups_found": pairs["group_found"],
            "polar_pairs": pairs["n"],
        },
        "wrong": wrong,
        "missed": pairs["missed"],
    }
