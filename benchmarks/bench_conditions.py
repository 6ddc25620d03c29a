"""Whether generators deliver what they are asked for: hit rates of conditions, beside the same generator unasked.

``--limit`` candidates (default 12; a quarter of them by ``density``, whose decodes take a second) per condition. A
candidate hits when the *structure as proposed* is what was asked: its elements or reduced formula; its space group
within 0.05 Angstrom; the motif found in it by `motifdesk.find_motifs`; the property that the codec's heads predict for
it (the same heads guide the draws: agreement with itself, no proof of the property). One that could
not be made is a miss. ``unasked`` is the hit rate of the same generator without the condition, by the same test.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays, from_arrays, space_group
from motifdesk.structures.errors import MotifDeskError

Test = Callable[[AtomArrays], bool]
SYSTEMS = (["Na", "Ir", "O"], ["Ba", "Ti", "O"], ["Li", "Fe", "P", "O"])
FORMULAS = {"analogue": ("KCl", "SrTiO3", "LiCoO2"), "density": ("K1Cl1", "Sr1Ti1O3", "Li1Co1O2")}
GROUPS = (225, 166, 62)
BAND_GAP, FORMATION = [2.0, 4.0], [-3.0, -2.0]


def run(args: Any) -> dict[str, Any]:
    """Hit rates by generator and kind of condition."""
    import torch

    torch.set_num_threads(1)
    count = args.limit or 12
    rows: list[dict[str, Any]] = []
    for kind, base in (
        ("analogue", {"max_atoms": 12}),
        ("substitution", {"max_atoms": 12, "replace": 2}),
        ("density", {"max_atoms": 12, "proposals": 1}),
    ):
        few = max(2, count // 4) if kind == "density" else count  # a decode takes a second
        plain = _made({"kind": kind, **base, "count": few}, args.seed)
        for name, options, test in _conditions(kind):
            began = time.process_time()
            made = _made({"kind": kind, **base, **options, "count": few}, args.seed)
            row = {
                "generator": kind,
                "condition": name,
                "asked": options,
                "made": sum(a is not None for a in made),
                "hits": _share(made, test),
                "unasked": _share(plain, test),
                "cpu_s_each": (time.process_time() - began) / max(1, len(made)),
            }
            rows.append(row)
            print(row, flush=True)
    motif = {"formula": "IrO6", "sharing": "edge"}
    family = {"kind": "family", "family": "harmonic-honeycomb", "parameters": {"filler": ["Na", "Li"]}, "max_length": 3}
    made = _made({**family, "count": count}, args.seed)
    near = _made({"kind": "analogue", "chemical_system": ["Na", "Ir", "O"], "observed": 1, "count": count}, args.seed)
    rows.append(
        {
            "generator": "family",
            "condition": "motif",
            "asked": motif,
            "made": sum(a is not None for a in made),
            "hits": _share(made, _motif(motif)),
            "unasked": _share(near, _motif(motif)),  # of analogues in the chemical system
        }
    )
    print(rows[-1], flush=True)
    summary: dict[str, float] = {}
    for key in sorted({(r["generator"], r["condition"]) for r in rows}):
        mine = [r for r in rows if (r["generator"], r["condition"]) == key]
        summary[f"{key[0]}_{key[1]}"] = float(np.mean([r["hits"] for r in mine]))
        summary[f"{key[0]}_{key[1]}_unasked"] = float(np.mean([r["unasked"] for r in mine]))
    return {"summary": summary, "conditions": rows, "each": count}


def _conditions(kind: str) -> list[tuple[str, dict[str, Any], Test]]:
    """(name, options, test) of what a generator can be asked for."""
    bold = {"observed": 1, "draws": 1, "replace": 2} if kind == "analogue" else {}
    found: list[tuple[str, dict[str, Any], Test]] = [
        ("chemical_system", {"chemical_system": s, "max_atoms": 20, **bold}, _elements(s)) for s in SYSTEMS
    ]
    if kind == "substitution":
        return found
    found += [("formula", {"formula": f, **bold}, _formula(f)) for f in FORMULAS[kind]]
    found += [("space_group", {"space_group": g}, _group(g)) for g in GROUPS]
    return [
        *found,
        ("band_gap", {"band_gap": BAND_GAP, "draws": 16}, _predicted("band_gap", BAND_GAP)),
        (
            "formation_energy",
            {"formation_energy_per_atom": FORMATION, "draws": 16},
            _predicted("formation_energy_per_atom", FORMATION),
        ),
    ]


def _made(table: dict[str, Any], seed: int) -> list[AtomArrays | None]:
    from motifdesk.screening import make_generator

    try:
        generator = make_generator(table, seed)
    except MotifDeskError as error:  # it says at once that it cannot: nothing is made, and everything missed
        print(error, flush=True)
        return [None]
    return [c.arrays for c in generator]


def _share(made: list[AtomArrays | None], test: Test) -> float:
    return sum(a is not None and test(a) for a in made) / len(made)


def _elements(wanted: list[str]) -> Test:
    return lambda a: {e.symbol for e in from_arrays(a).composition.elements} == set(wanted)


def _formula(wanted: str) -> Test:
    from pymatgen.core import Composition

    asked = Composition(wanted).reduced_formula
    return lambda a: bool(from_arrays(a).composition.reduced_formula == asked)


def _group(wanted: int) -> Test:
    def test(a: AtomArrays) -> bool:
        try:
            return space_group(a, 0.05).number == wanted
        except MotifDeskError:
            return False

    return test


def _predicted(name: str, wanted: list[float]) -> Test:
    from motifdesk.screening.checks.wishes import the_codec

    codec = the_codec()
    return lambda a: bool(wanted[0] <= float(codec.predict(codec.encode([a], symmetry=False))[name][0]) <= wanted[1])


def _motif(wish: dict[str, Any]) -> Test:
    from motifdesk.screening import Checks
    from motifdesk.screening.candidate import Candidate
    from motifdesk.screening.checks.judging import CHECKS

    judge = Checks({"wish_motif": wish, "skip": [k for k in CHECKS if k != "wish_motif"]})
    return lambda a: judge(Candidate("x", 0, 0, {}, a)).status == "passed"
