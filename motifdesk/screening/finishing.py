"""What needs all candidates at once: duplicates among them, and the hull of each chemical system.

Both are computed from the store alone, in the order of the keys, and may be done again at any time: the answer does not
depend on which worker was faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from motifdesk.structures import from_arrays
from motifdesk.structures.arrays import element_symbols

from .candidate import Candidate, arrays_to_dict
from .checks.novelty import amd, matcher, near_enough
from .energies.hull import Hull, competing_phases
from .executors import Task
from .store import Store

_FAR = 0.2  # eV/atom below all competitors: more than a new compound gains, so one of them or itself is known
Tell = Callable[[int, int], None]
Run = Callable[[Iterable[Task]], Iterator[tuple[str, float | None, str]]]


def mark_duplicates(
    store: Store, stop: threading.Event, tell: Tell = lambda done, total: None, stol: float = 0.3
) -> int:
    """Set `duplicate_of` of every candidate that passed and is the same crystal as an earlier one; returns how many.

    The first of each kind in the order of the keys keeps NULL. Compared are final structures (relaxed where there are)
    of one formula whose AMDs are near, by `StructureMatcher` (`stol`: its site tolerance, in units of the cube root of
    the volume per atom; the default joins a distorted crystal and its parent); see `checks.novelty`.
    """
    formulas = store.table(["formula"], "status = 'passed' GROUP BY formula HAVING count(*) > 1")["formula"].tolist()
    fit = matcher(stol)
    found = 0
    for k, formula in enumerate(formulas):
        if stop.is_set():
            break
        tell(k, len(formulas))
        kept: list[tuple[Candidate, np.ndarray, Any]] = []
        marks = []
        for c in store.candidates("status = 'passed' AND formula = ?", (formula,)):
            arrays = c.arrays if c.relaxed is None else c.relaxed
            assert arrays is not None
            distances, structure = amd(arrays), from_arrays(arrays)
            same = next((e for e, d, s in kept if near_enough(distances, d) and fit.fit(structure, s)), None)
            if same is None:
                kept.append((c, distances, structure))
            if (None if same is None else same.id) != c.figures.get("duplicate_of"):
                marks.append((c.generator, c.seed, c.index, {"duplicate_of": None if same is None else same.id}))
            found += same is not None
        store.mark(marks)
    tell(len(formulas), len(formulas))
    return found


def mark_hull(
    store: Store,
    run: Run,
    max_atoms: int,
    kind: str,
    tell: Tell = lambda done, total: None,
    bundled: Mapping[str, float] | None = None,
) -> None:
    """Set `above_hull` of every candidate with an energy, from energies of the competing phases by the same calculator
    (`run` computes those that neither the store nor `bundled` knows; `kind` says how they are made, and keeps unlike
    energies apart)."""
    rows = store.table(["chemsys"], "energy_per_atom IS NOT NULL GROUP BY chemsys")["chemsys"].tolist()
    symbols = {s: z for z, s in enumerate(element_symbols())}
    systems = {system: [symbols[s] for s in system.split("-")] for system in rows}
    phases = {system: competing_phases(z, max_atoms) for system, z in systems.items()}
    missing = {i: a for known in phases.values() for i, a in known.items() if store.phase(kind, i) is None}
    known_energies = bundled or {}
    bundle = [(kind, i, a.formula, known_energies[i], "bundled") for i, a in missing.items() if i in known_energies]
    store.put_phases(bundle)
    missing = {i: a for i, a in missing.items() if i not in known_energies}
    tasks = ({"phases": [[i, arrays_to_dict(a)]]} for i, a in missing.items())
    if missing:
        tell(0, len(missing))
    for k, (i, value, note) in enumerate(run(tasks)):
        store.put_phases([(kind, i, missing[i].formula, value, note)])
        tell(k + 1, len(missing))
    for system, z in systems.items():
        entries, failed = _entries(store, kind, phases[system])
        hull = Hull(z, entries)
        _mark_system(store, system, hull, failed)


def _entries(store: Store, kind: str, phases: Mapping[str, Any]) -> tuple[list[tuple[np.ndarray, float]], list[str]]:
    entries, failed = [], []
    for i, arrays in phases.items():
        value, _ = store.phase(kind, i) or (None, "")
        if value is None:
            failed.append(i)
        else:
            entries.append((arrays.numbers, value))
    return entries, failed


def _mark_system(store: Store, system: str, hull: Hull, failed: list[str]) -> None:
    marks = []
    for c in store.candidates("energy_per_atom IS NOT NULL AND chemsys = ?", (system,)):
        assert c.energy is not None and c.arrays is not None
        above, note = hull.above(c.arrays.numbers, c.energy.per_atom)
        parts = [] if c.energy.converged in (None, True) else [f"not converged after {c.energy.steps} steps"]
        parts.append(note)
        if above is not None and above < -_FAR:
            parts.append("so far below: known phases are missing from the corpora")
        if failed:
            parts.append(f"without {len(failed)} phases whose energy failed ({failed[0]})")
        marks.append((c.generator, c.seed, c.index, {"above_hull": above, "energy_note": "; ".join(parts)}))
    store.mark(marks)
