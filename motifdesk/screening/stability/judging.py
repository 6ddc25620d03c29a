"""Stability of the best candidates of a campaign: which they are, the work on one, and what is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from motifdesk.structures import AtomArrays
from motifdesk.structures.errors import MotifDeskError, one_line

from ..candidate import arrays_to_dict, dumps
from ..energies.calculators import Calculator
from ..energies.relaxing import relax
from ..errors import ScreeningError
from ..executors import Executor, Task
from ..options import Option
from ..store import Store
from .common import Alive
from .elastic import STRAIN, elastic
from .keeping import put_stability, stability_of
from .phonons import DISPLACEMENT, LENGTH, MAX_ATOMS, THRESHOLD, phonons

STABILITY = {
    "phonons": Option(False, "dynamical stability by finite displacements"),
    "elastic": Option(False, "elastic stability and moduli"),
    "best": Option(10, "of the relaxed candidates without duplicates, by energy above the hull", 1, 10000),
    "length": Option(LENGTH, "Angstrom, width of the phonons' supercell", 2.0, 60.0),
    "max_atoms": Option(MAX_ATOMS, "of the phonons' supercell at most", 2, 2000),
    "displacement": Option(DISPLACEMENT, "Angstrom", 1e-4, 0.1),
    "threshold": Option(THRESHOLD, "THz; modes below minus this are imaginary", 0.0, 5.0),
    "strain": Option(STRAIN, "of the elastic constants", 1e-4, 0.05),
    "fmax": Option(0.02, "eV/A, to which a candidate is relaxed further before", 1e-4, 1.0),
    "steps": Option(300, "of that relaxation at most", 1, 10000),
    "seconds": Option(1800.0, "for one candidate, each of phonons and elastic constants", 1.0, 864000),
}


def checked(options: Mapping[str, Any], energy: Mapping[str, Any]) -> None:
    """ScreeningError where a plan asks for stability of what is not relaxed."""
    if (options["phonons"] or options["elastic"]) and not energy["relax"]:
        raise ScreeningError(
            "stability is that of relaxed candidates", where="[stability]", remedy="relax = true in [energy]"
        )


def kind_of(options: Mapping[str, Any], calculator: str) -> str:
    """What rows were made with: rows of other settings are made again."""
    return dumps([calculator, {k: v for k, v in options.items() if k not in ("best", "seconds")}])


def look(arrays: AtomArrays, calculator: Calculator, options: Mapping[str, Any], alive: Alive) -> dict[str, Any]:
    """Relax further, then phonons and elastic constants as the options say; what fails says why and spoils nothing
    else. Plain JSON, the columns of `keeping.COLUMNS` and details."""
    notes: list[str] = []
    found: dict[str, Any] = {}
    try:
        limits = {k: options[k] for k in ("fmax", "steps", "seconds")}
        # every step is a sign of life: many slow ones are no calculator that hangs
        rested = relax(calculator, arrays, **limits, watch=lambda frame: (alive(), True)[1])
        alive()
        arrays = rested.arrays
        found["relaxed_fmax"] = rested.fmax
        if not rested.converged:
            notes.append(f"relaxed to {rested.fmax:.3f} eV/A only")
    except Exception as error:  # a calculator may raise anything; the others go on
        return {"stability_note": f"relaxing further: {_said(error)}"}
    if options["phonons"]:
        try:
            p = phonons(
                arrays,
                calculator,
                **{k: options[k] for k in ("length", "max_atoms", "displacement", "threshold", "seconds")},
                alive=alive,
            )
            found |= {"phonon_stable": p.stable, "lowest_thz": p.lowest, "interpolated_thz": p.interpolated}
            found |= {
                "supercell": list(p.supercell),
                "at": list(p.at),
                "imaginary": p.imaginary,
                "phonon_calls": p.calls,
            }
            notes += [p.note] if p.note else []
        except Exception as error:
            notes.append(f"phonons: {_said(error)}")
    if options["elastic"]:
        try:
            e = elastic(
                arrays,
                calculator,
                strain=options["strain"],
                fmax=options["fmax"],
                seconds=options["seconds"],
                alive=alive,
            )
            found |= {"elastic_stable": e.stable, "lowest_gpa": e.lowest, "bulk_gpa": e.bulk, "shear_gpa": e.shear}
            found |= {"constants_gpa": e.constants.tolist(), "asymmetry_gpa": e.asymmetry, "stress_gpa": e.stress}
            notes += [e.note] if e.note else []
        except Exception as error:
            notes.append(f"elastic: {_said(error)}")
    return {**found, "stability_note": "; ".join(notes)}


def mark_stability(
    store: Store,
    executor: Executor,
    stop: threading.Event,
    options: Mapping[str, Any],
    calculator: str,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Look at the best candidates that were not looked at with these settings; returns at how many."""
    from ..exporting import UNIQUE, shortlist

    kind = kind_of(options, calculator)
    known = stability_of(store, kind)
    best = shortlist(store, options["best"], f"{UNIQUE} AND relaxed IS NOT NULL")
    missing = {c.id: c for c in best if c.id not in known}

    def tasks() -> Iterator[Task]:
        for i, c in missing.items():
            yield {"stability": [[i, arrays_to_dict(c.relaxed)]]}

    if missing:
        tell(0, len(missing))
    for k, (i, found) in enumerate(_results(executor.run(tasks(), stop))):
        c = missing[i]
        put_stability(store, (c.generator, c.seed, c.index), kind, found)
        tell(k + 1, len(missing))
    return len(missing)


def _results(stream: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for result in stream:
        if "stable" in result:
            yield result["stable"][0], result["stable"][1]
        elif "lost" in result:
            task, why = result["lost"]
            yield task["stability"][0][0], {"stability_note": str(why)}


def _said(error: Exception) -> str:
    text = one_line(error, 200) if str(error) else "no message"
    return text if isinstance(error, MotifDeskError) else f"{type(error).__name__}: {text}"
