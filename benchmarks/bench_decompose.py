"""Matching and decomposing the published nonpolar-polar pairs, and real perovskites on their cubic parents.

data: a ``ferroelectric_pairs.json.gz`` (pymatgen dicts of T. E. Smidt et al., Sci. Data 7, 72 (2020)); default that of
../shared/data beside the checkout, else the excerpt among the tests. ``perovskites.json.gz`` is looked for beside it.

summary: pairs; matched (share of the pairs with a mapping); published_displacement (share whose largest displacement is
within 0.01 A of the published one), not_longer (share where it is that or shorter: a mapping at least as good);
child_symmetry_kept (share of the matched whose undisplaced atoms keep every operation of the child, 0.05 A); recomposed
(share whose parent + modes + strain gives back the child to 0.001 A), worst_completeness (largest |sum A^2 / u^2 - 1|);
match_ms and decompose_ms (median), p95 of both; perovskites and perovskites_recomposed, octahedral_wavevectors (share
whose primary modes lie at R, M, X or the zone centre); failures (class -> how many).
"""

import gzip
import json
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NEAR, KEPT, EXACT = 0.01, 0.05, 1e-3


def _file(given: str | None) -> Path:
    if given and given.endswith((".json", ".json.gz")):
        return Path(given)
    shared = HERE.parent.parent / "shared" / "data" / "ferroelectric_pairs.json.gz"
    return shared if shared.exists() else HERE.parent / "tests" / "data" / "ferroelectric_pairs_excerpt.json"


def _read(path: Path):
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())


def _pairs(path: Path):
    """(name, parent, child, published largest displacement)."""
    from pymatgen.core import Lattice, Structure

    found = _read(path)
    if isinstance(found, dict):  # the excerpt
        for x in found["pairs"]:
            ends = [
                Structure(Lattice(e["lattice"]), e["species"], e["fractional"]) for e in (x["nonpolar"], x["polar"])
            ]
            yield f"{x['formula']} {x['nonpolar_group']}-{x['polar_group']}", *ends, float(x["largest_displacement"])
        return
    for x in found:
        d = x["distortion"]
        ends = [Structure.from_dict(d[name]) for name in ("high_symm", "low_symm")]
        for end in ends:  # two entries list an atom twice, one digit in the sixth place apart
            end.merge_sites(0.01, mode="delete")
        name = f"{x['pretty_formula']} {x['nonpolar_spacegroup']}-{x['polar_spacegroup']}"
        yield name, *ends, float(d["dmax"])


def _keeps_symmetry(match) -> bool:
    from motifdesk.structures import symmetry_operations

    rotations, translations = symmetry_operations(match.distorted, 0.01)
    numbers = np.array([site.specie.Z for site in match.reference])
    fractional = match.reference.frac_coords
    for w, t in zip(rotations, translations, strict=True):
        delta = (fractional @ w.T + t)[:, None] - fractional[None]
        away = np.linalg.norm((delta - np.rint(delta)) @ match.cell, axis=2)
        away[numbers[:, None] != numbers[None]] = np.inf
        if away.min(axis=1).max() > KEPT:
            return False
    return True


def _cubic_parent(structure, centre: str, ligand: str):
    """The Pm-3m perovskite with the same volume per formula unit, or None for more than one kind of A or B."""
    from pymatgen.core import Lattice, Structure

    amounts = structure.composition.get_el_amt_dict()
    if len(amounts) != 3 or ligand not in amounts or centre not in amounts:
        return None
    other = next(e for e in amounts if e not in (centre, ligand))
    units = amounts[centre]
    if amounts[other] != units or amounts[ligand] != 3 * units:
        return None
    lattice = Lattice.cubic((structure.volume / units) ** (1 / 3))
    return Structure(
        lattice, [other, centre] + [ligand] * 3, [[0.5] * 3, [0] * 3, [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    )


def _spread(values: list[float], share: float) -> float:
    return 1e3 * float(np.percentile(values, share)) if values else 0.0


def run(args) -> dict:
    from pymatgen.core import Structure

    from motifdesk.motifs.paths.decomposing import decompose
    from motifdesk.motifs.paths.matching import match_structures

    warnings.simplefilter("ignore")
    path = _file(args.data)
    pairs = list(_pairs(path))
    chosen = np.sort(np.random.default_rng(args.seed).permutation(len(pairs))[: args.limit or len(pairs)])
    matched = near = shorter = symmetric = recomposed = 0
    match_s, decompose_s, completeness, differing = [], [], [0.0], []
    failures: Counter[str] = Counter()
    for k in chosen:
        name, parent, child, published = pairs[k]
        try:
            began = time.perf_counter()
            match = match_structures(parent, child, mirror=True)
            match_s.append(time.perf_counter() - began)
        except ValueError as error:
            failures[_class(error)] += 1
            differing.append({"pair": name, "published": published, "error": str(error)})
            continue
        matched += 1
        same = abs(match.largest - published) < NEAR
        near += same
        shorter += same or match.largest < published
        kept = _keeps_symmetry(match)
        symmetric += kept
        if not same:
            what = "published mapping is longer" if match.largest < published else "published mapping is shorter"
            failures[what] += 1
            differing.append({"pair": name, "published": published, "found": match.largest, "symmetry_kept": kept})
        try:
            began = time.perf_counter()
            found = decompose(parent, child, mirror=True)
            decompose_s.append(time.perf_counter() - began)
        except ValueError as error:
            failures["decompose: " + _class(error)] += 1
            continue
        recomposed += found.residual < EXACT
        completeness.append(abs(found.completeness - 1.0))
    asked = max(len(chosen), 1)
    summary = {
        "pairs": len(chosen),
        "matched": matched / asked,
        "published_displacement": near / asked,
        "not_longer": shorter / asked,
        "child_symmetry_kept": symmetric / max(matched, 1),
        "recomposed": recomposed / asked,
        "worst_completeness": max(completeness),
        "match_ms": _spread(match_s, 50),
        "match_ms_p95": _spread(match_s, 95),
        "decompose_ms": _spread(decompose_s, 50),
        "decompose_ms_p95": _spread(decompose_s, 95),
    }
    beside = path.with_name("perovskites.json.gz")
    tried = good = placed = 0
    for x in _read(beside)[: args.limit or None] if beside.exists() else ():
        child = Structure.from_dict(x["structure"])
        parent = _cubic_parent(child, x["B"][0], x["X"]) if len(x["B"]) == 1 else None
        if parent is None:
            continue
        tried += 1
        try:
            found = decompose(parent, child)
        except ValueError as error:
            failures["perovskite: " + _class(error)] += 1
            continue
        good += found.residual < EXACT
        placed += all(irrep.split(" ")[0] in ("GM", "X", "M", "R") for irrep in found.primary)
    summary |= {
        "perovskites": tried,
        "perovskites_recomposed": good / max(tried, 1),
        "octahedral_wavevectors": placed / max(tried, 1),
        "failures": dict(failures),
    }
    return {"summary": summary, "data": str(path), "differing": differing}


def _class(error: Exception) -> str:
    text = str(error)
    for word, name in (
        ("different compositions", "the file pairs different compositions"),
        ("no common cell", "strain above the limit"),
        ("lie on one site", "the file has two atoms on one site"),
        ("sites in the supercell", "supercell above 256 sites"),
    ):
        if word in text:
            return name
    return type(error).__name__
