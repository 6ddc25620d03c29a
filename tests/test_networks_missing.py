"""The missing-atom network: votes turn with the structure, learn a simple rule, resume exactly, refuse bad input."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from e3nn import o3

from motifdesk.networks.batch import collate
from motifdesk.networks.convolution import Convolution, Edges
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing import MissingAtom, MissingConfig
from motifdesk.networks.missing_data import (
    Molecules,
    crystals,
    graphs_of,
    hole_batch,
    hole_list,
    molecules,
    offsets,
    remove,
)
from motifdesk.networks.missing_propose import propose
from motifdesk.networks.missing_training import MissingTraining, evaluate_missing, load_missing, train_missing
from motifdesk.networks.missing_voids import voids
from motifdesk.networks.missing_votes import count_votes, nearest_image
from motifdesk.networks.testing import random_rotation

SMALL = MissingConfig(layers=2, multiplicities=(8, 4, 2), hidden=8, radial=6, wide=24)
WATER = (np.array([8, 1, 1]), np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]), None)
SALT = (np.array([6, 8]), np.array([[0.0, 0, 0], [2.0, 2.0, 2.0]]), 4.0 * np.eye(3))


_METHANE = np.concatenate([np.zeros((1, 3)), 0.63 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])])


def _methane(rng) -> tuple:
    return np.array([6, 1, 1, 1, 1]), _METHANE @ random_rotation(rng).T + rng.normal(size=3), None


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return MissingAtom(SMALL).double().eval()


def _mixture(votes, places, scale, points):
    """The mixture at ``points [P, 3]`` (Angstrom), element by element: what the votes say, whatever their order."""
    at = places[:, None] + votes.displacement.numpy() * scale
    weight = votes.confidence.flatten().softmax(0).numpy()
    width = votes.log_width.exp().flatten().numpy() * scale
    squared = ((points[:, None] - at.reshape(1, -1, 3)) ** 2).sum(-1)
    return (weight * np.exp(-0.5 * squared / width**2) / width**3) @ votes.types.exp().flatten(0, 1).numpy()


@pytest.mark.parametrize("inverted", [1, -1], ids=["turned", "mirrored"])
def test_votes_turn_with_the_structure(network, inverted):
    z, x, _ = WATER
    x = np.concatenate([x, [[-0.5, -0.6, 0.9]]])  # no symmetry of its own
    z = np.append(z, 6)
    rng = np.random.default_rng(0)
    turn = inverted * random_rotation(rng)
    order = rng.permutation(len(z))
    points = rng.normal(size=(40, 3))
    with torch.no_grad():
        batch, (places,) = graphs_of([(z, x, None)], SMALL, dtype=torch.float64)
        plain = _mixture(network(batch), places, 2.0, points)
        batch, (places,) = graphs_of([(z[order], (x @ turn.T)[order], None)], SMALL, dtype=torch.float64)
        other = _mixture(network(batch), places, 2.0, points @ turn.T)
    assert plain.max() > 1e-6
    np.testing.assert_allclose(other, plain, rtol=1e-6, atol=1e-12)


def test_the_two_votes_of_a_pair_are_mirror_images_where_the_structure_has_a_mirror(network):
    """Above or below the plane of water: one vector alone would have to lie in it."""
    votes = network(graphs_of([WATER], SMALL, dtype=torch.float64)[0])
    places = votes.displacement.detach().view(3, SMALL.pairs, 2, 3)
    confidence = votes.confidence.detach().view(3, SMALL.pairs, 2)
    assert places[..., 2].abs().max() > 1e-4
    assert torch.allclose(places[:, :, 0, :2], places[:, :, 1, :2], atol=1e-10)
    assert torch.allclose(places[:, :, 0, 2], -places[:, :, 1, 2], atol=1e-10)
    assert torch.allclose(confidence[..., 0], confidence[..., 1], atol=1e-10)


def test_a_crystal_is_answered_alike_in_any_cell_of_it(crystal_network):
    z, x, cell = np.array([11, 17, 11]), np.array([[0.0, 0, 0], [2.1, 2.0, 1.9], [2.2, 0, 0.3]]), 4.0 * np.eye(3)
    skewed = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]) @ cell
    turn = random_rotation(np.random.default_rng(3))
    moved = (x + np.array([[1.0, 0, 0], [0, -1, 1], [0, 0, 0]]) @ cell) @ turn.T
    guesses = propose(crystal_network, (z, x, cell), 3, least=0.0)
    others = propose(crystal_network, (z, moved, skewed @ turn.T), 3, least=0.0)
    for a, b in zip(guesses, others, strict=True):
        assert a.confidence == pytest.approx(b.confidence, rel=1e-3)
        delta = nearest_image(a.position - b.position @ turn, cell)
        assert np.linalg.norm(delta) < 5e-3


@pytest.fixture(scope="module")
def crystal_network():
    torch.manual_seed(2)
    config = MissingConfig(layers=2, multiplicities=(8, 4, 2), hidden=8, wide=16, voids=True, elements=(11, 17))
    return MissingAtom(config).eval()


def test_a_hole_is_seen_through_all_its_near_images():
    left, hole, kind = remove(SALT, 1)
    assert kind == 8 and len(left[0]) == 1
    found = offsets(left[1], hole, left[2])
    assert found.shape == (1, 8, 3)
    # the corners of the cube around the atom
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), np.sqrt(12.0))
    assert len({tuple(np.round(v, 6)) for v in found[0]}) == 8
    cell = np.array([[4.0, 0, 0], [3.9, 1.0, 0], [0, 0, 4.0]])  # skewed: the nearest image is not the rounded one
    near = offsets(np.zeros((1, 3)), np.array([2.0, 0.5, 0.0]), cell)
    images = np.array(
        [[2.0, 0.5, 0] + np.array([i, j, k]) @ cell for i in range(-3, 4) for j in range(-5, 6) for k in (-1, 0, 1)]
    )
    assert np.linalg.norm(near[0, 0]) == pytest.approx(np.linalg.norm(images, axis=1).min())


def test_the_middle_of_an_empty_octahedron_is_a_void():
    """SrTiO3 without titanium: every atom left sits on a centre of inversion and can point nowhere."""
    a = 3.905
    x = a * np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    rng = np.random.default_rng(5)
    turn, shift = random_rotation(rng), rng.normal(size=3)
    scale = a / 4 ** (1 / 3)
    found = voids(x @ turn.T + shift, a * np.eye(3) @ turn.T, scale)
    middle = a * np.array([0.5, 0.5, 0.5]) @ turn.T + shift
    away = np.linalg.norm(nearest_image(found - middle, a * np.eye(3) @ turn.T), axis=1)
    assert away.min() < 1e-3


def test_the_peak_of_the_votes_wins_over_their_mean():
    places = np.array([[0.0, 0, 0], [0.02, 0, 0], [3.0, 0, 0]])
    weight = np.array([0.35, 0.35, 0.30])
    width = np.array([0.05, 0.05, 0.3])
    types = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    first, second = count_votes(places, weight, width, types, reach=0.25, most=5)
    np.testing.assert_allclose(first.position, [0.01, 0, 0], atol=1e-12)
    assert first.confidence == pytest.approx(0.7) and first.species.argmax() == 0
    assert first.species.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(second.position, [3.0, 0, 0])
    assert second.confidence == pytest.approx(0.3) and second.species.argmax() == 1


def test_votes_on_either_side_of_a_face_of_the_cell_are_one_peak():
    places = np.array([[0.02, 1, 1], [3.98, 1, 1], [2.0, 1, 1]])
    found = count_votes(places, np.array([0.3, 0.3, 0.4]), np.full(3, 0.1), np.ones((3, 1)), 0.5, cell=4 * np.eye(3))
    assert found[0].confidence == pytest.approx(0.6)
    assert abs(nearest_image(found[0].position - np.array([0, 1, 1]), 4 * np.eye(3))).max() < 1e-9


def test_depthwise_products_are_those_of_e3nn():
    irreps = o3.Irreps("5x0e+4x1o+3x2e+2x1e")
    layer = Convolution(irreps, (6, 4, 3), l_max=2, radial=4, hidden=8)
    vectors, index = torch.randn(20, 3), torch.randint(0, 7, (2, 20))
    edges = Edges(vectors, index, 2, 3.0, 4)
    own, weight = layer.product, torch.randn(20, layer.product.weight_numel)
    middle = [None] * len(own.paths)
    for k, (i, degree, out) in enumerate(own.paths):
        middle[own.place[k]] = (irreps[i].mul, (out, irreps[i].ir.p * (-1) ** degree))
    paths = [(i, degree, own.place[k], "uvu", True) for k, (i, degree, _) in enumerate(own.paths)]
    product = o3.TensorProduct(
        irreps, o3.Irreps.spherical_harmonics(2), o3.Irreps(middle), paths, shared_weights=False, internal_weights=False
    )
    h = irreps.randn(7, -1)
    message = product(h[index[1]], edges.harmonics, weight)
    wanted = torch.zeros(7, message.shape[1]).index_add(0, index[0], message)
    assert torch.allclose(own(h, edges, weight), wanted, atol=1e-5)


def test_it_learns_where_the_atoms_of_methane_belong(tmp_path):
    rng = np.random.default_rng(0)
    data = Molecules([_methane(rng) for _ in range(24)], [str(k) for k in range(24)])
    config = MissingTraining(epochs=80, cooldown=60, batch=60, rate=4e-3, warmup=5, average=0.9, network=SMALL)
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
    config = MissingTraining(epochs=4, cooldown=2, batch=6, checkpoint_steps=3, warmup=2, network=SMALL)
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
    with pytest.raises(NetworkError, match="other config"):  # its rate has fallen already
        train_missing(data, tmp_path / "cut", replace(config, epochs=5), progress=False)


def test_before_its_rate_falls_a_run_can_be_made_shorter(tmp_path):
    rng = np.random.default_rng(0)
    data = Molecules([_methane(rng) for _ in range(12)], [str(k) for k in range(12)])
    short = MissingTraining(epochs=3, cooldown=1, batch=30, checkpoint_steps=1, warmup=2, network=SMALL)
    whole = train_missing(data, tmp_path / "whole", short, progress=False)

    class Killed(Exception):
        pass

    def kill(entry: dict) -> None:
        if entry["step"] == 4:  # of 2 a step: the last step before the rate of the short run falls is the fourth
            raise Killed

    with pytest.raises(Killed):
        train_missing(data, tmp_path / "cut", replace(short, epochs=9), progress=kill)
    resumed = train_missing(data, tmp_path / "cut", short, progress=False)
    for (name, a), (_, b) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


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
    whole = {
        "natoms": [2],
        "material_id": ["x"],
        "Z": [1, 1],
        "frac_1e6": np.zeros((2, 3)),
        "lattice": 3 * np.eye(3)[None],
    }
    assert crystals(whole).sizes.tolist() == [2]
    with pytest.raises(NetworkError, match="my.npz: there is no array 'frac_1e6'"):
        crystals({k: v for k, v in whole.items() if k != "frac_1e6"}, "my.npz")
    with pytest.raises(NetworkError, match="lattice has shape"):
        crystals(whole | {"lattice": np.eye(3)})
    with pytest.raises(NetworkError, match="one atom alone"):
        propose(network, (np.array([6]), np.zeros((1, 3)), None))
    with pytest.raises(NetworkError, match="no two atoms are within 4.4"):
        propose(network, (np.array([6, 6]), np.array([[0.0, 0, 0], [50, 0, 0]]), None))
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(NetworkError, match="no.safetensors"):
        load_missing(tmp_path / "no.safetensors")


def test_batches_of_holes_are_graphs_of_what_is_left():
    graphs, holes = hole_batch([WATER, SALT], [0, 0], SMALL)
    assert graphs.natoms.tolist() == [2, 1] and holes.species.tolist() == [8, 6]
