"""Training on some real crystals and molecules: determinism, resumption after a kill, files and their errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from motifdesk.data import path
from motifdesk.networks import augment, checkpoint, heads
from motifdesk.networks.batch import collate
from motifdesk.networks.dataset import Dataset, development_split, load_arrays
from motifdesk.networks.encoder import Encoder, EncoderConfig
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.training import TrainConfig, train

ARRAYS = {name: path("corpora", f"{name}.npz") for name in ("mp_20", "perov_5", "qm9")}
ENCODER = EncoderConfig(
    channels=2, mix_aware=6, mix_blind=4, hidden_aware=24, out_aware=12, hidden_blind=12, out_blind=8
)
TINY = TrainConfig(epochs=2, structures=8, limit=24, warmup=4, checkpoint_steps=3, calibration=4, encoder=ENCODER)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Batches this small only lose by a second thread, badly so on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run: its folder, result and step records."""
    folder, records = tmp_path_factory.mktemp("whole"), []
    result = train(ARRAYS, folder, TINY, seed=5, progress=records.append)
    return folder, result, records


def test_training_lowers_the_loss_and_writes_what_it_promises(finished):
    folder, result, records = finished
    losses = [r["loss"] for r in records]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-6:]) < np.mean(losses[:6])
    files = ["CARD.md", "checkpoint.safetensors", "codec.safetensors", "log.jsonl"]
    assert sorted(p.name for p in folder.iterdir()) == files
    events = [json.loads(line).get("event") for line in (folder / "log.jsonl").read_text().splitlines()]
    assert events[0] == "start" and events[-1] == "final" and events.count("epoch") == 2
    card = (folder / "CARD.md").read_text()
    assert result["sha256"] in card and "composition ridge" in card and "band_gap (mp_20)" in card


def test_codes_of_the_training_set_are_standardised(finished):
    folder, _, _ = finished
    weights = checkpoint.load_weights(folder / "codec.safetensors")
    data = load_arrays(ARRAYS, TINY.limit)
    members = np.flatnonzero(~development_split(data.ids))
    with torch.no_grad():
        codes = weights.encoder(collate([data.triple(k) for k in members]))
    assert codes.mean(0).abs().max() < 1e-3
    varying = codes.std(0) > 0.5  # a component whose spread is below the floor is not blown up
    assert varying.float().mean() > 0.9
    assert torch.allclose(codes.std(0)[varying], torch.ones(int(varying.sum())), atol=1e-3)


def test_same_seed_same_weights_other_seed_other_weights(finished, tmp_path):
    _, result, _ = finished
    again = train(ARRAYS, tmp_path / "a", TINY, seed=5, progress=False)
    assert again["sha256"] == result["sha256"]
    other = train(ARRAYS, tmp_path / "b", replace(TINY, epochs=1), seed=6, progress=False)
    assert other["sha256"] != result["sha256"]


def test_resume_after_an_interruption_equals_the_uninterrupted_run(finished, tmp_path):
    _, result, records = finished

    class Killed(Exception):
        pass

    def kill(record):
        if record["step"] == 8:  # two steps past the last checkpoint
            raise Killed

    with pytest.raises(Killed):
        train(ARRAYS, tmp_path, TINY, seed=5, progress=kill)
    resumed = []
    again = train(ARRAYS, tmp_path, TINY, seed=5, progress=resumed.append)
    assert resumed[0]["step"] == 7 and resumed[-1]["step"] == records[-1]["step"]
    assert again["sha256"] == result["sha256"]


def test_resume_after_sigkill_equals_the_uninterrupted_run(finished, tmp_path):
    _, result, _ = finished
    script = textwrap.dedent(f"""
        import sys, time, torch
        torch.set_num_threads({torch.get_num_threads()})
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_networks_training import ARRAYS, TINY, train
        train(ARRAYS, {str(tmp_path)!r}, TINY, seed=5, progress=lambda r: time.sleep(0.2))
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "checkpoint.safetensors").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "codec.safetensors").exists()
    assert train(ARRAYS, tmp_path, TINY, seed=5, progress=False)["sha256"] == result["sha256"]


def test_finish_turns_a_checkpoint_into_weights(finished, tmp_path):
    folder, result, _ = finished
    (tmp_path / "checkpoint.safetensors").write_bytes((folder / "checkpoint.safetensors").read_bytes())
    assert train(ARRAYS, tmp_path, TINY, seed=5, progress=False, finish=True)["sha256"] == result["sha256"]
    with pytest.raises(NetworkError, match="no checkpoint to finish"):
        train(ARRAYS, tmp_path / "empty", TINY, progress=False, finish=True)


def test_a_checkpoint_of_other_settings_is_refused(finished):
    folder, _, _ = finished
    with pytest.raises(NetworkError, match="other rate, seed"):
        train(ARRAYS, folder, replace(TINY, rate=1e-3), seed=1, progress=False)


def test_development_split_is_the_rule_of_the_corpora_and_is_not_trained_on(finished):
    from motifdesk.structures.corpora import development_split as rule

    ids = load_arrays(ARRAYS, TINY.limit).ids
    assert np.array_equal(development_split(ids), rule(ids)) and 0 < development_split(ids).sum() < len(ids) // 5
    assert finished[1]["development_count"] == development_split(ids).sum()


@pytest.fixture(scope="module")
def data() -> Dataset:
    data = load_arrays(ARRAYS, 12)
    data.find_neighbours(2.6)
    return data


def test_cached_graphs_equal_a_fresh_search(data):
    index = np.array([0, 3, 25, 30])
    fast, slow = augment.plain_views(data, index, cutoff=2.6), collate([data.triple(k) for k in index])
    assert torch.equal(fast.edge_index, slow.edge_index) and torch.equal(fast.edge_shift, slow.edge_shift)
    assert torch.allclose(fast.edge_vec, slow.edge_vec, atol=1e-5) and torch.allclose(fast.scale, slow.scale)


def test_views_differ_by_the_step_they_state(data):
    index = np.arange(len(data))
    views = augment.make_views(data, index, np.random.default_rng(0), cutoff=2.6, sigma=(0.01, 0.01))
    assert views.graphs.num_graphs == 2 * len(index) and torch.isfinite(views.graphs.edge_vec).all()
    names = list(augment.STEPS)
    for k in range(len(index)):
        if names[views.kind[k]] == "all atoms":
            assert float(views.step[k]) == pytest.approx(0.01 / data.scale[k], rel=0.1)
    half = len(index)
    same = views.graphs.numbers[views.graphs.batch < half] == views.graphs.numbers[views.graphs.batch >= half]
    assert same.all()


def test_a_molecule_s_step_does_not_turn_or_move_it():
    rng, x = np.random.default_rng(2), np.random.default_rng(3).normal(size=(6, 3))
    d = augment._displacement(rng, "all atoms", np.ones(6, int), x, None)
    centred = x - x.mean(0)
    assert np.abs(d.sum(0)).max() < 1e-12 and np.abs(np.cross(centred, d).sum(0)).max() < 1e-9
    assert np.sqrt((d * d).sum(1).mean()) == pytest.approx(1.0)


def test_heads_follow_a_new_standardisation():
    torch.manual_seed(0)
    encoder = Encoder(ENCODER)
    head = heads.PropertyHeads(["band_gap"], ENCODER.width).eval()
    raw, fractions, volume = torch.randn(4, ENCODER.width), torch.rand(4, 118), torch.rand(4)
    old = torch.zeros(ENCODER.width), torch.ones(ENCODER.width)
    before = head(encoder.standardise(raw), fractions, volume)["band_gap"]
    new = torch.randn(ENCODER.width), torch.rand(ENCODER.width) + 0.5
    encoder.code_mean.copy_(new[0])
    encoder.code_std.copy_(new[1])
    head.follow_standardisation(old, new)
    assert torch.allclose(head(encoder.standardise(raw), fractions, volume)["band_gap"], before, atol=1e-4)


def test_shell_power_does_not_see_rotation():
    from motifdesk.networks.testing import random_rotation

    torch.manual_seed(0)
    encoder, rng = Encoder().double(), np.random.default_rng(0)
    x, turn = rng.normal(size=(7, 3)), random_rotation(rng)
    power = [
        heads.shell_power(encoder.convolve(collate([(np.full(7, 8), y, None)], dtype=torch.float64))[:, -1])
        for y in (x, x @ turn.T)
    ]
    assert power[0].shape == (7, 116) and torch.allclose(*power, atol=1e-10)


def test_element_families_cover_the_table():
    family = heads.element_groups()
    named = {11: 0, 57: 0, 26: 1, 77: 1, 13: 2, 14: 2, 6: 3, 1: 3, 8: 4, 16: 4, 9: 5, 53: 5, 54: 5}
    assert {z: int(family[z]) for z in named} == named


def corrupt(folder, tmp_path, change):
    tensors, meta = checkpoint.load_tensors(folder / "codec.safetensors")
    tensors, meta = change(tensors, meta)
    return checkpoint.save_tensors(tmp_path / "changed.safetensors", tensors, meta)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t, m: (t | {"encoder.code_mean": t["encoder.code_mean"] + 1}, m), "recorded sha256"),
        (lambda t, m: (t, m | {"format": "other"}), "format is 'other'"),
        (lambda t, m: (t, m | {"config": m["config"] | {"out_blind": 9}}), "has shape"),
        (lambda t, m: (t, m | {"config": m["config"] | {"layers": 9}}), "unknown settings"),
        (
            lambda t, m: (
                (u := {k: v for k, v in t.items() if k != "encoder.species"}),
                m | {"sha256": checkpoint.digest(u)},
            ),
            "missing",
        ),
        (
            lambda t, m: (
                (u := t | {"encoder.species": t["encoder.species"] * torch.nan}),
                m | {"sha256": checkpoint.digest(u)},
            ),
            "NaN",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(finished, tmp_path, change, message):
    with pytest.raises(NetworkError, match=message):
        checkpoint.load_weights(corrupt(finished[0], tmp_path, change))


def test_files_that_are_not_weights_are_refused(finished, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((finished[0] / "codec.safetensors").read_bytes()[:5000])
    for name, message in (
        (cut, "not a readable safetensors"),
        (tmp_path / "absent", "no such file"),
        (finished[0] / "checkpoint.safetensors", "not a checkpoint"),
    ):
        with pytest.raises(NetworkError, match=message):
            checkpoint.load_weights(name)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = checkpoint.write_atomically(tmp_path / "x", b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.os, "replace", fail)
    with pytest.raises(OSError):
        checkpoint.write_atomically(target, b"new")
    assert target.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_bad_corpora_are_named(tmp_path):
    with pytest.raises(NetworkError, match="no such file"):
        load_arrays({"x": tmp_path / "x.npz"})
    text = tmp_path / "text.npz"
    text.write_text("not an archive")
    with pytest.raises(NetworkError, match="text.npz"):
        load_arrays({"text": text})
    with pytest.raises(NetworkError, match="lacks"):
        load_arrays({"half": {"natoms": np.array([1]), "Z": np.array([6])}})


def test_networks_train_without_the_rest_of_the_house():
    script = (
        "import sys, motifdesk.networks.training; "
        "bad = [m for m in sys.modules if m.split('.')[0] in ('pymatgen', 'ase', 'sklearn', 'pandas') "
        "or m.startswith('motifdesk.structures')]; assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
