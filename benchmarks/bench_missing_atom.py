"""The missing atom: what the network proposes for every hole of molecules it was not trained on.

--data: a QM9-like .npz (default: the bundled part). Molecules that the shipped weights were trained on are left out by
their ids. summary: accuracy_5_18, accuracy_19, accuracy_23, accuracy_25_29 (right element within 0.5 Angstrom), mae_...
(mean distance over all holes, Angstrom), mae_right_... (over the right ones), molecules_... . --limit: molecules a size
class (default 60, in a fixed shuffled order; 0 for all).
"""

import time

import numpy as np

CLASSES = (("5_18", 5, 18), ("19", 19, 19), ("23", 23, 23), ("25_29", 25, 29))


def run(args) -> dict:
    import torch

    from motifdesk.data import path
    from motifdesk.networks.missing_data import by_hash, molecules
    from motifdesk.networks.missing_training import evaluate_missing, load_missing

    torch.set_num_threads(1)
    model, about = load_missing(path("weights", "missing_molecules.safetensors"))
    with np.load(args.data or str(path("corpora", "qm9.npz")), allow_pickle=False) as stored:
        data = molecules(stored)
    trained = set(about["ids"])
    order = [int(k) for k in by_hash(data.ids) if data.ids[int(k)] not in trained]
    sizes = data.sizes
    limit = 60 if args.limit is None else args.limit
    summary: dict = {}
    began = time.perf_counter()
    for name, low, high in CLASSES:
        rows = [k for k in order if low <= sizes[k] <= high]
        rows = rows[:limit] if limit else rows
        summary[f"molecules_{name}"] = len(rows)
        found = evaluate_missing(model, data.take(rows), progress=True) if rows else {}
        for key, figure in (("accuracy", "accuracy"), ("mae", "mae"), ("mae_right", "mae_right")):
            summary[f"{key}_{name}"] = found.get(figure)
    summary["seconds"] = time.perf_counter() - began
    summary["trained_on"] = about["structures"]
    return {"summary": summary, "weights": about["digest"][:12]}
