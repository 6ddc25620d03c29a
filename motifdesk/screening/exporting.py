"""The shortlist for others: CIFs with one table, OPTIMADE-style JSON, an ASE database, inputs for DFT codes.

Every export takes the same selection: the best candidates that passed and are no duplicates.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from motifdesk import __version__
from motifdesk.structures import AtomArrays, from_arrays, write
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.cells import right_handed

from .candidate import Candidate, plain
from .errors import ScreeningError
from .stability.keeping import COLUMNS as STABILITY_COLUMNS
from .stability.keeping import stability_of
from .store import Store

UNIQUE = "status = 'passed' AND duplicate_of IS NULL"
BEST_FIRST = "above_hull IS NULL, above_hull, energy_per_atom IS NULL, energy_per_atom, generator, seed, idx"
COLUMNS = (
    "id",
    "formula",
    "natoms",
    "spacegroup",
    "density",
    "motif",
    "energy_per_atom",
    "above_hull",
    "converged",
    "novel",
    "known_as",
    "energy_note",
    *STABILITY_COLUMNS,
    "file",
)


def shortlist(store: Store, best: int = 50, where: str = UNIQUE, order: str = BEST_FIRST) -> list[Candidate]:
    """The best candidates: by default those that passed and are no duplicates, by energy above the hull (unknown ones
    last), then by energy."""
    if best < 1:
        raise ScreeningError(f"best = {best}", where="shortlist", remedy="a whole number from 1")
    return list(store.candidates(where, order=order, limit=best))


def export_shortlist(
    store: Store, folder: str | os.PathLike[str], *, best: int = 50, inputs: bool = False, where: str = UNIQUE
) -> Path:
    """A folder with one CIF per candidate, ``table.csv``, ``recipes.json`` (provenance, verdicts and the plan),
    ``optimade.json`` and ``flows.json``; with `inputs` also ``vasp/`` and ``espresso/``. `where`: as in `shortlist`.

    Raises
    ------
    ScreeningError
        nothing passed, the folder holds files already or cannot be written.
    """
    chosen = shortlist(store, best, where)
    if not chosen:
        raise ScreeningError("nothing passed", where=store.path, remedy="loosen the checks or propose more")
    target = Path(folder)
    refuse_taken(target, target)
    try:
        _write_all(store, target, chosen, inputs)
    except OSError as error:
        raise ScreeningError(
            f"the shortlist cannot be written: {error.strerror or error}",
            where=error.filename or target,
            remedy="free some space or name another folder; the store is as it was",
        ) from error
    return target


def refuse_taken(target: Path, where: Any) -> None:
    """ScreeningError where a shortlist would be put among other files."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        said = "the folder is not empty" if target.is_dir() else "a file, no folder"
        raise ScreeningError(said, where=where, remedy="name a new one")


def _write_all(store: Store, target: Path, chosen: Sequence[Candidate], inputs: bool) -> None:
    target.mkdir(parents=True, exist_ok=True)
    rows, recipes = [], []
    stable = stability_of(store)
    for rank, c in enumerate(chosen, 1):
        stem = f"{rank:04d}_{_safe(c.final.composition.reduced_formula)}"
        crystal = _final(c).is_crystal
        name = f"{stem}.cif" if crystal else f"{stem}.xyz"
        write(c.final, target / name)
        looked = {k: v for k, v in stable.get(c.id, {}).items() if k in STABILITY_COLUMNS}
        rows.append({**row(c), **looked, "file": name})
        recipes.append({"id": c.id, "file": name, "recipe": c.recipe, "verdicts": c.to_dict()["verdicts"]})
        if inputs and crystal:  # a molecule needs a box of somebody's choice first
            vasp_input(c, target / "vasp" / stem)
            espresso_input(c, target / "espresso" / f"{stem}.in")
    with open(target / "table.csv", "w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    plan = {key: store.recall(key) for key in ("motifdesk", "campaign", "checks", "energy", "stability")}
    plan["generate"] = _generators(store)
    _json(target / "recipes.json", {"plan": plan, "candidates": recipes})
    _json(target / "optimade.json", optimade(chosen, _written(store.path)))
    _json(target / "flows.json", flows(chosen))


def row(c: Candidate) -> dict[str, Any]:
    """The numbers of a candidate for a table; None where unknown."""
    e, f = c.energy, c.figures
    return {
        "id": c.id,
        "formula": c.final.composition.reduced_formula,
        "natoms": len(c.final),
        **{k: f.get(k) for k in ("spacegroup", "density", "motif")},
        "novel": None if f.get("novel") is None else bool(f["novel"]),
        "known_as": f.get("known_as"),
        "energy_per_atom": None if e is None else e.per_atom,
        "above_hull": None if e is None else e.above_hull,
        "converged": None if e is None else e.converged,
        "energy_note": "" if e is None else e.note,
    }


def optimade(candidates: Iterable[Candidate], modified: str | None = None) -> dict[str, Any]:
    """Candidates as the answer of an OPTIMADE ``/structures`` end point (specification 1.2; C. W. Andersen et al., Sci.
    Data 8, 217 (2021)); own properties carry the prefix ``_motifdesk_``. modified: when, as RFC 3339 in UTC."""
    data = [_optimade(c, modified) for c in candidates]
    return {
        "data": data,
        "meta": {
            "api_version": "1.2.0",
            "query": {"representation": "/structures"},
            "more_data_available": False,
            "data_returned": len(data),
            "implementation": {"name": "MotifDesk", "version": __version__},
        },
    }


def _generators(store: Store) -> list[dict[str, Any]]:
    """What each generator was made with: name, seed, kind and options."""
    made = []
    for key, value in store._asked("SELECT key, value FROM plan WHERE key LIKE 'generator %' ORDER BY key"):
        name, _, seed = str(key).removeprefix("generator ").rpartition(" ")
        made.append({"name": name, "seed": int(seed), **json.loads(value)})
    return made


def _written(path: Path) -> str:
    """When a file was last written, as OPTIMADE writes times."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _optimade(c: Candidate, modified: str | None) -> dict[str, Any]:
    arrays = _final(c)
    periodic = 1 if arrays.is_crystal else 0
    arrays = right_handed(arrays) if periodic else arrays
    symbols = [element_symbols()[z] for z in arrays.numbers.tolist()]
    elements = sorted(set(symbols))
    amounts = np.array([symbols.count(s) for s in elements])
    reduced = amounts // np.gcd.reduce(amounts)
    formula = "".join(f"{s}{n if n > 1 else ''}" for s, n in zip(elements, reduced.tolist(), strict=True))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    anonymous = "".join(
        f"{letters[k]}{n if n > 1 else ''}" for k, n in enumerate(sorted(reduced.tolist(), reverse=True))
    )
    species = [{"name": s, "chemical_symbols": [s], "concentration": [1.0]} for s in elements]
    attributes = {
        "elements": elements,
        "nelements": len(elements),
        "elements_ratios": (amounts / amounts.sum()).tolist(),
        "chemical_formula_descriptive": formula,
        "chemical_formula_reduced": formula,
        "chemical_formula_anonymous": anonymous,
        "dimension_types": [periodic] * 3,
        "nperiodic_dimensions": 3 * periodic,
        "lattice_vectors": None if arrays.cell is None else arrays.cell.tolist(),
        "cartesian_site_positions": arrays.positions.tolist(),
        "nsites": len(arrays),
        "species": species,
        "species_at_sites": symbols,
        "structure_features": [],
        "last_modified": modified,
        "_motifdesk_recipe": c.recipe,
        **{f"_motifdesk_{k}": v for k, v in row(c).items() if k in ("energy_per_atom", "above_hull", "spacegroup")},
    }
    return {"id": c.id, "type": "structures", "attributes": plain(attributes)}


def flows(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """A list for jobflow and atomate2: pymatgen Structure dicts with names and metadata.

    >>> [DoubleRelaxMaker(name=f["name"]).make(Structure.from_dict(f["structure"])) for f in flows]
    """
    return [
        {
            "name": f"{c.final.composition.reduced_formula} {c.id}",
            "structure": c.final.as_dict(),
            "metadata": {"source": c.id, "recipe": plain(c.recipe)},
        }
        for c in candidates
    ]


def _crystal(c: Candidate) -> AtomArrays:
    """The final structure in a right-handed cell, for codes that need one."""
    arrays = _final(c)
    if not arrays.is_crystal:
        raise ScreeningError("a molecule has no cell", where=c.id, remedy="put it into a box first")
    return right_handed(arrays)


def vasp_input(c: Candidate, folder: str | os.PathLike[str]) -> Path:
    """INCAR, KPOINTS and POSCAR of pymatgen's `MPRelaxSet`, and the names of the POTCARs in ``POTCAR.spec``: the
    potentials themselves are under VASP's licence and yours to add."""
    import warnings

    from pymatgen.io.vasp.sets import MPRelaxSet

    arrays = _crystal(c)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structure: Any = from_arrays(arrays)
        made = MPRelaxSet(structure.get_sorted_structure())
        (target / "INCAR").write_text(str(made.incar))
        (target / "KPOINTS").write_text(str(made.kpoints))
        (target / "POSCAR").write_text(str(made.poscar))
        (target / "POTCAR.spec").write_text("\n".join(made.potcar_symbols) + "\n")
    return target


def espresso_input(c: Candidate, file: str | os.PathLike[str], spacing: float = 0.04) -> Path:
    """A ``vc-relax`` input of Quantum ESPRESSO by ASE; pseudopotential files are named ``ELEMENT.UPF``.

    spacing: of the k-points, 1/Angstrom (without 2 pi).
    """
    from ase.io.espresso import write_espresso_in

    from .energies.calculators import to_ase

    arrays = _crystal(c)
    assert arrays.cell is not None
    lengths = np.linalg.norm(np.linalg.inv(arrays.cell), axis=0)
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    atoms = to_ase(arrays)
    settings = {
        "control": {"calculation": "vc-relax", "pseudo_dir": "./pseudo", "prefix": _safe(c.id)},
        "system": {"ecutwfc": 60.0, "ecutrho": 480.0, "occupations": "smearing", "degauss": 0.01},
    }
    with open(target, "w", encoding="utf-8") as out:
        write_espresso_in(
            out,
            atoms,
            input_data=settings,
            pseudopotentials={s: f"{s}.UPF" for s in sorted(set(atoms.get_chemical_symbols()))},
            kpts=tuple(int(max(1, np.ceil(x / spacing))) for x in lengths),
        )
    return target


def to_ase_db(store: Store, path: str | os.PathLike[str], where: str = "status = 'passed'") -> int:
    """Write candidates into a new ASE database (``ase.db.connect``), with their figures as key-value pairs; returns how
    many. ScreeningError when the file exists."""
    from ase.db import connect

    from .energies.calculators import to_ase

    if Path(path).exists():
        raise ScreeningError("the file exists", where=path, remedy="name a new one")
    count = 0
    with connect(os.fspath(path), type="db") as db:
        for c in store.candidates(where):
            arrays = c.arrays if c.relaxed is None else c.relaxed
            if arrays is None:
                continue
            # names that ASE keeps for itself are left out, and what is unknown
            kept = {k: v for k, v in row(c).items() if v not in (None, "") and k not in ("id", "formula", "natoms")}
            kept = {k: int(v) if isinstance(v, bool) else v for k, v in kept.items()}
            db.write(to_ase(arrays), key_value_pairs={"candidate": c.id, **kept}, data={"recipe": plain(c.recipe)})
            count += 1
    return count


def _final(c: Candidate) -> AtomArrays:
    arrays = c.arrays if c.relaxed is None else c.relaxed
    if arrays is None:
        raise ScreeningError("this candidate has no structure", where=c.id, remedy=c.error or None)
    return arrays


def _safe(text: str) -> str:
    """A file name: letters, digits, dash; with a hash where that lost something."""
    short = re.sub(r"[^A-Za-z0-9-]+", "_", text)[:60]
    return short if short == text else f"{short}-{hashlib.sha1(text.encode()).hexdigest()[:6]}"


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(plain(value), indent=1, allow_nan=False) + "\n", encoding="utf-8")
