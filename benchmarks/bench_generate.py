"""What is generated, as the field measures it, beside substitution and random search in the same run.

Three generators make ``--limit`` candidates each (default 40): draws from the root density, substitutions by mined
similarity, random symmetric crystals (PyXtal). CDVAE's measures: `benchmarks.generating`. Of the first third of each,
the stable-unique-novel rate:

- stable: relaxed by CHGNet 0.3.0 (FIRE, cell too, 0.1 eV/A, 60 steps), at most 0.1 eV/atom above the hull of the
  bundled corpora's phases (energies of the same model at the tabulated geometries) and textbook elements; one whose
  competitors are not known is not counted stable;
- unique: no StructureMatcher match (default tolerances) with an earlier one; novel: none in `mp_20`, `mpts_52`,
  `perov_5`.

Rates are over everything attempted. CPU seconds of this process, generation, checks, relaxation and hull together.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np

from benchmarks.generating import measures
from motifdesk.structures import corpus

GENERATORS = {
    "density": {"kind": "density", "max_atoms": 12, "temperature": 0.3},
    "substitution": {"kind": "substitution", "max_atoms": 12},
    "random": {"kind": "random", "max_atoms": 12},
}
STABLE = 0.1  # eV/atom above the hull


def run(args: Any) -> dict[str, Any]:
    """Every generator's figures; the summary's are the density's, the baseline the better of the other two."""
    import torch

    from motifdesk.screening import make_generator
    from motifdesk.screening.checks.wishes import the_codec
    from motifdesk.screening.placing import the_atlas

    torch.set_num_threads(1)
    limit = args.limit or 40
    c = corpus("mp_20")
    held = np.random.default_rng(args.seed).permutation(np.flatnonzero(c.development))[: max(100, limit)]
    reference = [c[int(k)] for k in held]
    the_codec(), the_atlas()  # loading is nobody's cost
    table: dict[str, dict[str, float]] = {}
    for name, options in GENERATORS.items():
        began = time.process_time()
        made = [x.arrays for x in make_generator({**options, "name": name, "count": limit}, args.seed)]
        generating = time.process_time() - began
        figures = measures(made, reference)
        figures |= _stable_unique_novel(name, options, max(4, limit // 3), args.seed)
        table[name] = {**figures, "generation_cpu_s_each": generating / limit}
        print(name, {k: round(v, 4) for k, v in table[name].items()}, flush=True)
    real = measures([c[int(k)] for k in np.flatnonzero(~c.development)[: 2 * limit]], reference)
    table["real crystals"] = real
    keys = [*real, "sun_rate", "sun_per_cpu_hour"]
    baseline = max(table[n]["sun_per_cpu_hour"] for n in ("substitution", "random"))
    summary = {**{k: table["density"][k] for k in keys}, "baseline_sun_per_cpu_hour": baseline}
    return {"summary": summary, "generators": table, "generated_each": limit, "reference": len(reference)}


def _stable_unique_novel(name: str, options: dict[str, Any], count: int, seed: int) -> dict[str, float]:
    from motifdesk.screening import Campaign, Plan

    with tempfile.TemporaryDirectory() as folder:
        plan = Plan.make(
            {
                "campaign": {"map": False, "seed": seed},
                "generate": [{**options, "name": name, "count": count}],
                "checks": {"novelty": {"required": False}},
                "energy": {"calculator": "chgnet", "relax": True, "steps": 60, "hull_relax": False},
            },
            folder,
        )
        campaign = Campaign(plan)
        began = time.process_time()
        campaign.run(workers=0)
        spent = time.process_time() - began
        t = campaign.store.table(["above_hull", "novel", "duplicate_of", "energy_per_atom"])
        campaign.close()
    above = t["above_hull"].astype(float)
    new = np.array([v == 1 for v in t["novel"]])
    unique = np.array([v is None for v in t["duplicate_of"]])
    good = (above <= STABLE) & new & unique
    return {
        "sun_rate": float(good.sum()) / count,
        "sun_per_cpu_hour": float(good.sum()) / spent * 3600.0,
        "sun_attempted": count,
        "relaxed": float(np.isfinite(t["energy_per_atom"].astype(float)).sum()),
        "hull_known": float(np.isfinite(above).sum()),
        "sun_cpu_s": spent,
    }
