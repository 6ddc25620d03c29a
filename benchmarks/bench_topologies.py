"""Structure families: published members built and compared, build times, enumeration, parents of polar crystals.

summary: members_built (every published member of every family, `motifdesk.topologies.families`); members_matching
(space group as published, at 0.001 A); build_ms_p95 over members of at most 200 atoms (wall clock; build_cpu_ms_p95 is
the process time, which a busy machine leaves alone); enumeration_s and enumerated (harmonic honeycombs of at most 10
letters, duplicates removed); polar_pairs_recovered (share of polar crystals whose published nonpolar parent's space
group is among the parents found), on the structures of --data (ferroelectric_pairs.json.gz of T. E. Smidt et al. 2020),
null without it.
"""

import gzip
import json
import time

import numpy as np


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
    pairs = _pairs(args) if args.data else {"share": None, "pairs": 0, "missed": []}
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
            "polar_pairs_recovered": pairs["share"],
            "polar_pairs": pairs["pairs"],
        },
        "wrong": wrong,
        "missed": pairs["missed"],
    }


def _pairs(args) -> dict:
    from pymatgen.core import Structure
    from tqdm import tqdm

    from motifdesk.structures.errors import MotifDeskError
    from motifdesk.structures.symmetry import space_group
    from motifdesk.topologies.parents import nonpolar_parents

    opener = gzip.open if str(args.data).endswith(".gz") else open
    with opener(args.data, "rt") as stream:
        entries = json.load(stream)
    chosen = np.sort(np.random.default_rng(args.seed).permutation(len(entries))[: args.limit or len(entries)])
    hits, missed = 0, []
    for k in tqdm(chosen, desc="parents", mininterval=5.0):
        entry = entries[int(k)]
        child = Structure.from_dict(entry["distortion"]["low_symm"])
        parent = space_group(Structure.from_dict(entry["distortion"]["high_symm"]), 1e-2).number
        try:
            found = [p.group.number for p in nonpolar_parents(child, largest=1.6, strain=0.15, seconds=20.0)]
        except MotifDeskError as error:
            found = [str(error)]
        hits += parent in found
        if parent not in found:
            missed.append({"formula": entry["pretty_formula"], "published": parent, "found": found})
    return {"share": hits / max(len(chosen), 1), "pairs": len(chosen), "missed": missed}
