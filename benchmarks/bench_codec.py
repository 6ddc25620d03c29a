"""Reconstruction, corpus proposals and corpus-free, beside its baselines; speed of encode, decode and drag.

``motifdesk bench codec [--data FILE.npz] [--limit N per corpus] [--seed S] --json OUT``

Protocol: the development part (5 % by id, never trained on) of each bundled corpus, or the file given. Every structure
is encoded to its root and decoded from the root alone; no structure of the development part (nor of the file) may be
proposed. A match is StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3), strict (0.2, 5, 0.1). Beside it: the nearest
proposal before refinement, random coordinates in the true cell (the tolerance is that loose), the same protocol with
untrained weights. ``overlap`` is the share of test structures with a match of the same composition among the allowed
proposals: retrieval could answer those. Molecules: RMSD (Angstrom) after alignment, mirror images allowed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

LOOSE = {"stol": 0.5, "angle_tol": 10, "ltol": 0.3}
STRICT = {"stol": 0.2, "angle_tol": 5, "ltol": 0.1}
DEFAULT_LIMIT = 6
FREE_SECONDS = 8.0


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Summary of flat figures, and ``rows``: every structure with every method's outcome."""
    import torch
    from tqdm import tqdm

    from motifdesk.codec import Codec, load_codec
    from motifdesk.structures.corpora import Corpus, corpora, corpus

    seed = int(getattr(args, "seed", 0) or 0)
    limit = getattr(args, "limit", None) or DEFAULT_LIMIT
    data = getattr(args, "data", None)
    tables = [Corpus.load(data)] if data else [corpus(name) for name in corpora()]
    trained = load_codec()
    codecs = {"trained": trained, "untrained": Codec.untrained(seed)}
    held_out = {str(i) for name in corpora() for i in corpus(name).ids[corpus(name).development]}
    if data:
        held_out |= {str(i) for i in tables[0].ids}
    exclude = frozenset(held_out)
    rows: list[dict[str, Any]] = []
    work = []
    for table in tables:
        rng = np.random.default_rng(seed)
        pool = np.arange(len(table)) if data else np.flatnonzero(table.development)
        work += [(table, int(k)) for k in sorted(rng.permutation(pool)[:limit])]
    warnings.simplefilter("ignore")
    for table, k in tqdm(work, desc="reconstruct", disable=None):
        row: dict[str, Any] = {"corpus": table.name, "id": str(table.ids[k]), "natoms": int(table.natoms[k])}
        if table.is_crystal:
            row |= _random_coordinates(table, k, seed)
            row["overlap"] = _overlap(table, k, exclude)
        for name, codec in codecs.items():
            row |= {f"{name}.{key}": value for key, value in _reconstruct(codec, table, k, exclude, seed).items()}
        rows.append(row)
    summary = _summarise(rows, [t.name for t in tables])
    summary |= _speed(trained, seed)
    summary["torch_threads"] = torch.get_num_threads()
    summary["weights"] = trained.version
    return {"summary": summary, "rows": rows}


def compare(a: Any, b: Any) -> dict[str, Any]:
    """Match at both tolerances and the normalised RMS distance of the loose match (None without)."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    loose = StructureMatcher(**LOOSE).get_rms_dist(a, b)
    strict = None if loose is None else StructureMatcher(**STRICT).get_rms_dist(a, b)
    return {
        "match": loose is not None,
        "rms": None if loose is None else float(loose[0]),
        "strict": strict is not None,
    }


def _reconstruct(codec: Any, table: Any, k: int, exclude: frozenset[str], seed: int) -> dict[str, Any]:
    from motifdesk.codec.decode import goal_of
    from motifdesk.codec.propose import from_corpus
    from motifdesk.codec.templates import template_index
    from motifdesk.structures.arrays import AtomArrays, from_arrays

    truth = table.structure(k)
    code = codec.encode(truth)
    out: dict[str, Any] = {}
    goal = goal_of(code)
    nearest = from_corpus(goal, codec._arrays, template_index(), codec.version, exclude=exclude, keep=1)
    if len(nearest):
        cell = None if nearest.cells is None else nearest.cells[0]
        out |= _judged("nearest", truth, from_arrays(AtomArrays(goal.numbers, nearest.positions[0], cell)))
    else:
        out |= _judged("nearest", truth, None)
    ways = {"refined": {"proposals": ("corpus",)}, "free": {"proposals": ("free",), "max_seconds": FREE_SECONDS}}
    if not table.is_crystal:
        ways.pop("free")
    for way, options in ways.items():
        made = codec.decode(code, exclude=exclude, seed=seed, **options)[0]
        out |= _judged(way, truth, made.structure)
        out |= {f"{way}.residual": made.residual, f"{way}.converged": made.converged, f"{way}.seconds": made.seconds}
    return out


def _judged(name: str, truth: Any, made: Any) -> dict[str, Any]:
    if made is None:
        found: dict[str, Any] = {"match": False, "rms": None, "strict": False}
    elif hasattr(truth, "lattice"):
        found = compare(truth, made)
    else:
        rms = molecule_rmsd(truth, made)
        found = {"match": rms < 0.5, "rms": rms, "strict": rms < 0.1}
    return {f"{name}.{key}": value for key, value in found.items()}


def _random_coordinates(table: Any, k: int, seed: int) -> dict[str, Any]:
    """The true composition and cell with uniformly random coordinates."""
    from pymatgen.core import Structure

    truth = table.structure(k)
    coordinates = np.random.default_rng([seed, k]).random((len(truth), 3))
    made = Structure(truth.lattice, truth.species, coordinates)
    return {f"random.{key}": value for key, value in compare(truth, made).items()}


def _overlap(table: Any, k: int, exclude: frozenset[str]) -> bool:
    """Whether an allowed proposal of the very same composition matches."""
    from motifdesk.codec.templates import template_index
    from motifdesk.structures.arrays import from_arrays

    index = template_index()
    truth, numbers = table.structure(k), np.sort(table.numbers(k))
    counts = np.unique(numbers, return_counts=True)[1]
    same = [
        e for e in index.group(True, counts, exclude) if np.array_equal(np.sort(index.entry(int(e)).numbers), numbers)
    ]
    cell_volume = truth.volume
    for e in same[:40]:
        other = from_arrays(index.entry(int(e)))
        if abs(other.volume / cell_volume - 1) < 0.3 and compare(truth, other)["strict"]:
            return True
    return False


def molecule_rmsd(truth: Any, made: Any) -> float:
    """Smallest RMSD (Angstrom) over rotations, reflections and exchanges of like atoms (inertia frames + Hungarian)."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.transform import Rotation

    z = np.array(truth.atomic_numbers)
    w = np.array(made.atomic_numbers)
    if sorted(z) != sorted(w):
        return float("inf")
    x = truth.cart_coords - truth.cart_coords.mean(0)
    y = made.cart_coords - made.cart_coords.mean(0)
    frames = [np.linalg.eigh(p.T @ p)[1] for p in (x, y)]
    starts = [frames[1] @ np.diag(s) @ frames[0].T for s in np.array(np.meshgrid(*[[1, -1]] * 3)).reshape(3, -1).T]
    turns = Rotation.random(24, random_state=0).as_matrix()
    starts += [t * sign for t in turns for sign in (1, -1)]
    best = np.inf
    forbidden = np.where(z[:, None] == w[None, :], 0.0, 1e6)
    for matrix in starts:
        for _ in range(12):
            moved = y @ matrix
            cost = np.square(x[:, None] - moved[None]).sum(-1)
            _, order = linear_sum_assignment(cost + forbidden)
            u, _, vt = np.linalg.svd(y[order].T @ x)
            mirror = np.sign(np.linalg.det(matrix)) * np.sign(np.linalg.det(u @ vt))
            new = u @ np.diag([1, 1, mirror]) @ vt
            if np.allclose(new, matrix, atol=1e-6):
                break
            matrix = new
        best = min(best, float(np.sqrt(np.square(x - (y @ matrix)[order]).sum(-1).mean())))
    return best


def _summarise(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    summary: dict[str, Any] = {"structures": len(rows)}

    def mean(selected: list[dict[str, Any]], key: str) -> float | None:
        values = [float(r[key]) for r in selected if r.get(key) is not None]
        return float(np.mean(values)) if values else None

    for name in names:
        selected = [r for r in rows if r["corpus"] == name]
        columns = ["random.match", "random.strict", "overlap"]
        for codec in ("trained", "untrained"):
            for way in ("nearest", "refined", "free"):
                columns += [f"{codec}.{way}.{c}" for c in ("match", "strict", "rms", "converged", "seconds")]
        for column in columns:
            value = mean(selected, column)
            if value is not None:
                summary[f"{name}.{column}"] = round(value, 4)
    for codec in ("trained", "untrained"):
        certified = wrong = 0
        for row in rows:
            for way in ("refined", "free"):
                if row.get(f"{codec}.{way}.converged"):
                    certified += 1
                    wrong += not row[f"{codec}.{way}.strict"]
        summary[f"{codec}.converged"] = certified
        summary[f"{codec}.converged_but_no_strict_match"] = wrong
        seconds = [r[f"{codec}.refined.seconds"] for r in rows]
        summary[f"{codec}.decode_seconds_median"] = float(np.median(seconds))
    return summary


def _speed(codec: Any, seed: int) -> dict[str, Any]:
    """Encode rate, cold decode and warm drag step at 20 to 24 atoms."""
    from motifdesk.codec.codes import Codes
    from motifdesk.structures.corpora import corpus
    from motifdesk.structures.read import read

    table = corpus("mp_20")
    rng = np.random.default_rng(seed)
    arrays = [table[int(k)] for k in rng.choice(len(table), 128, replace=False)]
    codec.encode(arrays[:8])
    began = time.perf_counter()
    codec.encode(arrays)
    summary = {"encode_per_s": len(arrays) / (time.perf_counter() - began)}
    twenty = [int(k) for k in np.flatnonzero(table.natoms == 20)[:6]]
    codes = codec.encode([table[k] for k in twenty])
    codec.decode(codes[0], seed=seed)
    made = [codec.decode(code, seed=seed)[0] for code in codes]
    summary["cold_decode_20_atoms_ms_median"] = 1e3 * float(np.median([m.seconds for m in made]))
    start = read("beta-Li2IrO3.cif", cell="primitive")
    ends = codec.encode([start, read("alpha-Li2IrO3.cif", cell="primitive")])
    for composition in ("keep", "follow"):
        follower = codec.follower(start, composition)
        times, moved = [], []
        for t in np.linspace(0, 1, 31):
            target = Codes((1 - t) * ends.root[:1] + t * ends.root[1:])
            began = time.perf_counter()
            frame = follower.step(target, steps=2)
            times.append(time.perf_counter() - began)
            moved.append(frame.moved)
        summary[f"warm_step_24_atoms_{composition}_ms_median"] = 1e3 * float(np.median(times))
        summary[f"warm_step_24_atoms_{composition}_ms_p95"] = 1e3 * float(np.percentile(times, 95))
        summary[f"warm_step_24_atoms_{composition}_max_move_A"] = max(moved)
    return summary


if __name__ == "__main__":  # the same as `motifdesk bench codec`
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    for key, value in run(parser.parse_args())["summary"].items():
        print(f"{key:60s} {value}")
