"""Motif finding against pymatgen's CrystalNN on the structures of an .npz file (layout of motifdesk/data/corpora).

summary: agreement (share of sites whose neighbour set is the one CrystalNN gives, oxidation states decorated alike),
sites, structures, ratio_to_crystalnn (total CrystalNN seconds over total find_motifs seconds, same structures, same
run), median_ms and p95_ms of find_motifs, failures (structures where find_motifs raised), crystalnn_failures (CrystalNN
raised, structure left out of the comparison).
"""

import statistics
import time
import warnings

import numpy as np


def _structures(path: str, limit: int, seed: int):
    from pymatgen.core import Lattice, Structure

    with np.load(path, allow_pickle=False) as data:
        natoms = data["natoms"].astype(int)
        ends = np.cumsum(natoms)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(natoms))[:limit])
        for k in chosen:
            rows = slice(ends[k] - natoms[k], ends[k])
            yield (
                int(k),
                Structure(
                    Lattice(data["lattice"][k].astype(float)), data["Z"][rows].astype(int), data["frac_1e6"][rows] / 1e6
                ),
            )


def _set(entries) -> set:
    return {(int(site), tuple(int(x) for x in image)) for site, image in entries}


def run(args) -> dict:
    from pymatgen.analysis.local_env import CrystalNN

    from motifdesk.data import path
    from motifdesk.motifs import find_motifs
    from motifdesk.motifs.oxidation import oxidation_states

    warnings.simplefilter("ignore")
    source = args.data or str(path("corpora", "mp_20.npz"))
    limit = args.limit or 200
    reference = CrystalNN()
    ours, theirs, sites, same, failures, refused, differing = [], [], 0, 0, 0, 0, []
    warm = True
    for k, structure in _structures(source, limit, args.seed):
        structure.add_oxidation_state_by_site(list(oxidation_states(structure)))
        if warm:
            find_motifs(structure)  # imports and tables
            warm = False
        began = time.perf_counter()
        try:
            graph = find_motifs(structure)
        except Exception:
            failures += 1
            continue
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        try:
            sets = [
                _set((x["site_index"], x["image"]) for x in reference.get_nn_info(structure, n))
                for n in range(len(structure))
            ]
        except Exception:
            refused += 1
            ours.pop()
            continue
        theirs.append(time.perf_counter() - began)
        wrong = [n for n in range(len(structure)) if sets[n] != _set(graph.neighbours[n])]
        sites += len(structure)
        same += len(structure) - len(wrong)
        if wrong:
            differing.append({"index": k, "formula": structure.composition.reduced_formula, "sites": wrong})
    return {
        "summary": {
            "agreement": same / max(sites, 1),
            "sites": sites,
            "structures": len(ours),
            "ratio_to_crystalnn": sum(theirs) / max(sum(ours), 1e-12),
            "median_ms": 1e3 * statistics.median(ours) if ours else 0.0,
            "p95_ms": 1e3 * float(np.percentile(ours, 95)) if ours else 0.0,
            "failures": failures,
            "crystalnn_failures": refused,
        },
        "data": source,
        "differing": differing[:50],
    }
