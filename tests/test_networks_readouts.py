"""Read-outs of codes: they learn what codes hold, are files without surprises, and stay with their encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from motifdesk.codec import Codec, load_codec
from motifdesk.networks.checkpoint import load_tensors, save_tensors
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.readouts import Readout, load_readouts, save_readouts, train_readout
from motifdesk.structures import read
from motifdesk.structures.corpora import corpus


@pytest.fixture(scope="module")
def codec():
    return load_codec(device="cpu")


def sample(rng, rows=400):
    inputs = {
        "geometry": rng.normal(size=(rows, 384)) * (np.arange(384) < 6),
        "fractions": rng.dirichlet(np.ones(118), size=rows),
        "log_volume": rng.normal(2.7, 0.3, size=rows),
    }
    return inputs, inputs["geometry"][:, :1] * 2.0 + 5.0


def output(model, inputs):
    return model(*(torch.from_numpy(inputs[k]).float() for k in ("geometry", "fractions", "log_volume"))).numpy()


def test_it_learns_and_the_same_seed_gives_the_same_weights():
    rng = np.random.default_rng(0)
    inputs, targets = sample(rng)
    asked, truth = sample(rng, 200)
    made = [train_readout(inputs, targets, ["x"], "value", epochs=20, rows=32, seed=s) for s in (1, 1, 2)]
    error = np.abs(output(made[0], asked) - truth).mean()
    assert error < 0.5 * np.abs(truth - np.median(targets)).mean()
    states = [m.state_dict() for m in made]
    assert all(torch.equal(v, states[1][k]) for k, v in states[0].items())
    assert not torch.equal(states[0]["mlp.0.weight"], states[2]["mlp.0.weight"])


def test_unknown_labels_are_left_out():
    rng = np.random.default_rng(0)
    inputs, targets = sample(rng, 200)
    both = np.concatenate([targets, targets], axis=1)
    both[::2, 1] = np.nan
    made = train_readout(inputs, both, ["a", "b"], "value", epochs=30, rows=16)
    assert np.isfinite(output(made, inputs)).all()
    assert np.corrcoef(output(made, inputs)[::2, 1], targets[::2, 0])[0, 1] > 0.7


def test_shares_are_never_negative():
    model = Readout(["octahedron"], "share").eval()
    with torch.no_grad():
        assert (model(torch.randn(50, 384) * 5, torch.zeros(50, 118), torch.zeros(50)) >= 0).all()


def test_bad_requests_name_themselves():
    inputs, targets = sample(np.random.default_rng(0), 20)
    with pytest.raises(NetworkError, match="kind"):
        Readout(["x"], "guess")
    with pytest.raises(NetworkError, match="targets"):
        train_readout(inputs, targets[:10], ["x"], "value")


def test_files_come_back_and_damage_is_told(tmp_path):
    model = Readout(["x", "y"], "share").eval()
    file = tmp_path / "readouts.safetensors"
    save_readouts(file, {"motifs": model}, "abc", {"seed": 0})
    made, metadata = load_readouts(file)
    assert metadata["encoder"] == "abc" and made["motifs"].names == ("x", "y")
    assert all(torch.equal(v, made["motifs"].state_dict()[k]) for k, v in model.state_dict().items())
    tensors, head = load_tensors(file)
    tensors["motifs.mean"] += 1.0
    save_tensors(file, tensors, head)
    with pytest.raises(NetworkError, match="sha256"):
        load_readouts(file)
    save_tensors(file, tensors, {"format": "other"})
    with pytest.raises(NetworkError, match="format"):
        load_readouts(file)


def test_the_bundled_read_outs_stay_with_their_encoder(codec):
    code = codec.encode(read("rutile-TiO2.cif", cell="primitive"))
    assert "energy_above_hull" in codec.predict(code) and codec.predict_motifs(code)
    untrained = Codec.untrained()
    assert untrained.predict_motifs(untrained.encode(read("Si.cif"))) == {}


def test_motifs_are_read_from_the_root_alone(codec):
    structure = read("rutile-TiO2.cif", cell="primitive")
    made = {k: float(v[0]) for k, v in codec.predict_motifs(codec.encode(structure)).items()}
    density = 1000.0 * 2 / structure.volume  # two TiO6 octahedra a cell
    assert max(made, key=made.get) == "octahedron" and made["octahedron"] == pytest.approx(density, rel=0.35)
    silicon = {k: float(v[0]) for k, v in codec.predict_motifs(codec.encode(read("Si.cif"))).items()}
    assert max(silicon, key=silicon.get) == "tetrahedron"
    assert all(np.isnan(v).all() for v in codec.predict_motifs(codec.encode(read("benzene.xyz"))).values())


def test_held_out_energies_above_the_hull_are_better_than_their_median(codec):
    table = corpus("mpts_52")
    rows = np.flatnonzero(table.development)[:120]
    truth = table.labels["energy_above_hull"][rows]
    made = codec.predict(codec.encode([table[int(k)] for k in rows], symmetry=False))["energy_above_hull"]
    assert (made >= 0).all()
    middle = np.median(table.labels["energy_above_hull"][~table.development])
    assert np.abs(made - truth).mean() < 0.9 * np.abs(truth - middle).mean()
