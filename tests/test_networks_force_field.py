"""The small potential: what physics asks of it, whatever its weights."""

import numpy as np
import pytest
import torch

from motifdesk.networks.batch import neighbours
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.force_field import (
    ForceField,
    ForceFieldConfig,
    Shells,
    evaluate,
    load_force_field,
    pack,
    save_force_field,
)
from motifdesk.networks.force_training import Labelled, batch_up, errors, prepare, read_labels, train

CELL = np.array([[4.1, 0.2, 0.0], [-0.3, 4.4, 0.1], [0.2, 0.4, 3.9]])
NUMBERS = np.array([22, 8, 8, 38])
POSITIONS = np.array([[0.1, 0.2, 0.0], [2.0, 0.1, 0.3], [0.2, 2.2, 0.1], [2.1, 2.0, 2.2]])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    made = ForceField(ForceFieldConfig(sources=4, channels=8, hidden=16)).double()
    made.reference.copy_(torch.linspace(-3, -1, len(made.reference)))
    numbers, shells, _, _ = graph(NUMBERS, POSITIONS, CELL)
    made.balance(numbers, shells)
    return made.eval().requires_grad_(False)


def graph(numbers, positions, cell, cutoff=5.0):
    pairs, shift = neighbours(positions, cell, cutoff)
    index, vec = pack(pairs, positions[pairs[1]] - positions[pairs[0]] + shift @ cell, len(numbers), cutoff)
    return (
        torch.from_numpy(numbers),
        Shells(torch.from_numpy(index), torch.from_numpy(vec)),
        torch.zeros(len(numbers), dtype=torch.long),
        torch.tensor([abs(np.linalg.det(cell))], dtype=torch.float64),
    )


def answer(model, numbers=NUMBERS, positions=POSITIONS, cell=CELL):
    return evaluate(model, *graph(numbers, positions, cell))


def turned(seed=0):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def test_forces_are_the_slope_of_the_energy(model):
    forces, h = answer(model).forces.numpy(), 1e-4
    for atom in range(4):
        for axis in range(3):
            step = np.zeros_like(POSITIONS)
            step[atom, axis] = h
            slope = (
                answer(model, positions=POSITIONS + step).energy - answer(model, positions=POSITIONS - step).energy
            ) / (2 * h)
            assert float(slope) == pytest.approx(-forces[atom, axis], abs=1e-6)
    assert np.abs(forces).max() > 1e-3
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-10)


def test_stress_is_the_slope_of_the_energy_over_the_volume(model):
    stress, h = answer(model).stress[0].numpy(), 1e-4
    for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)):
        eta = np.zeros((3, 3))
        eta[i, j] += h / 2
        eta[j, i] += h / 2
        up, down = (
            answer(model, positions=POSITIONS @ (np.eye(3) + s * eta), cell=CELL @ (np.eye(3) + s * eta)).energy
            for s in (1, -1)
        )
        volume = abs(np.linalg.det(CELL))
        assert float(up - down) / (2 * h) / volume == pytest.approx(stress[i, j], abs=1e-7)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_energy_is_invariant_and_forces_turn_with_the_crystal(model, mirror):
    q = mirror * turned()
    old, new = answer(model), answer(model, positions=POSITIONS @ q.T + 0.7, cell=CELL @ q.T)
    assert float(new.energy) == pytest.approx(float(old.energy), abs=1e-9)
    np.testing.assert_allclose(new.forces.numpy(), old.forces.numpy() @ q.T, atol=1e-9)
    np.testing.assert_allclose(new.stress[0].numpy(), q @ old.stress[0].numpy() @ q.T, atol=1e-9)


def test_order_and_cell_do_not_matter_and_energy_is_extensive(model):
    old = answer(model)
    order = [2, 0, 3, 1]
    assert float(answer(model, NUMBERS[order], POSITIONS[order]).energy) == pytest.approx(float(old.energy), abs=1e-9)
    double = np.concatenate([POSITIONS, POSITIONS + CELL[1]])
    twice = answer(model, np.tile(NUMBERS, 2), double, np.diag([1.0, 2.0, 1.0]) @ CELL)
    assert float(twice.energy) == pytest.approx(2 * float(old.energy), abs=1e-8)
    np.testing.assert_allclose(twice.forces.numpy()[:4], old.forces.numpy(), atol=1e-8)


def test_an_atom_that_crosses_the_cutoff_changes_nothing_suddenly(model):
    def pair(d):
        far = np.diag([40.0, 40.0, 40.0])
        return float(answer(model, np.array([22, 8]), np.array([[0.0, 0, 0], [d, 0, 0]]), far).energy)

    apart = pair(5.2)
    assert pair(4.999999) == pytest.approx(apart, abs=1e-9)
    steps = np.array([pair(d) for d in np.linspace(4.9, 5.1, 41)])
    assert np.abs(np.diff(steps)).max() < 1e-3
    assert abs(pair(3.0) - apart) > 1e-3, "the pair is felt at all"


def test_atoms_pressed_into_each_other_repel_and_no_others(model):
    numbers, index = torch.tensor([22, 8]), torch.tensor([[1], [0]])

    def energy(d):
        return float(model.repulsion(numbers, index, torch.full((2, 1), d, dtype=torch.float64)).sum())

    model.radius[[8, 22]] = torch.tensor([0.66, 1.60], dtype=torch.float64)  # felt below 1.582 A
    try:
        assert energy(0.3) > 2 * energy(0.6) > 4 * energy(0.9) > 10
        assert energy(1.58) == pytest.approx(0.0, abs=1e-6)
        assert energy(1.6) == 0.0
    finally:
        model.radius.fill_(0.5)


def test_saved_weights_come_back_and_damaged_ones_do_not(model, tmp_path):
    plain = ForceField(ForceFieldConfig(sources=4, channels=8, hidden=16))
    plain.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in model.state_dict().items()})
    save_force_field(tmp_path / "ff.safetensors", plain, {"seed": 3})
    again, metadata = load_force_field(tmp_path / "ff.safetensors")
    assert metadata["training"] == {"seed": 3}
    for name, value in plain.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    data = bytearray((tmp_path / "ff.safetensors").read_bytes())
    data[-3] ^= 0xFF
    (tmp_path / "bad.safetensors").write_bytes(data)
    with pytest.raises(NetworkError, match="sha256"):
        load_force_field(tmp_path / "bad.safetensors")


def labelled(count, seed=0):
    """Structures of two species with a pair potential's energies: something that can be learned."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        cell = np.diag(rng.uniform(3.6, 4.6, 3))
        x = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]) @ cell + rng.normal(size=(2, 3)) * 0.1
        numbers = np.array([11, 17])
        pairs, shift = neighbours(x, cell, 5.0)
        v = x[pairs[1]] - x[pairs[0]] + shift @ cell
        d = np.linalg.norm(v, axis=1)
        well, slope = np.exp(-d) * 4 - np.exp(-d / 2), -4 * np.exp(-d) + np.exp(-d / 2) / 2
        envelope = (1 - (d / 5.0) ** 2) ** 2
        tail = -4 * d / 25.0 * (1 - (d / 5.0) ** 2)
        pull = 0.5 * (slope * envelope + well * tail)
        g = (pull / d)[:, None] * v
        forces = np.zeros((2, 3))
        np.add.at(forces, pairs[0], g)
        np.add.at(forces, pairs[1], -g)
        volume = abs(np.linalg.det(cell))
        index, vec = pack(pairs, v, 2, 5.0)
        energy = 0.5 * float((well * envelope).sum()) / 2
        out.append(Labelled(numbers, index, vec.astype(np.float32), volume, energy, forces, v.T @ g / volume))
    return out


def test_training_learns_a_pair_potential_and_goes_on_where_it_was_killed(tmp_path):
    data = labelled(64)
    config = ForceFieldConfig(sources=2, channels=4, hidden=16)

    def fresh():
        torch.manual_seed(0)
        model = ForceField(config)
        prepare(model, data, np.full(95, 0.6))
        return model

    before = errors(fresh(), data, 5.0)
    whole = train(fresh(), data, epochs=12, size=4, rate=1e-2)
    after = errors(whole, data, 5.0)
    assert after["energy"] < 0.5 * before["energy"]
    assert after["forces"] < 0.7 * before["forces"]

    class Killed(Exception):
        pass

    def kill(epoch, loss, average):
        if epoch == 2:
            raise Killed

    state = tmp_path / "state"
    with pytest.raises(Killed):
        train(fresh(), data, epochs=12, size=4, rate=1e-2, state=state, told=kill)
    resumed = train(fresh(), data, epochs=12, size=4, rate=1e-2, state=state)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_batches_and_single_structures_give_the_same_answers(model):
    data = labelled(5)
    plain = ForceField(ForceFieldConfig(sources=2, channels=4, hidden=16))
    prepare(plain, data, np.full(95, 0.6))
    plain.eval().requires_grad_(False)
    from motifdesk.networks.force_training import answer as of

    together = of(plain, batch_up(data, 5.0)).energy
    alone = torch.cat([of(plain, batch_up([d], 5.0)).energy for d in data])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_a_file_that_holds_no_labels_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(NetworkError, match="x.npz"):
        read_labels([tmp_path / "x.npz"], 5.0)
    with pytest.raises(NetworkError, match="no labels"):
        read_labels([], 5.0)
