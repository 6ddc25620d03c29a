"""What goes wrong around a campaign: it stops with one sentence, or goes on without what was at fault."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ase.build import bulk

from motifdesk.screening import Campaign, Plan, ScreeningError
from motifdesk.screening.campaign import Progress
from motifdesk.screening.energies import make_calculator, relax
from motifdesk.screening.stability.judging import STABILITY, look
from motifdesk.structures import to_arrays, write

HERE = Path(__file__).parent
LAX = ["contacts", "density", "composition", "bond_valence", "novelty", "motifs"]


@pytest.fixture(autouse=True)
def calculators_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def salts(tmp_path):
    """Three files of rock salts, potassium chloride the first."""
    made = []
    for symbol, a in (("K", 6.29), ("Li", 5.14), ("Na", 5.64)):
        write(bulk(f"{symbol}Cl", "rocksalt", a=a), tmp_path / f"{symbol}Cl.cif")
        made.append(f"{symbol}Cl.cif")
    return made


def plan(folder, files, calculator="", **energy):
    table = {"calculator": calculator, "hull": False, **energy} if calculator else {}
    return Plan.make(
        {
            "campaign": {"map": False, "store": "it.sqlite", "workers": 0},
            "generate": [{"kind": "files", "files": list(files)}],
            "checks": {"skip": LAX},
            "energy": table,
        },
        folder,
    )


@pytest.mark.parametrize("optimiser", ["bfgs", "fire"])
@pytest.mark.parametrize("what", ["forces", "stress"])
def test_forces_and_stresses_of_a_wrong_shape_are_refused(what, optimiser):
    calculator = make_calculator({"calculator": "screening_calculators:Misshapen", "arguments": {"what": what}})
    with pytest.raises(ScreeningError, match=f"returned {what} of shape"):
        relax(calculator, to_arrays(bulk("Cu", "fcc", a=3.6)), optimiser=optimiser)


def test_an_energy_that_is_a_word_costs_its_own_candidate_and_not_the_batch(tmp_path, salts):
    campaign = Campaign(plan(tmp_path, salts, "screening_calculators:Wordy"))
    campaign.run()
    assert [c.status for c in campaign.store] == ["error", "passed", "passed"]
    assert "much" in campaign.store.get("files", 0, 0).error


@pytest.mark.parametrize("workers", [0, 1])
def test_a_calculator_that_does_not_start_stops_the_campaign_and_costs_no_candidate(tmp_path, salts, workers):
    campaign = Campaign(plan(tmp_path, salts, "screening_calculators:Unlicensed"))
    with pytest.raises(ScreeningError, match="Unlicensed does not start: OSError: no licence.*goes on"):
        campaign.run(workers=workers)
    assert len(campaign.store) == 0


def test_every_step_of_relaxing_before_phonons_is_a_sign_of_life():
    options = {k: o.default for k, o in STABILITY.items()}
    calculator = make_calculator({"calculator": "screening_calculators:Slope", "arguments": {"steepness": 0.5}})
    signs = []
    look(to_arrays(bulk("Cu", "fcc", a=3.6)), calculator, {**options, "steps": 4}, lambda: signs.append(1))
    assert len(signs) >= 5


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"energy": {"calculator": 3}}, "calculator = 3 is no text"),
        ({"energy": {"calculator": ["chgnet"]}}, "is no text"),
        ({"campaign": {"scheduler": 3}}, "scheduler = 3 is no text"),
        ({"generate": [{"kind": "files", "files": ["NaCl.cif"], "seed": 2**64}]}, "seed = 18446744073709551616"),
        ({"generate": [{"kind": "family", "family": "perovskite", "parameters": {"a": []}}]}, "a has no values"),
    ],
)
def test_values_of_a_wrong_kind_are_refused_in_one_sentence(tmp_path, table, words):
    with pytest.raises(ScreeningError, match=words):
        Campaign(Plan.make({"generate": [{"kind": "files", "files": ["NaCl.cif"]}], **table}, tmp_path))


def _until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_without_dask_workers_a_campaign_can_be_cancelled_and_a_lost_scheduler_is_said(tmp_path, salts):
    pytest.importorskip("distributed")
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1"]
        + ["--scheduler-file", str(tmp_path / "at.json")],
        stderr=subprocess.DEVNULL,
    )
    try:
        _until(lambda: (tmp_path / "at.json").exists() and "tcp://" in (tmp_path / "at.json").read_text())
        import json

        address = json.loads((tmp_path / "at.json").read_text())["address"]
        campaign = Campaign(plan(tmp_path, salts))
        threading.Timer(1.0, campaign.cancel).start()
        assert not campaign.run(scheduler=address).complete
        threading.Timer(1.0, process.kill).start()
        with pytest.raises(ScreeningError, match="scheduler is gone.*goes on"):
            campaign.run(scheduler=address)
        assert len(campaign.store) == 0
    finally:
        process.kill()
        process.wait()
    assert campaign.run(workers=0).complete and len(campaign.store) == 3


def test_progress_begins_before_the_first_candidate_is_done_and_slow_ones_are_counted_by_the_minute(tmp_path, salts):
    campaign = Campaign(plan(tmp_path, salts))
    seen = []
    campaign.run(progress=seen.append)
    assert (seen[0].stage, seen[0].done, seen[0].left) == ("candidates", 0, None)
    assert str(seen[0]) == "0 of 3"
    assert "3.0/min, 1:40 left" in str(Progress("candidates", 1, 6, {"passed": 1}, 0.05, 100.0))
