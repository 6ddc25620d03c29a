"""Reconstruction of any file of structures from its codes, with every baseline in the same table.

``motifdesk bench reconstruct [--data FILE.npz] [--limit N] [--no-corpus] [--root-only] [--seconds S] [--seed S] --json
OUT``

Protocol. Each structure is encoded and decoded from its code alone: root and motif codes, or (``--root-only``) the
root vector alone. Nothing of the file may be proposed: its ids are excluded from the corpus of proposals, and so is,
when the bundled corpora themselves are measured (no ``--data``), their whole development part. ``--no-corpus``: no
corpus proposals at all. Structures that the weights were trained on (in a bundled corpus, outside its development part)
are left out and counted in ``left_out_trained``.

A match is StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3), strict (0.2, 5, 0.1); unconverged decodes count with
what they returned. ``match_rate_gated``: and the decoded crystal passes the validity test of CDVAE's script (see
`benchmarks.judging.valid`: SMACT's rule and 0.5 A); ``gate_ceiling``: the share of the true structures that pass.
Molecules match below 0.5 A RMSD, strictly below 0.1 A, mirror images allowed, and are not gated;
``molecule_atoms_within_0.1_A`` is the share of atoms with one of their own element within 0.1 A.

Baselines: ``random_baseline``, random coordinates in the true cell; ``nearest_baseline``, the best corpus proposal
before any refinement (retrieval by latent distance, in the decoded cell); ``composition_baseline``, the corpus
structure of the nearest composition with the species exchanged, its own cell scaled to the true volume.
``overlap_structures``: share with a strict match of the same composition among the allowed proposals, which retrieval
could answer. ``overlap_ids``: how many ids of the file are in the bundled corpora (excluded from the proposals).

Times and ``--seconds`` (a structure's limit, 20 by default) are seconds of the processor on the CPU, where a decode is
one thread (on a quiet machine the wall's), and the wall's seconds on a GPU.

A long run is resumable: each finished structure is a line of ``OUT.partial.jsonl``, read again by a run with the same
settings and removed when the JSON is complete.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judging import compare, gate_rule, molecule_fit, valid

DEFAULT_LIMIT = 6
SECONDS = 20.0


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Summary of flat figures, and ``rows``: the outcome of every structure."""
    import torch
    from tqdm import tqdm

    from motifdesk.codec import load_codec

    seed = int(getattr(args, "seed", 0) or 0)
    codec = load_codec()
    settings = {
        "no_corpus": bool(getattr(args, "no_corpus", False)),
        "root_only": bool(getattr(args, "root_only", False)),
        "seconds": float(getattr(args, "seconds", None) or SECONDS),
        "seed": seed,
        # limits and times in seconds of the processor where it is the one that computes: other work does not count
        "clock": "processor" if codec.device.type == "cpu" else "wall",
    }
    work, facts = plan(getattr(args, "data", None), getattr(args, "limit", None), seed)
    exclude = frozenset(facts.pop("exclude"))
    print(
        f"{len(work)} structures; {facts['overlap_ids']} ids of the data are in the bundled corpora and are never "
        f"proposed; {facts['left_out_trained']} trained on and left out",
        flush=True,
    )
    log = _Partial(getattr(args, "json", None), {**settings, "weights": codec.version, "data": facts["data_sha1"]})
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for table, k in tqdm(work, desc="reconstruct", disable=None):
            key = f"{table.name}/{table.ids[k]}"
            row = log.known.get(key)
            if row is None:
                row = {"key": key, "corpus": table.name, "natoms": int(table.natoms[k])}
                row |= one(codec, table, k, exclude, settings)
                log.add(row)
            rows.append(row)
    summary = summarise(rows)
    names = list(dict.fromkeys(r["corpus"] for r in rows))
    if len(names) > 1:
        for name in names:
            part = summarise([r for r in rows if r["corpus"] == name])
            summary |= {f"{name}.{key}": value for key, value in part.items()}
    summary |= {
        "torch_threads": torch.get_num_threads(),
        "weights": codec.version,
        "gate": gate_rule(),
        **facts,
        **settings,
    }
    log.done()
    return {"summary": summary, "rows": rows}


def plan(data: str | None, limit: int | None, seed: int) -> tuple[list[tuple[Any, int]], dict[str, Any]]:
    """What to decode, (corpus, index) each, and the facts about it: ids to exclude, overlaps, what was left out."""
    from motifdesk.structures.corpora import Corpus, corpora, corpus

    bundled = {name: corpus(name) for name in corpora()}
    tables = [Corpus.load(data)] if data else list(bundled.values())
    places: dict[str, list[tuple[Any, int]]] = {}
    for table in bundled.values():
        for k, i in enumerate(table.ids):
            places.setdefault(str(i), []).append((table, k))
    exclude = {str(i) for table in tables for i in (table.ids if data else table.ids[table.development])}
    work: list[tuple[Any, int]] = []
    left_out = overlap = 0
    digest = hashlib.sha1()
    for table in tables:
        pool = []
        for k, i in enumerate(table.ids):
            numbers = np.sort(table.numbers(k))
            twins = [
                (t, j)
                for t, j in places.get(str(i), ())
                if t.is_crystal == table.is_crystal and np.array_equal(np.sort(t.numbers(j)), numbers)
            ]
            overlap += bool(twins)
            if any(not t.development[j] for t, j in twins):
                left_out += 1  # trained on
            else:
                pool.append(k)
        for i in table.ids:
            digest.update(str(i).encode() + b"\n")
        count = limit or (None if data else DEFAULT_LIMIT)
        order = np.random.default_rng(seed).permutation(len(pool))[:count]
        work += [(table, pool[int(k)]) for k in sorted(order)]
    facts = {
        "exclude": exclude,
        "overlap_ids": overlap if data else 0,
        "left_out_trained": left_out if data else 0,
        "data_sha1": digest.hexdigest()[:16],
    }
    return work, facts


def one(codec: Any, table: Any, k: int, exclude: frozenset[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Every method's outcome for structure `k`."""
    from motifdesk.codec.clock import processor_time
    from motifdesk.codec.decode import goal_of
    from motifdesk.structures.arrays import AtomArrays, from_arrays
    from motifdesk.structures.errors import MotifDeskError

    truth, seed = table.structure(k), settings["seed"]
    row: dict[str, Any] = {}
    if table.is_crystal:
        coordinates = np.random.default_rng([seed, k]).random((len(truth), 3))
        row |= _judged("random", truth, type(truth)(truth.lattice, truth.species, coordinates))
        row["gate_true"] = valid(truth)
    row |= _judged("composition", truth, by_composition(table[k], exclude))
    row["overlap"] = overlaps(truth, table[k], exclude) if table.is_crystal else None
    try:
        code = codec.encode(truth, motifs=not settings["root_only"])
    except MotifDeskError as error:  # refused, with the reason: counts as not decoded
        return row | _judged("decoded", truth, None) | _judged("nearest", truth, None) | {"error": str(error)}
    row |= _judged("nearest", truth, nearest_proposal(codec, code, exclude))
    proposals = ("free",) if settings["no_corpus"] else ("corpus", "free")
    try:
        with processor_time() if settings["clock"] == "processor" else nullcontext():
            made = codec.decode(
                code,
                proposals=proposals,
                exclude=exclude,
                seed=seed,
                max_seconds=settings["seconds"],
                root_only=settings["root_only"],
            )[0]
    except MotifDeskError as error:
        return row | _judged("decoded", truth, None) | {"error": str(error), "converged": False}
    # judged from the bare arrays: nothing of the truth's frame or order may help
    shown = None if made.arrays is None else from_arrays(AtomArrays(*_bare(made.arrays)))
    row |= _judged("decoded", truth, shown)
    row |= {
        "exact": shown is not None and np.array_equal(np.sort(made.arrays.numbers), np.sort(table.numbers(k))),
        "residual": made.residual if np.isfinite(made.residual) else None,
        "converged": bool(made.converged),
        "seconds": made.seconds,
        "source": made.source,
        "goal_atoms": len(goal_of(code).numbers),
    }
    return row


def _bare(arrays: Any) -> tuple[Any, Any, Any]:
    return arrays.numbers, arrays.positions, arrays.cell


def _judged(name: str, truth: Any, made: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"match": False, "rms": None, "strict": False, "gated": False}
    if made is not None and hasattr(truth, "lattice"):
        found |= compare(truth, made)
        found["gated"] = bool(found["match"] and valid(made))
    elif made is not None:
        fit = molecule_fit(truth, made)
        rms = fit["rmsd"] if np.isfinite(fit["rmsd"]) else None
        found |= {"match": rms is not None and rms < 0.5, "rms": rms, "strict": rms is not None and rms < 0.1}
        found |= {"gated": found["match"], "atoms_right": fit["atoms_right"], "types_right": fit["types_right"]}
    elif not hasattr(truth, "lattice"):
        found |= {"atoms_right": 0.0, "types_right": 0.0}
    return {f"{name}.{key}": value for key, value in found.items()}


def nearest_proposal(codec: Any, code: Any, exclude: frozenset[str]) -> Any:
    """The best corpus proposal before refinement, or None."""
    from motifdesk.codec.decode import goal_of
    from motifdesk.codec.propose import from_corpus
    from motifdesk.codec.templates import template_index
    from motifdesk.structures.arrays import AtomArrays, from_arrays

    goal = goal_of(code)
    found = from_corpus(
        goal, codec._arrays, template_index(), codec.version, exclude=exclude, keep=1, device=codec.device
    )
    if not len(found):
        return None
    return from_arrays(AtomArrays(goal.numbers, found.positions[0], None if found.cells is None else found.cells[0]))


def by_composition(arrays: Any, exclude: frozenset[str]) -> Any:
    """The allowed corpus structure of the nearest composition, its species exchanged: what no latent space gives.

    Nearest: most atoms keep their element, then the smallest change of atomic numbers; the first of equals. A crystal
    keeps its own cell, scaled to the true volume; a molecule its geometry. None where no formula fits.
    """
    from motifdesk.codec.propose import assignments
    from motifdesk.codec.templates import template_index
    from motifdesk.structures.arrays import AtomArrays, from_arrays

    index = template_index()
    target = np.sort(arrays.numbers)
    entries = index.group(arrays.cell is not None, np.unique(target, return_counts=True)[1], exclude)
    best: tuple[tuple[int, int], Any, np.ndarray] | None = None
    for e in entries[:2000]:
        entry = index.entry(int(e))
        order = next(assignments(entry.numbers, target), None)
        if order is None:
            continue
        change = np.abs(entry.numbers[order] - target)
        cost = (int((change > 0).sum()), int(change.sum()))
        if best is None or cost < best[0]:
            best = (cost, entry, order)
        if cost == (0, 0):
            break
    if best is None:
        return None
    _, entry, order = best
    if entry.cell is None:
        return from_arrays(AtomArrays(target, entry.positions[order]))
    scale = (abs(np.linalg.det(arrays.cell)) / abs(np.linalg.det(entry.cell))) ** (1 / 3)
    return from_arrays(AtomArrays(target, entry.positions[order] * scale, np.asarray(entry.cell) * scale))


def overlaps(truth: Any, arrays: Any, exclude: frozenset[str]) -> bool:
    """Whether an allowed proposal of the very same composition matches strictly."""
    from motifdesk.codec.templates import template_index
    from motifdesk.structures.arrays import from_arrays

    index = template_index()
    numbers = np.sort(arrays.numbers)
    entries = index.group(True, np.unique(numbers, return_counts=True)[1], exclude)
    same = [e for e in entries if np.array_equal(np.sort(index.entry(int(e)).numbers), numbers)]
    for e in same[:60]:
        other = from_arrays(index.entry(int(e)))
        if abs(other.volume / truth.volume - 1) < 0.3 and compare(truth, other)["strict"]:
            return True
    return False


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The flat figures of `rows`; shares of 1, None where nothing was measured."""

    def values(key: str) -> np.ndarray:
        return np.array([float(r[key]) for r in rows if r.get(key) is not None])

    def mean(key: str) -> float | None:
        found = values(key)
        return round(float(found.mean()), 6) if len(found) else None

    decoded, residuals, seconds = values("decoded.match"), values("residual"), values("seconds")
    unconverged = int(sum(not r.get("converged") for r in rows))
    crystals = sum("gate_true" in r for r in rows)
    certified = [r for r in rows if r.get("converged")]
    summary: dict[str, Any] = {
        "n": len(rows),
        "match_rate": mean("decoded.match"),
        "match_rate_gated": mean("decoded.gated"),
        "match_rate_strict": mean("decoded.strict"),
        "rmse": mean("decoded.rms"),
        "exact_composition": float(np.mean([bool(r.get("exact")) for r in rows])) if rows else None,
        "random_baseline": mean("random.match"),
        "nearest_baseline": mean("nearest.match"),
        "composition_baseline": mean("composition.match"),
        "seconds_per_decode": mean("seconds"),
        "unconverged": unconverged,
        "unconverged_share": unconverged / len(rows) if rows else None,
        "random_baseline_strict": mean("random.strict"),
        "nearest_baseline_strict": mean("nearest.strict"),
        "composition_baseline_strict": mean("composition.strict"),
        "gate_ceiling": mean("gate_true"),
        "overlap_structures": mean("overlap"),
        "converged_without_strict_match": sum(not r["decoded.strict"] for r in certified),
        "match_rate_standard_error": float(decoded.std() / np.sqrt(len(decoded))) if len(decoded) else None,
    }
    if len(seconds):
        summary["seconds_median"], summary["seconds_p95"] = map(float, np.percentile(seconds, [50, 95]))
    if len(residuals):
        summary["residual_median"], summary["residual_p95"] = map(float, np.percentile(residuals, [50, 95]))
    if crystals < len(rows):
        molecules = [r for r in rows if "gate_true" not in r]
        weights = [r["natoms"] for r in molecules]
        found = [r["decoded.rms"] for r in molecules if r["decoded.rms"] is not None]
        summary |= {
            "molecule_rmsd_mean": float(np.mean(found)) if found else None,
            "molecule_rmsd_median": float(np.median(found)) if found else None,
            "molecule_atoms_within_0.1_A": float(
                np.average([r["decoded.atoms_right"] for r in molecules], weights=weights)
            ),
            "molecule_atom_types": float(np.average([r["decoded.types_right"] for r in molecules], weights=weights)),
        }
    errors = [r["error"] for r in rows if "error" in r]
    if errors:
        summary["refused"] = len(errors)
    return summary


class _Partial:
    """Rows already measured, one JSON a line, the settings in the first."""

    def __init__(self, target: str | None, settings: dict[str, Any]) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.path = None if target is None else Path(f"{target}.partial.jsonl")
        if self.path is None:
            return
        if self.path.is_file():
            lines = self.path.read_text().splitlines()
            try:
                if lines and json.loads(lines[0]) == settings:
                    for line in lines[1:]:
                        row = json.loads(line)
                        self.known[row["key"]] = row
            except json.JSONDecodeError:
                pass  # a line cut off by a kill: what came before it counts
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in (settings, *self.known.values()))
        self.path.write_text(text)
        if self.known:
            print(f"{len(self.known)} structures are known from {self.path}", flush=True)

    def add(self, row: dict[str, Any]) -> None:
        plain = {k: v.item() if hasattr(v, "item") else v for k, v in row.items()}
        row.update(plain)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(plain) + "\n")

    def done(self) -> None:
        """The run is complete; `motifdesk bench` writes the JSON next."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
