"""The nonpolar parents found from polar crystals alone, against the published pairs.

data: a ``ferroelectric_pairs.json.gz`` (T. E. Smidt et al., Sci. Data 7, 72 (2020)); default that of ../shared/data
beside the checkout, else the nine pairs among the tests. limit: so many pairs, drawn by the seed. seconds: limit of one
search, of the processor, where given.

The published parents are relaxed crystals of their own, and some are one of several nonpolar parents; the finder sees
the polar crystal alone, and what of the displacement is totally symmetric in the parent (a free coordinate of it) is no
part of the pseudo-symmetry. So three figures are told apart:

- group_found, group_first: the published parent's space group is among those returned; is the first of them.
- displacement_own: that, and the largest displacement from the parent found is within 0.01 A of the published one;
  own_or_shorter: that, or shorter.
- polar_pairs_recovered: the group, and the largest displacement from the *published* parent, its atoms laid on those of
  the parent found, within 0.01 A of the published one; recovered_or_shorter: that, or shorter.

summary further: pairs, seconds_median, seconds_p95 (of the processor, one thread), returned_median (parents a search
gives), rank_median (place of the published one), the same shares over pairs at odd and at even places of the file
(``odd_...``: what the search was developed on, ``even_...``: held out), errors.

A long run is resumable: each finished pair is a line of ``OUT.partial.jsonl``, removed when the JSON is complete.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
NEAR = 0.01
#: atoms move by up to 1.5 A in the published pairs, and cells strain by up to 0.4
SEARCH: dict[str, Any] = {"largest": 1.6, "strain": 0.4, "each": 4}


def pairs_file(given: str | None) -> Path:
    if given:
        return Path(given)
    shared = HERE.parent.parent / "shared" / "data" / "ferroelectric_pairs.json.gz"
    return shared if shared.exists() else HERE.parent / "tests" / "data" / "ferroelectric_pairs_excerpt.json"


def read_pairs(path: Path) -> list[dict[str, Any]]:
    """formula, group (of the published parent), largest (A), parent and child (Structures)."""
    import gzip

    from pymatgen.core import Lattice, Structure

    found = json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    out = []
    for x in found["pairs"] if isinstance(found, dict) else found:
        if "distortion" in x:
            d = x["distortion"]
            parent, child = (Structure.from_dict(d[name]) for name in ("high_symm", "low_symm"))
            # six decimals in the file leave some atoms twice, 1e-6 apart
            parent.merge_sites(0.01, mode="delete")
            child.merge_sites(0.01, mode="delete")
            formula, group, largest = x["pretty_formula"], x["nonpolar_spacegroup"], d["dmax"]
        else:
            parent, child = (
                Structure(Lattice(e["lattice"]), e["species"], e["fractional"]) for e in (x["nonpolar"], x["polar"])
            )
            formula, group, largest = x["formula"], x["nonpolar_group"], x["largest_displacement"]
        out.append(
            {"formula": formula, "group": int(group), "largest": float(largest), "parent": parent, "child": child}
        )
    return out


def from_published(published: Any, found: Any) -> float | None:
    """Largest displacement (A, drift removed, the crystal's metric) of a `Parent`'s crystal from the published parent,
    the atoms paired as the parent found says; None where the two have no common primitive cell."""
    from motifdesk.motifs.paths.matching import match_structures
    from motifdesk.structures.errors import MotifDeskError

    try:
        match = match_structures(published, found.structure, mirror=True, seconds=5.0)
    except MotifDeskError:
        return None
    if match.index != 1 or len(match) != len(found.structure):
        return None
    cell = found.structure.lattice.matrix
    inner = found.reference.cart_coords @ np.linalg.inv(cell)
    delta = inner[:, None] - found.structure.frac_coords
    site = np.linalg.norm((delta - np.rint(delta)) @ cell, axis=2).argmin(axis=1)
    relaxed = match.fractional[site] @ cell @ np.linalg.inv(found.reference.lattice.matrix)
    moved = found.crystal.frac_coords - found.reference.frac_coords + relaxed
    moved -= moved.mean(axis=0)
    return float(np.linalg.norm(moved @ found.crystal.lattice.matrix, axis=1).max())


def judge(pair: dict[str, Any], seconds: float | None = None) -> dict[str, Any]:
    """One pair's row: what was found, where the published group is among it, and how the displacements compare."""
    from motifdesk.structures.errors import MotifDeskError
    from motifdesk.topologies.parents import nonpolar_parents

    row: dict[str, Any] = {k: pair[k] for k in ("formula", "group", "largest")}
    began = time.process_time()
    try:
        found = nonpolar_parents(pair["child"], **SEARCH, seconds=seconds or 60.0)
    except MotifDeskError as error:
        return {**row, "error": str(error), "seconds": time.process_time() - began, "found": [], "hits": []}
    row["seconds"] = time.process_time() - began
    row["found"] = [[p.group.number, p.index, p.largest, p.rms, p.strain] for p in found]
    row["hits"] = [k for k, p in enumerate(found) if p.group.number == pair["group"]]
    row["own"] = [found[k].largest for k in row["hits"]]
    row["published"] = [from_published(pair["parent"], found[k]) for k in row["hits"]]
    return row


def summarised(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The shares over some rows."""

    def share(test: Any) -> float | None:
        return sum(bool(test(r)) for r in rows) / len(rows) if rows else None

    def near(r: dict, name: str, shorter: bool = False) -> bool:
        return any(x is not None and x - r["largest"] < NEAR and (shorter or r["largest"] - x < NEAR) for x in r[name])

    return {
        "n": len(rows),
        "polar_pairs_recovered": share(lambda r: r["hits"] and near(r, "published")),
        "recovered_or_shorter": share(lambda r: r["hits"] and near(r, "published", True)),
        "group_found": share(lambda r: r["hits"]),
        "group_first": share(lambda r: r["hits"] and r["hits"][0] == 0),
        "group_in_three": share(lambda r: r["hits"] and r["hits"][0] < 3),
        "own_or_shorter": share(lambda r: r["hits"] and near(r, "own", True)),
        "displacement_own": share(lambda r: r["hits"] and near(r, "own")),
    }


def sample(limit: int, seed: int = 0, data: str | None = None) -> dict[str, Any]:
    """A few pairs judged, for other benchmarks: `summarised`, and the rows that were missed."""
    pairs = read_pairs(pairs_file(data))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(pairs))[:limit])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [judge(pairs[int(k)]) for k in chosen]
    return {**summarised(rows), "missed": [r for r in rows if not r["hits"]]}


def run(args: Any) -> dict[str, Any]:
    from tqdm import tqdm

    warnings.simplefilter("ignore")
    path = pairs_file(args.data)
    pairs = read_pairs(path)
    chosen = np.sort(np.random.default_rng(args.seed).permutation(len(pairs))[: args.limit or len(pairs)])
    seconds = getattr(args, "seconds", None)
    settings = {"data": path.name, "seconds": seconds, "search": SEARCH}
    partial = Path(f"{args.json}.partial.jsonl") if args.json else None
    rows = _known(partial, settings)
    for k in tqdm(sorted(chosen.tolist(), key=lambda k: (k % 2, k)), desc="parents", mininterval=5.0):
        if k in rows:
            continue
        rows[k] = judge(pairs[k], seconds)
        if partial is not None:
            with partial.open("a") as stream:
                stream.write(json.dumps({"k": k, **rows[k]}) + "\n")
    done = {k: rows[k] for k in chosen.tolist()}
    times = [r["seconds"] for r in done.values()]
    summary = summarised(list(done.values())) | {
        "seconds_median": float(np.median(times)),
        "seconds_p95": float(np.percentile(times, 95)),
        "seconds_max": float(np.max(times)),
        "returned_median": float(np.median([len(r["found"]) for r in done.values()])),
        "rank_median": float(np.median([1 + r["hits"][0] for r in done.values() if r["hits"]] or [0])),
        "errors": sum("error" in r for r in done.values()),
    }
    for name, odd in (("odd", 1), ("even", 0)):
        half = summarised([r for k, r in done.items() if k % 2 == odd])
        summary |= {f"{name}_{key}": value for key, value in half.items()}
    if partial is not None:
        partial.unlink(missing_ok=True)
    return {"summary": summary, "data": str(path), "search": SEARCH, "pairs": [{"k": k, **r} for k, r in done.items()]}


def _known(partial: Path | None, settings: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Rows of an earlier run with the same settings; a new file with these settings otherwise."""
    if partial is None:
        return {}
    out: dict[int, dict[str, Any]] = {}
    lines = partial.read_text().splitlines() if partial.is_file() else []
    try:
        if lines and json.loads(lines[0]) == settings:
            for line in lines[1:]:
                row = json.loads(line)
                out[row.pop("k")] = row
    except json.JSONDecodeError:
        pass  # a line cut off by a kill: what came before it counts
    partial.parent.mkdir(parents=True, exist_ok=True)
    kept = [json.dumps({"k": k, **row}) for k, row in out.items()]
    partial.write_text("\n".join([json.dumps(settings), *kept]) + "\n")
    return out
