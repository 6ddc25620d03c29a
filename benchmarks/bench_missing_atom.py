"""The missing atom: what the network proposes for every hole of structures it was not trained on.

--data: a QM9-like .npz (default: the bundled part), or a corpus of crystals (a file with lattices). Structures that the
shipped weights were trained or tuned on are left out by their ids. --limit: structures a size class (default 60
molecules or 200 crystals, in a fixed shuffled order; 0 for all).

Molecules: every atom removed once. summary: accuracy_5_18, accuracy_19, accuracy_23, accuracy_25_29 (right element
within 0.5 Angstrom), mae_... (mean distance over all holes, Angstrom), mae_right_... (over the right ones),
molecules_... .

Crystals: one site of each removed, drawn with seed 0. summary: accuracy_crystals, place_crystals (within 0.5 Angstrom
whatever the element), element_crystals, mae_crystals, mae_right_crystals, crystals; and of a baseline that puts the
most common element of what is left into its roomiest void: accuracy_baseline, place_baseline, element_baseline,
mae_baseline.
"""

import time
from collections import Counter
from pathlib import Path

import numpy as np

CLASSES = (("5_18", 5, 18), ("19", 19, 19), ("23", 23, 23), ("25_29", 25, 29))
CRYSTAL_FILES = ("mp_20", "mpts_52", "perov_5", "carbon_24")


def run(args) -> dict:
    import torch

    from motifdesk.networks.errors import NetworkError
    from motifdesk.structures.errors import StructureError

    torch.set_num_threads(1)
    began = time.perf_counter()
    try:
        report = _run(args)
    except NetworkError as error:
        raise StructureError(error.what, where=error.where, remedy=error.remedy) from None
    report["summary"]["seconds"] = time.perf_counter() - began
    return report


def _run(args) -> dict:
    from motifdesk.data import path
    from motifdesk.networks.missing_data import crystals, molecules
    from motifdesk.networks.missing_training import load_missing

    file = Path(args.data or path("corpora", "qm9.npz"))
    arrays = read(file)
    crystal = "lattice" in arrays or "frac_1e6" in arrays
    name = "missing_crystals" if crystal else "missing_molecules"
    model, about = load_missing(path("weights", f"{name}.safetensors"))
    data = crystals(arrays, file.name) if crystal else molecules(arrays, file.name)
    check(data, model.config.elements, file.name)
    summary = of_crystals(model, data, args.limit) if crystal else of_molecules(model, data, about, args.limit)
    return {"summary": summary | {"trained_on": about["structures"]}, "weights": about["digest"][:12]}


def read(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz, or one StructureError."""
    import zipfile

    from motifdesk.structures.errors import StructureError

    try:
        with np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except FileNotFoundError:
        raise StructureError("no such file", where=file, remedy="give an .npz of molecules or crystals") from None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise StructureError(f"not an .npz archive of arrays ({error})", where=file) from None


def check(data, elements, where: str) -> None:
    """One clear error for what no network could answer."""
    from motifdesk.structures.arrays import element_symbols
    from motifdesk.structures.errors import StructureError

    symbols = element_symbols()
    for identifier, (numbers, positions, cell) in zip(data.ids, data.structures, strict=True):
        unknown = sorted(set(numbers.tolist()) - set(elements))
        if unknown:
            names = ", ".join(symbols[z] if 0 < z < len(symbols) else f"atomic number {z}" for z in unknown)
            raise StructureError(
                f"structure {identifier} holds {names}, which the weights do not know",
                where=where,
                remedy="take such structures out of the file",
            )
        if cell is None and len(numbers) < 2:
            raise StructureError(
                f"molecule {identifier} has one atom", where=where, remedy="give molecules of at least two atoms"
            )
        if not np.isfinite(positions).all():
            raise StructureError(f"structure {identifier} has coordinates that are not finite", where=where)


def of_molecules(model, data, about: dict, limit: int | None) -> dict:
    from motifdesk.networks.missing_data import by_hash
    from motifdesk.networks.missing_training import evaluate_missing

    used = {*about["ids"], *about.get("tuned_on", ())}
    order = [int(k) for k in by_hash(data.ids) if data.ids[int(k)] not in used]
    limit = 60 if limit is None else limit
    sizes = data.sizes  # counted anew at each access: once, for files of tens of thousands
    summary: dict = {}
    for name, low, high in CLASSES:
        rows = [k for k in order if low <= sizes[k] <= high]
        rows = rows[:limit] if limit else rows
        summary[f"molecules_{name}"] = len(rows)
        found = evaluate_missing(model, data.take(rows), progress=True) if rows else {}
        for key in ("accuracy", "mae", "mae_right"):
            summary[f"{key}_{name}"] = found.get(key)
    return summary


def of_crystals(model, data, limit: int | None) -> dict:
    from motifdesk.networks.dataset import development_split
    from motifdesk.networks.missing_data import by_hash, one_hole_each
    from motifdesk.networks.missing_training import evaluate_missing
    from motifdesk.structures.corpora import corpus
    from motifdesk.structures.errors import StructureError

    trained = {str(i) for name in CRYSTAL_FILES for i in corpus(name).ids}
    kept = development_split(data.ids) | ~np.isin(np.array(data.ids), list(trained))
    sizes = data.sizes
    order = [int(k) for k in by_hash(data.ids) if kept[int(k)] and sizes[int(k)] >= 2]
    limit = 200 if limit is None else limit
    chosen = data.take(order[:limit] if limit else order)
    if not len(chosen):
        raise StructureError("no crystal is left that the weights were not trained on", remedy="give another file")
    rows = one_hole_each(chosen, np.random.default_rng(0))
    found = evaluate_missing(model, chosen, batch=32, progress=True, rows=rows)
    summary = {f"{key}_crystals": found[key] for key in ("accuracy", "place", "element", "mae", "mae_right")}
    summary |= {f"{key}_baseline": value for key, value in baseline(chosen, rows).items()}
    return summary | {"crystals": len(chosen)}


def baseline(data, rows: np.ndarray) -> dict[str, float]:
    """The most common element of what is left, in the middle of its roomiest void."""
    from motifdesk.networks.batch import length_scale
    from motifdesk.networks.missing_data import remove
    from motifdesk.networks.missing_training import RIGHT
    from motifdesk.networks.missing_voids import voids
    from motifdesk.networks.missing_votes import nearest_image

    distances, kinds = [], []
    for k, atom in rows:
        (numbers, positions, cell), hole, kind = remove(data.structures[k], atom)
        counted = Counter(numbers.tolist())
        kinds.append(min(counted, key=lambda z: (-counted[z], z)) == kind)
        found = voids(positions, cell, length_scale(numbers, cell))
        distances.append(np.linalg.norm(nearest_image(found[:1] - hole, cell), axis=1).min(initial=np.inf))
    d, right = np.array(distances), np.array(kinds)
    return {
        "accuracy": float(((d <= RIGHT) & right).mean()),
        "place": float((d <= RIGHT).mean()),
        "element": float(right.mean()),
        "mae": float(d[np.isfinite(d)].mean()) if np.isfinite(d).any() else float("nan"),
    }
