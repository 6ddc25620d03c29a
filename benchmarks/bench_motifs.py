"""Motif finding against pymatgen's CrystalNN, ChemEnv and robocrystallographer on the structures of an .npz file.

Any file in the layout of motifdesk/data/corpora: ``motifdesk bench motifs --data FILE.npz [--limit N] --json OUT``. One
thread. All times are of the same structures in the same run, ours taken first and the others' right after.

summary:
  agreement               share of sites whose neighbour set is CrystalNN's, oxidation states decorated alike
  sites, structures       how many
  ratio_to_crystalnn      CrystalNN's seconds for the neighbour sets of all sites / ours for the same, symmetry included
  ratio_whole             CrystalNN's seconds for all sites / ours for the whole of find_motifs, which also classifies,
                          links and groups; the milliseconds below are those of the whole
  ratio_to_chemenv        ChemEnv's seconds (LocalGeometryFinder, no refinement) / ours, on a few small structures
  ratio_to_robocrys       robocrystallographer's seconds (condense and describe) / ours, on a few small structures
  median_ms, p95_ms       of find_motifs
  median_ms_to_20         of find_motifs, cells of at most 20 atoms
  oxidation_median_ms     of guessing oxidation states, which the above leaves out: it comes before both
  tridymite_ms            of find_motifs on low tridymite, 72 atoms, 36 unique sites (AFLOW prototype, from pymatgen)
  failures                structures where find_motifs raised
  crystalnn_failures      structures left out because CrystalNN raised
A ratio is null, with the reason under `reasons`, where the other program is missing or fails.
"""

import statistics
import time
import warnings

import numpy as np

_CHEMENV, _ROBOCRYS = 6, 2  # structures: they take seconds each
_SIZES = ((1, 5), (6, 10), (11, 20), (21, 40), (41, 100000))


def _structures(path: str, limit: int, seed: int):
    from pymatgen.core import Lattice, Structure

    with np.load(path, allow_pickle=False) as data:
        held = {key: data[key] for key in ("natoms", "lattice", "Z", "frac_1e6")}
    natoms = held["natoms"].astype(int)
    ends = np.cumsum(natoms)
    for k in np.sort(np.random.default_rng(seed).permutation(len(natoms))[:limit]):
        rows = slice(ends[k] - natoms[k], ends[k])
        cell = Lattice(held["lattice"][k].astype(float))
        yield int(k), Structure(cell, held["Z"][rows].astype(int), held["frac_1e6"][rows] / 1e6)


def _set(entries) -> set:
    return {(int(site), tuple(int(x) for x in image)) for site, image in entries}


def _seconds(call) -> tuple[float, object]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def _neighbours(structure):
    """The neighbour sets alone, on symmetry-unique sites and carried to all."""
    from motifdesk.motifs.detection.finding import crystal_neighbours

    return crystal_neighbours(structure)


def _chemenv(structure) -> float:
    from pymatgen.analysis.chemenv.coordination_environments.coordination_geometry_finder import LocalGeometryFinder

    finder = LocalGeometryFinder()
    finder.setup_parameters(structure_refinement="none")

    def run():
        finder.setup_structure(structure)
        return finder.compute_structure_environments(only_cations=False, maximum_distance_factor=1.41)

    return _seconds(run)[0]


def _robocrys(structure) -> float:
    from robocrys import StructureCondenser, StructureDescriber

    return _seconds(lambda: StructureDescriber().describe(StructureCondenser().condense_structure(structure)))[0]


def _ratio(other, structures: list, find) -> tuple[float | None, str | None]:
    """Total seconds of `other` over those of `find` on the structures, or None and why not."""
    theirs, ours, reason = 0.0, 0.0, None
    for structure in structures:
        try:
            took = other(structure)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            continue
        theirs += took
        ours += _seconds(lambda structure=structure: find(structure))[0]
    return (theirs / ours, None) if ours else (None, reason or "no structure small enough")


def _tridymite():
    """Low tridymite, A2B_mC144_9_24a_12a of the AFLOW library of prototypes (in pymatgen): 72 atoms in the primitive
    cell, every site a general one of Cc."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    for entry in AFLOW_PROTOTYPE_LIBRARY:
        if entry["tags"]["aflow"] == "A2B_mC144_9_24a_12a":
            return entry["snl"].structure
    raise LookupError("no low tridymite among pymatgen's prototypes")


def _unique_36(find) -> tuple[float | None, str | None]:
    from motifdesk.motifs.detection.oxidation import oxidation_states

    try:
        structure = _tridymite()
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
    structure.add_oxidation_state_by_site(list(oxidation_states(structure)))
    return 1e3 * statistics.median(_seconds(lambda: find(structure))[0] for _ in range(7)), None


def run(args) -> dict:
    from pymatgen.analysis.local_env import CrystalNN

    from motifdesk.data import path
    from motifdesk.motifs import find_motifs
    from motifdesk.motifs.detection.oxidation import oxidation_states

    warnings.simplefilter("ignore")
    source = args.data or str(path("corpora", "mp_20.npz"))
    limit = args.limit or 200
    reference = CrystalNN()
    sizes, ours, alone, theirs, guessing, small = [], [], [], [], [], []
    sites, same, failures, refused, differing = 0, 0, 0, 0, []
    for k, structure in _structures(source, limit, args.seed):
        took, states = _seconds(lambda structure=structure: oxidation_states(structure))
        guessing.append(took)
        structure.add_oxidation_state_by_site(list(states))
        if not ours:
            find_motifs(structure)  # imports and tables
        try:
            seconds, graph = _seconds(lambda structure=structure: find_motifs(structure))
        except Exception:
            failures += 1
            continue
        neighbours, _ = _seconds(lambda structure=structure: _neighbours(structure))
        began = time.perf_counter()
        try:
            sets = [
                _set((x["site_index"], x["image"]) for x in reference.get_nn_info(structure, n))
                for n in range(len(structure))
            ]
        except Exception:
            refused += 1
            continue
        theirs.append(time.perf_counter() - began)
        ours.append(seconds)
        alone.append(neighbours)
        sizes.append(len(structure))
        if len(structure) <= 12 and any(states):
            small.append(structure)
        wrong = [n for n in range(len(structure)) if sets[n] != _set(graph.neighbours[n])]
        sites += len(structure)
        same += len(structure) - len(wrong)
        if wrong:
            differing.append({"index": k, "formula": structure.composition.reduced_formula, "sites": wrong})
    ratio_chemenv, no_chemenv = _ratio(_chemenv, small[:_CHEMENV], find_motifs)
    ratio_robocrys, no_robocrys = _ratio(_robocrys, small[:_ROBOCRYS], find_motifs)
    tridymite, no_tridymite = _unique_36(find_motifs)
    times, size = np.array(ours), np.array(sizes)
    reasons = {"ratio_to_chemenv": no_chemenv, "ratio_to_robocrys": no_robocrys, "tridymite_ms": no_tridymite}
    return {
        "summary": {
            "agreement": same / max(sites, 1),
            "sites": sites,
            "structures": len(ours),
            "ratio_to_crystalnn": sum(theirs) / max(sum(alone), 1e-12),
            "ratio_whole": sum(theirs) / max(sum(ours), 1e-12),
            "ratio_to_chemenv": ratio_chemenv,
            "ratio_to_robocrys": ratio_robocrys,
            "median_ms": 1e3 * statistics.median(ours) if ours else 0.0,
            "p95_ms": 1e3 * float(np.percentile(ours, 95)) if ours else 0.0,
            "median_ms_to_20": 1e3 * float(np.median(times[size <= 20])) if (size <= 20).any() else None,
            "oxidation_median_ms": 1e3 * statistics.median(guessing) if guessing else 0.0,
            "tridymite_ms": tridymite,
            "failures": failures,
            "crystalnn_failures": refused,
            "reasons": {key: why for key, why in reasons.items() if why},
        },
        "by_size": [
            {
                "atoms": f"{low} to {high}" if high < 100000 else f"{low} and more",
                "structures": int(chosen.sum()),
                "median_ms": 1e3 * float(np.median(times[chosen])),
                "p95_ms": 1e3 * float(np.percentile(times[chosen], 95)),
                "ratio_whole": float(np.array(theirs)[chosen].sum() / times[chosen].sum()),
            }
            for low, high in _SIZES
            for chosen in [(size >= low) & (size <= high)]
            if chosen.any()
        ],
        "data": source,
        "differing": differing[:50],
    }
