"""A campaign on Dask: two worker processes, one of them killed in the middle."""

import os
import signal
from pathlib import Path

import pytest

from motifdesk.screening import Campaign, Plan, ScreeningError

HERE = Path(__file__).parent


def plan(folder, calculator):
    return Plan.make(
        {
            "campaign": {"map": False, "batch": 3},
            "generate": [{"kind": "substitution", "name": "sub", "count": 90}],
            "checks": {"skip": ["motifs", "bond_valence", "novelty", "composition"]},
            "energy": {"calculator": f"screening_calculators:{calculator}", "hull": False, "seconds": 60.0},
        },
        folder,
    )


def test_a_worker_killed_in_the_middle_loses_nothing_and_nothing_counts_twice(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "dask").mkdir()
    (tmp_path / "home").mkdir()
    campaign = Campaign(plan(tmp_path / "dask", "Slow"))
    killed = []
    put = []
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        pids = sorted(client.run(os.getpid).values())
        assert len(pids) == 2

        def watch(progress):
            if progress.stage == "candidates" and progress.done >= 6 and not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        write = campaign.store.put
        monkeypatch.setattr(campaign.store, "put", lambda cs: (put.extend(c.id for c in cs), write(cs)))
        outcome = campaign.run(scheduler=client, progress=watch)
        assert killed and killed[0] not in client.run(os.getpid).values()
    assert outcome.complete and outcome.made == 90
    assert sorted(put) == sorted(set(put)), "a result came twice"
    assert sorted(c.index for c in campaign.store) == list(range(90))
    home = Campaign(plan(tmp_path / "home", "Steady"))
    home.run(workers=0)
    here = {c.id: c.to_dict() for c in home.store}
    for c in campaign.store:
        assert {**c.to_dict(), "seconds": 0, "energy": 0} == {**here[c.id], "seconds": 0, "energy": 0}
        assert (c.energy is None) == (here[c.id]["energy"] is None)


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    from motifdesk.screening import executors

    monkeypatch.setattr(executors, "PATIENCE", "2s")
    monkeypatch.syspath_prepend(str(HERE))
    with pytest.raises(ScreeningError, match="no Dask scheduler.*127.0.0.1:9|127.0.0.1:9.*no Dask scheduler"):
        Campaign(plan(tmp_path, "Steady")).run(scheduler="tcp://127.0.0.1:9")
