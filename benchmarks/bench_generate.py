"""What is generated, as the field measures it, beside substitution and random search in the same run.

``--limit`` N (default 300; thousands for the coverage that the field quotes):

- CDVAE's measures (`benchmarks.generating`) of N crystals each by ``analogue`` (known crystals with the best attested
  exchange of an element, ours) and by ``substitution`` (exchanges drawn by mined similarity, the baseline; G. Hautier
  et al. 2011), N / 3 by ``random`` (PyXtal), N / 6 by ``density`` (draws from the density of codes, decoded); cells of
  at most 20 atoms. The reference is the development part of the bundled MP-20 (350 crystals), which no generator starts
  from; "real crystals" are as many others of MP-20: what nature itself would score against so small a reference.
  Coverage is also given for the first 1/8, 1/4, 1/2 of the N.
- the stable-unique-novel rate (SUN) of the first N / 3 of each (at most 200), cells of at most 12 atoms:
  relaxed by CHGNet 0.3.0, cell too, until forces are below 0.1 eV/A, at most 60 steps; *stable*: at most 0.1 eV/atom
  above the hull of the bundled corpora's phases (energies of the same model at the tabulated geometries) and textbook
  elements (one whose competitors are unknown is not counted stable); *unique*: no StructureMatcher match (default
  tolerances) with an earlier one; *novel*: none in `mp_20`, `mpts_52`, `perov_5`. The bundled phases are a part of the
  known ones: `sun_against_compounds` counts the SUN that compete with a compound, not with elements alone.

SUN per CPU hour counts the CPU time of this process (one thread) for everything from the proposal to the verdict:
generator, checks, relaxation, checks of the relaxed structure, duplicates, hull. Rates are over everything attempted.
What is loaded or fitted once (models, the tables of exchanges, bundled energies of the phases) is done before the
clock starts, for all alike. Every generator is relaxed by the same code, ``optimiser = "bfgs"``: that comparison
gives `sun_per_cpu_hour` and `baseline_sun_per_cpu_hour` (the better baseline). The lines "plain" repeat the baselines
as published tools run them, FIRE through CHGNet's own ASE calculator, on fewer attempts: `plain_sun_per_cpu_hour`.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np

from benchmarks.generating import curve, measures
from motifdesk.structures import corpus

GENERATORS: dict[str, tuple[dict[str, Any], int]] = {  # options, and the share of N that is measured
    "analogue": ({"kind": "analogue"}, 1),
    "substitution": ({"kind": "substitution"}, 1),
    "random": ({"kind": "random"}, 3),
    "density": ({"kind": "density", "temperature": 0.3}, 6),
}
BASELINES = ("substitution", "random")
ENERGY = {"calculator": "chgnet", "relax": True, "steps": 60, "hull_relax": False}
PLAIN = {**ENERGY, "calculator": "benchmarks.plain:PlainChgnet", "optimiser": "fire"}
STABLE = 0.1  # eV/atom above the hull
ATTEMPTS = 200


def run(args: Any) -> dict[str, Any]:
    """Every generator's figures; the summary's are those of ``analogue``."""
    import torch

    from motifdesk.screening import make_generator

    torch.set_num_threads(1)
    limit = args.limit or 300
    attempts = min(ATTEMPTS, max(4, limit // 3))
    c = corpus("mp_20")
    reference = [c[int(k)] for k in np.flatnonzero(c.development)]
    _warm(args.seed)
    table: dict[str, dict[str, float]] = {}
    for name, (options, share) in GENERATORS.items():
        count = attempts if share == 1 else max(4, attempts // 2)
        table[name] = sun(name, {**options, "max_atoms": 12}, count, args.seed, ENERGY)
        print(name, _rounded(table[name]), flush=True)
    for name in BASELINES:
        line = sun(name, {**GENERATORS[name][0], "max_atoms": 12}, max(4, attempts // 4), args.seed, PLAIN)
        table[f"{name}, plain"] = line
        print(name, "plain", _rounded(line), flush=True)
    curves: dict[str, Any] = {}
    for name, (options, share) in GENERATORS.items():
        count = max(4, limit // share)
        began = time.process_time()
        made = [x.arrays for x in make_generator({**options, "max_atoms": 20, "name": name, "count": count}, args.seed)]
        table[name]["generation_cpu_s_each"] = (time.process_time() - began) / count
        table[name] |= measures(made, reference)
        curves[name] = curve(made, reference)
        print(name, _rounded(table[name]), curves[name], flush=True)
    others = np.random.default_rng(args.seed).permutation(np.flatnonzero(~c.development))[:limit]
    real = [c[int(k)] for k in others]
    table["real crystals"] = measures(real, reference)
    curves["real crystals"] = curve(real, reference)
    keys = [*table["real crystals"], "sun_rate", "sun_per_cpu_hour"]
    summary = {k: table["analogue"][k] for k in keys}
    summary["baseline_sun_per_cpu_hour"] = max(table[n]["sun_per_cpu_hour"] for n in BASELINES)
    summary["plain_sun_per_cpu_hour"] = max(table[f"{n}, plain"]["sun_per_cpu_hour"] for n in BASELINES)
    return {
        "summary": summary,
        "generators": table,
        "coverage_by_number": curves,
        "generated": limit,
        "attempts": attempts,
        "reference": len(reference),
    }


def sun(name: str, options: dict[str, Any], count: int, seed: int, energy: dict[str, Any]) -> dict[str, float]:
    """The stable-unique-novel rate of `count` candidates, and what it cost."""
    from motifdesk.screening import Campaign, Plan

    with tempfile.TemporaryDirectory() as folder:
        plan = Plan.make(
            {
                "campaign": {"map": False, "seed": seed},
                "generate": [{**options, "name": name, "count": count}],
                "checks": {"novelty": {"required": False}},
                "energy": energy,
            },
            folder,
        )
        campaign = Campaign(plan)
        count = campaign.total
        began = time.process_time()
        campaign.run(workers=0)
        spent = time.process_time() - began
        columns = ["above_hull", "novel", "duplicate_of", "energy_per_atom", "steps", "natoms", "chemsys", "spacegroup"]
        columns.append("energy_note")
        t = campaign.store.table(columns)
        campaign.close()
    above = t["above_hull"].astype(float)
    new = np.array([v == 1 for v in t["novel"]])
    unique = np.array([v is None for v in t["duplicate_of"]])
    good = (above <= STABLE) & new & unique
    relaxed = np.isfinite(t["energy_per_atom"].astype(float))
    return {
        "sun_rate": float(good.sum()) / count,
        "sun_per_cpu_hour": float(good.sum()) / spent * 3600.0,
        "sun_attempted": count,
        "sun": int(good.sum()),
        "sun_cpu_s": spent,
        "relaxed": int(relaxed.sum()),
        "hull_known": int(np.isfinite(above).sum()),
        "stable": int((above <= STABLE).sum()),
        "novel": int((new & relaxed).sum()),
        "steps_each": float(np.mean(t["steps"][relaxed].astype(float))) if relaxed.any() else float("nan"),
        "atoms_each": float(np.mean(t["natoms"][good].astype(float))) if good.any() else float("nan"),
        "sun_against_compounds": sum(_compounds(str(note)) for note in t["energy_note"][good]),
        "sun_chemical_systems": len(set(t["chemsys"][good])),
        "sun_space_groups": len(set(t["spacegroup"][good])),
    }


def _compounds(note: str) -> bool:
    """Whether what a candidate competes with ("against A + B") holds a compound."""
    from pymatgen.core import Composition

    return any(len(Composition(p)) > 1 for p in note.rpartition("against ")[2].partition(";")[0].split(" + "))


def _warm(seed: int) -> None:
    """Load and fit what is loaded and fitted once: models, tables, parameters of bond valences, ..."""
    from motifdesk.screening.checks.wishes import the_codec
    from motifdesk.screening.placing import the_atlas

    the_codec(), the_atlas()
    for name, (options, share) in GENERATORS.items():
        sun(name, {**options, "max_atoms": 12}, 12 if share == 1 else 4, seed + 1000, ENERGY)
    sun("plain", {"kind": "substitution", "max_atoms": 12}, 2, seed + 1000, PLAIN)


def _rounded(line: dict[str, float]) -> dict[str, float]:
    return {k: round(v, 4) for k, v in line.items()}
