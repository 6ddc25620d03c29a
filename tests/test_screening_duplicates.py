"""Duplicates: what relaxes into one structure is marked, and the prefilter loses nothing that the matcher finds."""

from __future__ import annotations

import threading

import numpy as np
from ase.calculators.emt import EMT

from benchmarks.bench_screening import prefilter
from motifdesk.screening import Campaign, Candidate, Generator, Plan, Store
from motifdesk.screening.energies.calculators import AseCalculator
from motifdesk.screening.finishing import mark_duplicates
from motifdesk.structures import AtomArrays, read, to_arrays


class Shaken(Generator):
    """Copper in one cell, stretched so differently that no two proposals are the same crystal."""

    OPTIONS = {}

    def most(self):
        return 4

    def propose(self, index):
        stretch = [(1.0, 1.0, 1.0), (1.25, 0.95, 0.95), (0.9, 1.0, 1.3), (1.0, 1.0, 1.0)][index]
        numbers = [29, 29, 29, 29] if index < 3 else [47, 47, 47, 47]
        places = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
        return AtomArrays(numbers, np.array(places) @ (cell := 3.7 * np.diag(stretch)), cell), {
            "stretch": list(stretch)
        }


def campaign_of(tmp_path, relax):
    plan = Plan.make(
        {
            "campaign": {"map": False, "store": f"{relax}.sqlite", "primitive": False},
            "checks": {"skip": ["motifs", "bond_valence", "novelty", "composition", "contacts", "density"]},
            "energy": {"calculator": "ase.calculators.emt:EMT", "relax": relax, "hull": False, "steps": 300},
        },
        tmp_path,
    )
    generators = [Shaken("shaken", 0, None, {})]
    return Campaign(plan, generators=generators, calculator=AseCalculator(EMT, "emt"))


def test_what_relaxes_into_one_crystal_is_marked_and_what_does_not_stays(tmp_path):
    before, after = campaign_of(tmp_path, False), campaign_of(tmp_path, True)
    assert before.run().duplicates == 0, "as proposed they are different crystals"
    outcome = after.run()
    same = {c.index: c.figures.get("duplicate_of") for c in after.store}
    assert same == {0: None, 1: "shaken/0/0", 2: "shaken/0/0", 3: None} and outcome.duplicates == 2
    assert after.run().duplicates == 2, "said again, not counted twice"


def test_the_relaxed_structure_decides_even_against_the_proposed_one(tmp_path):
    rutile, anatase = to_arrays(read("rutile-TiO2.cif")), to_arrays(read("anatase-TiO2.cif"))
    with Store(tmp_path / "s.sqlite") as store:
        store.put([Candidate("g", 0, 0, {}, anatase, rutile), Candidate("g", 0, 1, {}, anatase, anatase)])
        store.put(Candidate("g", 0, 2, {}, rutile, anatase))
        assert mark_duplicates(store, threading.Event()) == 1
        found = {c.index: c.figures.get("duplicate_of") for c in store}
    assert found == {0: None, 1: None, 2: "g/0/1"}


def test_the_prefilter_keeps_what_the_full_matcher_calls_the_same():
    found = prefilter(160, seed=3)
    assert found["same"] > 60 and found["recall"] >= 0.99
