"""The experiments on the codec's layers: symmetries that hold untrained, laws that shipped weights know, training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from motifdesk.data import path
from motifdesk.networks import NetworkError
from motifdesk.networks.experiments import gravity, inertia, tetris, two_masses
from motifdesk.networks.experiments.points import built, parameters
from motifdesk.networks.experiments.rebuild import exactness, pairing, rebuild, rebuild_wall, wall
from motifdesk.networks.experiments.store import (
    NAMES,
    STEPS,
    Experiments,
    load_experiments,
    save_experiments,
    train_one,
)
from motifdesk.networks.motif_autoencoder import MotifAutoencoder, load_motif_weights
from motifdesk.networks.testing import random_rotation


@pytest.fixture(scope="module")
def shipped() -> Experiments:
    return load_experiments(path("weights", "experiments.safetensors"))


@pytest.fixture(scope="module")
def autoencoder() -> MotifAutoencoder:
    return load_motif_weights(path("weights", "motifs.safetensors"))[0]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# -- Tetris ------------------------------------------------------------------------------------------------------------


def test_every_piece_is_named_right_in_a_thousand_orientations_and_places(shipped: Experiments) -> None:
    table = tetris.confusion(shipped["tetris"], rotations=1000, seed=11)
    assert table.sum() == 8000
    assert tetris.accuracy(table) == 1.0


def test_a_baseline_of_like_size_knows_one_orientation_alone(shipped: Experiments) -> None:
    sizes = [parameters(shipped[name]) for name in ("tetris", "tetris_pointnet")]
    assert abs(sizes[0] - sizes[1]) < 0.1 * sizes[0]
    seen = tetris.classify(shipped["tetris_pointnet"], tetris.all_pieces())
    assert seen == list(tetris.NAMES)
    assert tetris.accuracy(tetris.confusion(shipped["tetris_pointnet"], rotations=100)) < 0.5
    turned = tetris.confusion(shipped["tetris_pointnet_turned"], rotations=100)
    assert 0.7 < tetris.accuracy(turned) < 0.97


def test_a_mirror_turns_one_hand_into_the_other_and_leaves_the_rest(shipped: Experiments) -> None:
    mirrored = tetris.classify(shipped["tetris"], tetris.all_pieces() * np.array([1.0, 1.0, -1.0]))
    assert mirrored[:2] == ["right hand", "left hand"]
    assert mirrored[2:] == list(tetris.NAMES[2:])


def test_scores_of_untrained_weights_do_not_feel_turns_but_mirrors() -> None:
    model = built(3, tetris.TetrisNet).eval()
    x = tetris.all_pieces()
    turn = random_rotation(np.random.default_rng(5))
    with torch.no_grad():
        one, other, mirror = (model(torch.from_numpy(y).float()) for y in (x, x @ turn.T + 3.0, -x))
    assert float((one - other).abs().max()) < 1e-4
    assert float((one - mirror).abs()[:2].max()) > 1e-3
    assert float((one - mirror).abs()[2:].max()) < 1e-4


def test_tetris_is_learned_from_eight_pictures_and_the_same_each_time() -> None:
    model, _ = tetris.train_tetris(steps=70, seed=5)
    assert tetris.accuracy(tetris.confusion(model, rotations=40)) == 1.0
    first, second, other = (tetris.train_tetris(steps=4, seed=seed)[1].losses for seed in (5, 5, 6))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


# -- gravity and inertia -----------------------------------------------------------------------------------------------


def test_gravity_is_below_the_published_loss_in_the_published_definition(shipped: Experiments) -> None:
    assert shipped.training["gravity"]["steps"] <= 1000
    assert gravity.validation_loss(shipped["gravity"], sets=200) < gravity.PUBLISHED / 10
    assert gravity.validation_loss(built(0, gravity.GravityNet).eval(), sets=20) > 100


def test_the_radial_function_of_gravity_is_newtons(shipped: Experiments) -> None:
    d = np.linspace(0.5, 3.5, 31)
    assert np.abs(shipped["gravity"].radial_function(d) * d * d - 1).max() < 0.05


def test_exact_accelerations_keep_the_momentum() -> None:
    x, m = gravity.random_masses(np.random.default_rng(2), 10)
    a = gravity.accelerations(x, m)
    assert np.abs((m[:, None] * a).sum(0)).max() < 1e-6
    assert gravity.accelerations(np.array([[0, 0, 0], [2.0, 0, 0]]), np.array([1.0, 3.0]))[0, 0] == pytest.approx(0.75)


def test_inertia_is_below_the_published_loss_in_the_published_definition(shipped: Experiments) -> None:
    assert shipped.training["inertia"]["steps"] <= 10_000
    assert inertia.validation_loss(shipped["inertia"], sets=1000) < inertia.PUBLISHED / 10
    assert inertia.validation_loss(built(0, inertia.InertiaNet).eval(), sets=50) > 1
    d = np.linspace(0.4, 1.4, 21)
    scalar, tensor = shipped["inertia"].radial_functions(d)
    assert np.abs(scalar - 2 / 3 * d**2).max() < 0.01
    assert np.abs(tensor + d**2).max() < 0.01


def test_learned_accelerations_and_inertia_turn_with_the_masses(shipped: Experiments) -> None:
    rng = np.random.default_rng(3)
    x, m = gravity.random_masses(rng, 10)
    turn = random_rotation(rng)
    a = shipped["gravity"].predict(x, m)
    assert np.abs(shipped["gravity"].predict(x @ turn.T, m) - a @ turn.T).max() < 1e-4 * np.abs(a).max()
    r, m = inertia.random_masses(rng)
    tensor = shipped["inertia"].predict(r, m)
    assert (
        np.abs(shipped["inertia"].predict(r @ turn.T, m) - turn @ tensor @ turn.T).max() < 1e-4 * np.abs(tensor).max()
    )
    assert np.abs(tensor - inertia.inertia(r, m)).max() < 0.01 * np.abs(tensor).max()


def test_short_trainings_lower_the_losses() -> None:
    model, _ = train_one("gravity", steps=150, seed=2)
    assert gravity.validation_loss(model, sets=30) < 300
    model, _ = train_one("inertia", steps=150, seed=2)
    assert inertia.validation_loss(model, sets=100) < 1


# -- two masses --------------------------------------------------------------------------------------------------------


def test_vectors_out_turn_with_vectors_in(shipped: Experiments) -> None:
    measured = two_masses.errors(shipped["two_masses"], count=300)
    assert measured["equivariance"] < 1e-5
    assert measured["turned"] == pytest.approx(measured["seen"], abs=1e-4)
    assert measured["seen"] < 0.08
    baseline = two_masses.errors(shipped["two_masses_perceptron"], count=300)
    assert baseline["seen"] < 0.08 and baseline["equivariance"] > 0.3


def test_two_masses_keep_momentum_and_energy() -> None:
    systems = two_masses.random_systems(20, np.random.default_rng(1))
    after = two_masses.later(systems)
    m = systems.masses[:, :, None]
    assert np.abs((m * after[:, :, 1]).sum(1) - (m * systems.velocities).sum(1)).max() < 1e-10

    def energy(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        apart = np.linalg.norm(x[:, 0] - x[:, 1], axis=-1)
        return 0.5 * (systems.masses * (v**2).sum(-1)).sum(1) - systems.masses.prod(1) / apart

    before = energy(systems.positions, systems.velocities)
    assert np.abs(energy(systems.positions + after[:, :, 0], after[:, :, 1]) - before).max() < 1e-6


# -- reduced to one point and created again ----------------------------------------------------------------------------


def test_pieces_come_back_from_one_point_in_any_orientation(autoencoder: MotifAutoencoder) -> None:
    found = exactness(autoencoder, rotations=12, seed=9)
    assert found["deviation"].max() < 1e-3
    assert (found["nearest"] == np.arange(8)).all()


def test_what_comes_back_has_the_hand_that_went_in(autoencoder: MotifAutoencoder, shipped: Experiments) -> None:
    turn = random_rotation(np.random.default_rng(4))
    pieces = [tetris.piece(name) @ turn.T for name in tetris.NAMES[:2]]
    back = rebuild(autoencoder, pieces)
    assert tetris.classify(shipped["tetris"], [one.points for one in back]) == ["left hand", "right hand"]
    # the hands' codes differ only in what a mirror changes: a length, a count or a species does not tell them
    assert pairing(pieces[0], pieces[1])[1] > 0.2


def test_a_wall_of_pieces_comes_back_from_one_point(autoencoder: MotifAutoencoder) -> None:
    rng = np.random.default_rng(6)
    pieces = [x @ random_rotation(rng).T for x in tetris.all_pieces()[:4]]
    node = wall(pieces, np.array([(4.0 * k, 0.5 * k, 0.0) for k in range(4)]))
    made, _, farthest = rebuild_wall(autoencoder, node)
    assert made.depth == 2 and farthest < 1e-3


# -- storing, bad input ------------------------------------------------------------------------------------------------


def test_networks_survive_the_disk(tmp_path, shipped: Experiments) -> None:
    assert set(shipped.models) == set(NAMES)
    assert {name: about["steps"] for name, about in shipped.training.items()} == STEPS
    again = load_experiments(save_experiments(tmp_path / "e.safetensors", shipped))
    assert again.digest == shipped.digest
    x = torch.from_numpy(tetris.all_pieces()).float()
    assert torch.equal(again["tetris"](x), shipped["tetris"](x))
    model = train_one("inertia", steps=2, seed=1)[0]
    few = Experiments({"inertia": model}, {"inertia": {"steps": 2}}, "")
    other = load_experiments(save_experiments(tmp_path / "f.safetensors", few))
    assert torch.equal(other["inertia"].reduce.radial_weights.weight, model.reduce.radial_weights.weight)


def test_damaged_and_foreign_weights_are_refused(tmp_path) -> None:
    with pytest.raises(NetworkError, match="no such file"):
        load_experiments(tmp_path / "none.safetensors")
    with pytest.raises(NetworkError, match="format"):
        load_experiments(path("weights", "codec.safetensors"))
    save_experiments(tmp_path / "x.safetensors", Experiments({}, {"moon": {}}, ""))
    with pytest.raises(NetworkError, match=r"\['moon'\]"):
        load_experiments(tmp_path / "x.safetensors")
    data = bytearray(path("weights", "experiments.safetensors").read_bytes())
    data[-5] ^= 0x10
    (tmp_path / "bad.safetensors").write_bytes(bytes(data))
    with pytest.raises(NetworkError, match="sha256"):
        load_experiments(tmp_path / "bad.safetensors")


def test_bad_input_is_refused_by_name(shipped: Experiments, autoencoder: MotifAutoencoder) -> None:
    two = [[0.0, 0, 0], [1.0, 0, 0]]
    with pytest.raises(NetworkError, match="gravity: has 1 points"):
        shipped["gravity"].predict([[0, 0, 0]], [1.0])
    with pytest.raises(NetworkError, match="coincide"):
        shipped["gravity"].predict([[0, 0, 0], [0, 0, 0]], [1.0, 1.0])
    with pytest.raises(NetworkError, match="mass 1 is -1.0"):
        shipped["gravity"].predict(two, [1.0, -1.0])
    with pytest.raises(NetworkError, match="reaches to 8"):
        shipped["gravity"].predict([[0, 0, 0], [9, 0, 0]], [1.0, 1.0])
    with pytest.raises(NetworkError, match="reaches to 3"):
        shipped["inertia"].predict([[0, 0, 4]], [1.0])
    with pytest.raises(NetworkError, match="shape"):
        shipped["inertia"].predict([1.0, 2.0], [1.0])
    with pytest.raises(NetworkError, match="point 1 is not finite"):
        tetris.classify(shipped["tetris"], [[[0, 0, 0], [np.nan, 0, 0], [1, 0, 0], [2, 0, 0]]])
    with pytest.raises(NetworkError, match="piece 0: has 5 points"):
        tetris.classify(shipped["tetris"], [np.arange(15.0).reshape(5, 3)])
    with pytest.raises(NetworkError, match="no piece is called 'O'"):
        tetris.piece("O")
    with pytest.raises(NetworkError, match="are 3 bodies"):
        two_masses.system([1, 1, 1], np.eye(3), np.eye(3))
    with pytest.raises(NetworkError, match="no rotation"):
        two_masses.system([1, 1], two, np.zeros((2, 3))).turned(np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(NetworkError, match="at most eight|At most eight"):
        rebuild(autoencoder, [np.random.default_rng(0).normal(size=(9, 3))])
    with pytest.raises(NetworkError, match="no network 'moon'"):
        shipped["moon"]
    with pytest.raises(NetworkError, match="no experiment"):
        train_one("moon")
    with pytest.raises(NetworkError, match="no training"):
        train_one("gravity", steps=0)
