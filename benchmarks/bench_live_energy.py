"""The distilled potential behind the desk's live energies, beside its teacher: errors, order, milliseconds.

``motifdesk bench live-energy [--limit N] --json OUT``: N (default 60) crystals of the development part, never trained
on, each as it is, and moved five times (as `benchmarks.make_force_labels` moves them, seeds that no training used);
CHGNet answers anew.

summary: ``energy_mae_rest_mev``, ``energy_mae_moved_mev`` (per atom), ``forces_mae_rest_mev``,
``forces_mae_moved_mev`` (components, per A), ``stress_mae_gpa``; ``spearman``: median rank correlation of the six
energies of one crystal with the teacher's; ``ms_20_atoms``: energy, forces and stress with the search for neighbours,
median over development crystals of 18 to 20 atoms, one thread, ``cpu_ms_20_atoms`` the processor's time of it (a
machine shared with others does not change it much); ``ratio_to_chgnet``: the teacher's processor time over that, same
crystals, same run."""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks.make_force_labels import made


def run(args: argparse.Namespace) -> dict[str, Any]:
    import torch
    from scipy.stats import spearmanr

    from motifdesk.screening.energies import make_calculator
    from motifdesk.structures import corpus, from_arrays

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    quick, teacher = make_calculator({"calculator": "distilled"}), make_calculator({"calculator": "chgnet"})
    model = teacher._model  # type: ignore[attr-defined]
    c = corpus("mp_20")
    held = np.flatnonzero(c.development & (c.natoms <= 14))
    chosen = rng.choice(held, min(args.limit or 60, len(held)), replace=False)
    rest: dict[str, list[float]] = defaultdict(list)
    moved: dict[str, list[float]] = defaultdict(list)
    ranks = []
    for k in chosen:
        versions = [c[int(k)], *(made("mp_20", int(k), 0, 1000 + n) for n in range(5))]
        if quick.knows(versions[0]):  # type: ignore[attr-defined]
            continue
        energies: list[tuple[float, float]] = []
        for n, arrays in enumerate(versions):
            graph = teacher._graph(arrays)  # type: ignore[attr-defined]
            if graph is None:
                continue
            true = model.predict_graph(graph, task="efs")
            found = quick.live(arrays)  # type: ignore[attr-defined]
            into = moved if n else rest
            into["energy"].append(1e3 * abs(found.per_atom - float(true["e"])))
            into["forces"].append(1e3 * float(np.abs(found.forces - true["f"]).mean()))
            into["stress"].append(float(np.abs(found.stress * 160.21766 - true["s"]).mean()))
            energies.append((found.per_atom, float(true["e"])))
        if len(energies) == len(versions):
            ranks.append(float(spearmanr(*zip(*energies, strict=True)).statistic))
    larger = np.flatnonzero(c.development & (c.natoms >= 18))
    times, busy, slow = [], [], []
    for k in rng.choice(larger, min(12, len(larger)), replace=False):
        arrays = c[int(k)]
        if quick.knows(arrays):  # type: ignore[attr-defined]
            continue
        structure = from_arrays(arrays)
        for _ in range(6):
            began, cpu = time.perf_counter(), time.process_time()
            quick.live(arrays)  # type: ignore[attr-defined]
            times.append(1e3 * (time.perf_counter() - began))
            busy.append(1e3 * (time.process_time() - cpu))
        for _ in range(2):
            cpu = time.process_time()
            model.predict_structure(structure, task="efs")
            slow.append(1e3 * (time.process_time() - cpu))
    return {
        "summary": {
            "crystals": len(rest["energy"]),
            "energy_mae_rest_mev": float(np.mean(rest["energy"])),
            "energy_mae_moved_mev": float(np.mean(moved["energy"])),
            "forces_mae_rest_mev": float(np.mean(rest["forces"])),
            "forces_mae_moved_mev": float(np.mean(moved["forces"])),
            "stress_mae_gpa": float(np.mean(rest["stress"] + moved["stress"])),
            "spearman": float(np.median(ranks)),
            "ms_20_atoms": statistics.median(times),
            "cpu_ms_20_atoms": statistics.median(busy),
            "ratio_to_chgnet": statistics.median(slow) / statistics.median(busy),
        }
    }
