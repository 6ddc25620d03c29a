"""Campaigns: nothing lost, nothing counted twice, and one bad candidate harms no other."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy
import pytest

from motifdesk.screening import Campaign, Generator, Plan, ScreeningError, Store
from motifdesk.screening.executors import Local
from motifdesk.structures import read

HERE = Path(__file__).parent
SUBSTITUTION = {"kind": "substitution", "name": "sub", "count": 40}


@pytest.fixture(autouse=True)
def calculators_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


def plan(folder, calculator="screening_calculators:Steady", generate=(SUBSTITUTION,), **campaign):
    return Plan.make(
        {
            "campaign": {"map": False, "batch": 4, "store": "it.sqlite", **campaign},
            "generate": list(generate),
            "checks": {"skip": ["motifs", "bond_valence", "novelty"]},
            "energy": {"calculator": calculator, "hull": False, "seconds": 20.0} if calculator else {},
        },
        folder,
    )


def rows(store):
    """Everything about the candidates but how long they took."""
    return [{**c.to_dict(), "seconds": 0} for c in store]


def test_workers_make_the_same_candidates_as_this_process(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    alone = Campaign(plan(tmp_path / "a"))
    assert alone.run(workers=0).complete
    many = Campaign(plan(tmp_path / "b"))
    outcome = many.run(workers=2)
    assert outcome.complete and outcome.made == 40
    assert rows(alone.store) == rows(many.store)
    assert sum(c.energy is not None for c in many.store) > 10


def test_a_killed_campaign_goes_on_and_counts_nothing_twice(tmp_path):
    text = """
        [campaign]
        store = "it.sqlite"
        map = false
        batch = 2
        [[generate]]
        kind = "substitution"
        name = "sub"
        count = 150
        [checks]
        skip = ["motifs", "bond_valence", "novelty", "composition"]
        [energy]
        calculator = "screening_calculators:Slow"
        hull = false
    """
    (tmp_path / "plan.toml").write_text(text)
    script = "import sys; from motifdesk.screening import Campaign; Campaign(sys.argv[1]).run(workers=2)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)])}
    command = [sys.executable, "-c", script, str(tmp_path / "plan.toml")]
    first = subprocess.Popen(command, env=environment)
    store = tmp_path / "it.sqlite"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if store.exists():
            try:
                with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
                    if db.execute("SELECT count(*) FROM candidates").fetchone()[0] >= 5:
                        break
            except sqlite3.Error:
                pass
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    campaign = Campaign(tmp_path / "plan.toml")
    before = {c.id: c.to_dict() for c in campaign.store}
    assert 5 <= len(before) < 150
    outcome = campaign.run(workers=2)
    assert outcome.complete and outcome.made == 150 - len(before)
    after = {c.id: c.to_dict() for c in campaign.store}
    assert sorted(int(i.rsplit("/")[-1]) for i in after) == list(range(150))
    assert all(after[i] == before[i] for i in before), "what was finished is not made again"
    again = campaign.run(workers=0)
    assert again.made == 0 and sum(again.counts.values()) == 150


def test_a_calculator_that_throws_hangs_dies_or_returns_nan_costs_only_its_own_candidates(tmp_path):
    family = {
        "kind": "family",
        "name": "halites",
        "family": "close-packing",
        "words": ["+"],
        "neutral": False,
        "parameters": {"centre": ["Mg", "Li", "Ca", "Na", "Sr", "K", "Ba", "Rb"], "a": 3.2},
    }
    p = plan(tmp_path, "screening_calculators:Troubled", [family], batch=8)
    checks = {"skip": ["composition", "contacts", "density", *p.checks["skip"]]}
    campaign = Campaign(Plan(p.campaign, p.generate, checks, {**p.energy, "seconds": 2.0}, tmp_path))
    assert campaign.run(workers=2).complete
    said = {c.recipe.get("centre", c.id): c for c in campaign.store}
    lost = {c.index: c.error for c in campaign.store if c.error}
    for metal in ("Mg", "Ca", "Sr", "Ba"):
        assert said[metal].status == "passed" and said[metal].energy is not None
    assert "the density did not converge" in lost[1]
    assert "time limit of 2 s" in lost[3]
    assert "nan" in lost[5]
    assert "died" in lost[7]
    assert sorted(lost) == [1, 3, 5, 7]


def test_cancel_stops_soon_and_the_rest_is_made_later(tmp_path):
    campaign = Campaign(plan(tmp_path, "screening_calculators:Slow"))
    seen = []

    def watch(progress):
        seen.append(progress)
        if progress.stage == "candidates" and progress.done >= 3:
            campaign.cancel()

    outcome = campaign.run(workers=0, progress=watch)
    assert not outcome.complete and 0 < len(campaign.store) < 40
    assert campaign.run(workers=0).complete and len(campaign.store) == 40
    assert seen[0].total == 40 and "of 40" in str(seen[-1])


def test_a_full_disk_stops_with_one_sentence_and_keeps_what_was_written(tmp_path):
    campaign = Campaign(plan(tmp_path, None))
    db = campaign.store._db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0] + 8}")
    with pytest.raises(ScreeningError, match="disk is full.*again"):
        for k in range(40):  # one candidate per transaction, as a slow campaign writes them
            campaign.store.put(campaign.generators[0].make(k))
    kept = len(campaign.store)
    assert 0 < kept < 40
    with pytest.raises(ScreeningError, match="disk is full"):
        campaign.run(workers=0)
    db.execute("PRAGMA max_page_count = 1000000")
    assert campaign.run(workers=0).complete and len(campaign.store) == 40


def test_two_campaigns_do_not_write_to_one_store(tmp_path):
    first = Campaign(plan(tmp_path, None))
    first.store.lock()
    second = Campaign(plan(tmp_path, None))
    with pytest.raises(ScreeningError, match="another campaign"):
        second.run(workers=0)
    first.close()
    assert second.run(workers=0).complete


def test_changed_options_are_refused_and_a_larger_count_goes_on(tmp_path):
    Campaign(plan(tmp_path, None)).run(workers=0)
    with pytest.raises(ScreeningError, match="other options"):
        Campaign(plan(tmp_path, None, [{**SUBSTITUTION, "max_atoms": 5}]))
    more = Campaign(plan(tmp_path, None, [{**SUBSTITUTION, "count": 50}]))
    assert more.run(workers=0).made == 10


def test_workers_that_cannot_start_end_the_campaign_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    local = Local(plan(tmp_path).spec, 2, 5.0)
    with pytest.raises(ScreeningError, match="do not start"):
        list(local.run([{"generator": "sub", "indices": [0]}], threading.Event()))
    local.close()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "no generator"),
        ({"generate": [{"kind": "nonsense"}]}, "nonsense"),
        ({"generate": [{"kind": "family", "famly": "x"}]}, "Did you mean 'family'"),
        ({"generate": [{"kind": "family", "family": "zeolite"}]}, "no family 'zeolite'"),
        ({"generate": [{"kind": "substitution"}]}, "count"),
        ({"generate": [{"kind": "substitution", "count": 0}]}, "count = 0"),
        ({"generate": [SUBSTITUTION, SUBSTITUTION]}, "two generators named sub"),
        ({"generate": [SUBSTITUTION], "checks": {"contact": {}}}, "Did you mean 'contacts'"),
        ({"generate": [SUBSTITUTION], "checks": {"contacts": {"shortest": "far"}}}, "shortest"),
        ({"generate": [SUBSTITUTION], "energy": {"relax": True}}, "relax without a calculator"),
        ({"generate": [SUBSTITUTION], "energy": {"fmax": float("nan")}}, "fmax"),
        ({"generate": [SUBSTITUTION], "campaign": {"workers": 1.5}}, "whole number"),
        ({"generate": [SUBSTITUTION], "screen": {}}, "no option 'screen'"),
        ({"generate": [{"kind": "modes", "structure": "none.cif"}]}, "none.cif"),
        ({"generate": [{**SUBSTITUTION, "count": 10**30}]}, "1,000,000,000"),
        ({"generate": [{**SUBSTITUTION, "structures": ["benzene.xyz"]}]}, "benzene.xyz.*molecule"),
        ({"generate": [{"kind": "analogue", "band_gap": [4, 2]}]}, "lower first"),
        ({"generate": [{"kind": "random", "formulas": ["Q9"], "count": 1}]}, "'Q9' is no formula"),
        ({"generate": [{"kind": "density", "formula": "Zz", "count": 1}]}, "'Zz' is no formula"),
        ({"generate": [SUBSTITUTION], "campaign": {"store": "a\0b"}}, "store"),
        ({"generate": [SUBSTITUTION], "energy": {"calculator": "chgnt"}}, "'chgnt' is unknown"),
        ({"generate": [SUBSTITUTION], "energy": {"calculator": "nowhere_at_all:X"}}, "no module 'nowhere_at_all'"),
        *(
            ({"generate": [SUBSTITUTION], "checks": checks}, words)
            for checks, words in (
                ({"skip": [["a"]]}, "no checks"),
                ({"density": {"packing": ["a", "b"]}}, "packing.*no range"),
                ({"density": {"low": 20.0, "high": 1.0}}, "low to high.*no range"),
                ({"symmetry": {"groups": [500]}}, "500 is no space group"),
                ({"symmetry": {"groups": ["Fm-3m"]}}, "'Fm-3m' is no space group"),
                ({"novelty": {"own": ["nowhere"]}}, "there is no 'nowhere'"),
                ({"novelty": {"corpora": ["mp20"]}}, "no corpus 'mp20'"),
                ({"wish_motif": {"formula": "IrO6", "sharing": "edges"}}, "orner, edge or face"),
                ({"wish_motif": {"formula": "6 oxygens"}}, "is no motif"),
                ({"wish_composition": {"contains": ["Xx"]}}, "no element 'Xx'"),
                ({"wish_composition": {"formula": "Xx2"}}, "'Xx2' is no formula"),
                ({"wish_properties": {"band_gap": [3, 1]}}, "lower first"),
            )
        ),
    ],
)
def test_a_bad_plan_is_refused_in_one_sentence(tmp_path, table, words):
    with pytest.raises(ScreeningError, match=words) as caught:
        Campaign(Plan.make(table, tmp_path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_plan_is_named(tmp_path):
    with pytest.raises(ScreeningError, match="no such plan"):
        Campaign(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[campaign\n")
    with pytest.raises(ScreeningError, match="bad.toml.*line 1"):
        Campaign(tmp_path / "bad.toml")


def test_a_store_opens_in_pandas_and_refuses_other_databases(tmp_path):
    import pandas

    Campaign(plan(tmp_path)).run(workers=0)
    with sqlite3.connect(tmp_path / "it.sqlite") as db:
        table = pandas.read_sql("SELECT * FROM candidates", db)
    assert len(table) == 40 and table["energy_per_atom"].notna().sum() > 10
    assert set(table["status"]) <= {"passed", "rejected", "error"}
    with sqlite3.connect(tmp_path / "other.sqlite") as db:
        db.execute("CREATE TABLE mine (a)")
    with pytest.raises(ScreeningError, match="no store"):
        Store(tmp_path / "other.sqlite")
    (tmp_path / "text.sqlite").write_text("not a database, only text " * 20)
    with pytest.raises(ScreeningError, match="not a store"):
        Store(tmp_path / "text.sqlite")


def test_figures_of_a_relaxed_candidate_are_those_of_where_it_ended(tmp_path):
    """EMT pulls a swollen copper crystal together: density and known name follow, the verdicts stay."""
    from motifdesk.structures import AtomArrays, write

    cell = 4.3 / 2 * numpy.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    write(AtomArrays([29], [[0, 0, 0]], cell), tmp_path / "cu.cif")
    table = {
        "campaign": {"map": False},
        "generate": [{"kind": "files", "files": [str(tmp_path / "cu.cif")]}],
        "checks": {"density": {"high": 8.0}},
        "energy": {"calculator": "ase.calculators.emt:EMT", "relax": True, "hull": False},
    }
    campaign = Campaign(Plan.make(table, tmp_path))
    campaign.run(workers=0)
    (c,) = campaign.store
    assert c.status == "passed" and c.energy.converged
    assert c.figures["density"] == pytest.approx(9.0, abs=0.3)  # 5.3 g/cm^3 as proposed
    assert c.figures["after_relaxing"].startswith("density: 9")


class Stumbling(Generator):
    """Its second candidate raises what no generator should."""

    def propose(self, index):
        if index == 1:
            raise AssertionError
        return read("NaCl.cif"), {"kind": "stumbling"}


def test_a_generator_of_ones_own_that_raises_costs_only_that_candidate(tmp_path):
    plan = Plan.make({"generate": [{"kind": "substitution", "count": 3}], "campaign": {"map": False}}, tmp_path)
    campaign = Campaign(plan, generators=[Stumbling("own", 0, 3, {})])
    assert campaign.run().complete
    assert [c.status for c in campaign.store] == ["passed", "error", "passed"]
    assert campaign.store.get("own", 0, 1).reason == "generator: AssertionError: no message"
