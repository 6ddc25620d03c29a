"""The missing-atom network: votes turn with the structure, learn a simple rule, resume exactly, refuse bad input."""

import numpy as np
import pytest
import torch

from motifdesk.networks.batch import collate
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing import MissingAtom, MissingConfig, count_votes
from motifdesk.networks.missing_data import Molecules, hole_batch, hole_list, molecules, offsets, remove
from motifdesk.networks.missing_training import MissingTraining, evaluate_missing, load_missing, train_missing
from motifdesk.networks.testing import random_rotation

SMALL = MissingConfig(layers=2, multiplicities=(8, 4, 2), hidden=8, radial=6)
WATER = (np.array([8, 1, 1]), np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]), None)
SALT = (np.array([6, 8]), np.array([[0.0, 0, 0], [2.0, 2.0, 2.0]]), 4.0 * np.eye(3))


_METHANE = np.concatenate([np.zeros((1, 3)), 0.63 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])])


def _methane(rng) -> tuple:
    return np.array([6, 1, 1, 1, 1]), _METHANE @ random_rotation(rng).T + rng.normal(size=3), None


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return MissingAtom(SMALL).double().eval()


@pytest.mark.parametrize("structure", [WATER, SALT], ids=["molecule", "crystal"])
def test_votes_turn_with_the_structure(network, structure):
    z, x, cell = structure
    rng = np.random.default_rng(0)
    turn = -random_rotation(rng)  # with an inversion
    order = rng.permutation(len(z))
    moved = (x @ turn.T + rng.normal(size=3))[order]
    turned = None if cell is None else np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]) @ cell @ turn.T
    with torch.no_grad():
        plain = network(collate([structure], cutoff=SMALL.cutoff, dtype=torch.float64))
        other = network(collate([(z[order], moved, turned)], cutoff=SMALL.cutoff, dtype=torch.float64))
    assert torch.allclose(other.displacement, plain.displacement[order] @ torch.from_numpy(turn.T), atol=1e-10)
    for name in ("confidence", "log_width", "types"):
        assert torch.allclose(getattr(other, name), getattr(plain, name)[order], atol=1e-10), name


def test_a_hole_is_seen_through_the_nearest_image():
    left, offset, kind, scale = remove(SALT, 1)
    assert kind == 8 and len(left[0]) == 1
    assert np.linalg.norm(offset[0]) * scale == pytest.approx(np.sqrt(12.0))
    cell = np.array([[4.0, 0, 0], [3.9, 1.0, 0], [0, 0, 4.0]])  # skewed: the nearest image is not the rounded one
    found = offsets(np.zeros((1, 3)), np.array([2.0, 0.5, 0.0]), cell)
    images = np.array(
        [[2.0, 0.5, 0] + np.array([i, j, k]) @ cell for i in range(-3, 4) for j in range(-5, 6) for k in (-1, 0, 1)]
    )
    assert np.linalg.norm(found[0]) == pytest.approx(np.linalg.norm(images, axis=1).min())


def test_the_peak_of_the_votes_wins_over_their_mean():
    places = torch.tensor([[0.0, 0, 0], [0.02, 0, 0], [3.0, 0, 0]])
    weight = torch.tensor([0.35, 0.35, 0.30])
    width = torch.tensor([0.05, 0.05, 0.5])
    types = torch.log(torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]))
    found = count_votes(places, weight, width, types, reach=0.25)
    assert found.position == pytest.approx(torch.tensor([0.01, 0, 0]))
    assert found.confidence == pytest.approx(0.7) and int(found.species.argmax()) == 0
    assert found.species.sum() == pytest.approx(1.0)


def test_it_learns_where_the_atoms_of_methane_belong(tmp_path):
    rng = np.random.default_rng(0)
    data = Molecules([_methane(rng) for _ in range(24)], [str(k) for k in range(24)])
    config = MissingTraining(epochs=40, batch=60, rate=1e-2, warmup=5, average=0.9, network=SMALL)
    model = train_missing(data, tmp_path, config, progress=False)
    fresh = Molecules([_methane(rng) for _ in range(8)], [str(k) for k in range(8)])
    figures = evaluate_missing(model, fresh)
    assert figures["holes"] == 40 and figures["element"] == 1.0
    assert figures["mae"] < evaluate_missing(MissingAtom(SMALL), fresh)["mae"] / 3
    loaded, about = load_missing(tmp_path / "missing.safetensors")
    assert evaluate_missing(loaded, fresh) == figures
    assert about["structures"] == 24 and about["holes"] == 120


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    rng = np.random.default_rng(0)
    data = Molecules([_methane(rng) for _ in range(12)], [str(k) for k in range(12)])
    config = MissingTraining(epochs=4, batch=6, checkpoint_steps=3, warmup=2, network=SMALL)
    whole = train_missing(data, tmp_path / "whole", config, progress=False)

    class Killed(Exception):
        pass

    def kill(entry: dict) -> None:
        if entry["step"] == 8:
            raise Killed

    with pytest.raises(Killed):
        train_missing(data, tmp_path / "cut", config, progress=kill)
    resumed = train_missing(data, tmp_path / "cut", config, progress=False)
    for (name, a), (_, b) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    with pytest.raises(NetworkError, match="other seed"):
        train_missing(data, tmp_path / "cut", config, seed=1, progress=False)


def test_bad_input_is_told(network, tmp_path):
    with pytest.raises(NetworkError, match=r"\[9\] are unknown"):
        network(collate([(np.array([9, 1]), np.array([[0.0, 0, 0], [0.9, 0, 0]]), None)], dtype=torch.float64))
    alone = Molecules([(np.array([6]), np.zeros((1, 3)), None)], ["C"])
    assert not len(hole_list(alone))
    with pytest.raises(NetworkError, match="no structure has two atoms"):
        train_missing(alone, tmp_path, progress=False)
    with pytest.raises(NetworkError, match="no structure has two atoms"):
        evaluate_missing(network, alone)
    with pytest.raises(NetworkError, match="no array 'Z'"):
        molecules({"natoms": np.array([1]), "gdb_id": np.array([1]), "pos_1e5A": np.zeros((1, 3))})
    with pytest.raises(NetworkError, match="3 atoms are announced, 2"):
        molecules({"natoms": [3], "gdb_id": [1], "Z": [1, 1], "pos_1e5A": np.zeros((2, 3))})
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(NetworkError, match="no.safetensors"):
        load_missing(tmp_path / "no.safetensors")


def test_batches_of_holes_are_graphs_of_what_is_left():
    graphs, holes = hole_batch([WATER, SALT], [0, 0], cutoff=2.2)
    assert graphs.natoms.tolist() == [2, 1] and holes.species.tolist() == [8, 6]
    assert holes.offset.shape == (3, 3)
