"""Neighbour search and batching against pymatgen's, and the errors for bad arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from motifdesk.networks.batch import MOLECULE_SCALE, check_structure, collate, length_scale, neighbours
from motifdesk.networks.errors import NetworkError

CELLS = {
    "cubic": np.eye(3) * 4.0,
    "skewed": np.array([[3.0, 0.0, 0.0], [7.5, 2.5, 0.0], [-6.0, 4.0, 5.0]]),
    "flat": np.array([[1.9, 0.0, 0.0], [0.3, 2.1, 0.0], [0.0, 5.0, 24.0]]),
    "left-handed": np.array([[0.0, 3.0, 0.2], [3.5, 0.0, 0.0], [0.1, 0.0, 5.0]]),
}


def triples(centre, neighbour, shift):
    return sorted(map(tuple, np.column_stack([centre, neighbour, shift]).astype(int)))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("atoms", [1, 6])
def test_neighbours_agree_with_pymatgen(name, atoms):
    cell, rng = CELLS[name], np.random.default_rng(atoms)
    positions = rng.uniform(-2.5, 2.5, size=(atoms, 3)) @ cell  # far outside the cell too
    structure = Structure(Lattice(cell), ["C"] * atoms, positions, coords_are_cartesian=True)
    for cutoff in (1.5, 4.7, 9.1):
        centre, other, image, _ = structure.get_neighbor_list(cutoff, exclude_self=True)
        ours = neighbours(positions, cell, cutoff)
        assert triples(*ours.pairs, ours.shift) == triples(centre, other, image)


def test_neighbours_in_chunks_are_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    cell, positions = CELLS["skewed"], rng.uniform(size=(9, 3)) @ CELLS["skewed"]
    whole = neighbours(positions, cell, 6.0)
    monkeypatch.setattr("motifdesk.networks.batch._PAIRS_AT_ONCE", 100)
    parts = neighbours(positions, cell, 6.0)
    assert np.array_equal(whole.pairs, parts.pairs) and np.array_equal(whole.shift, parts.shift)


def test_collate_mixes_crystals_and_molecules_and_keeps_the_convention():
    rng = np.random.default_rng(0)
    cell = CELLS["skewed"]
    crystal = (np.array([8, 14, 8]), rng.uniform(size=(3, 3)) @ cell, cell)
    water = (np.array([8, 1, 1]), np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0.0]]), None)
    lone = (np.array([2]), np.zeros((1, 3)), None)
    batch = collate([crystal, water, lone], dtype=torch.float64)
    assert batch.natoms.tolist() == [3, 3, 1] and batch.crystal.tolist() == [True, False, False]
    assert batch.scale.tolist() == pytest.approx([(abs(np.linalg.det(cell)) / 3) ** (1 / 3)] + [MOLECULE_SCALE] * 2)
    centre, other = batch.edge_index.numpy()
    assert (np.diff(centre) >= 0).all() and centre.max() == 5  # the lone atom has no edge
    inside = centre < 3
    positions = np.concatenate([crystal[1], water[1], lone[1]])
    expected = positions[other] - positions[centre]
    expected[inside] += batch.edge_shift.numpy()[inside] @ cell
    assert np.allclose(batch.edge_vec.numpy(), expected, atol=1e-12)
    assert (~inside).sum() == 6
    assert batch.counts()[0, 7] == 2 and batch.counts().sum(1).tolist() == [3, 3, 1]


def test_scaled_cutoff_gives_every_crystal_the_same_density():
    rng = np.random.default_rng(1)
    degree = []
    for size in (2.0, 8.0):
        cell = np.eye(3) * size
        degree.append(collate([(np.full(8, 6), rng.uniform(size=(8, 3)) @ cell, cell)]).num_edges / 8)
    assert degree == pytest.approx([4 / 3 * np.pi * 2.6**3] * 2, rel=0.15)


@pytest.mark.parametrize(
    "numbers, positions, cell, message",
    [
        ([], np.zeros((0, 3)), None, "no atoms"),
        ([6], [[np.nan, 0, 0]], None, "not finite"),
        ([0], [[0, 0, 0]], None, "atomic number 0"),
        ([6, 6], [[0, 0, 0]], None, "shape"),
        ([6], [[0, 0, 0]], np.ones((3, 3)), "coplanar"),
    ],
)
def test_bad_arrays_are_named(numbers, positions, cell, message):
    with pytest.raises(NetworkError, match=message) as error:
        check_structure(numbers, positions, cell, where="quartz.cif")
    assert str(error.value).startswith("quartz.cif: ")


def test_atoms_on_one_site_are_an_error_also_through_the_cell_wall():
    cell = np.eye(3) * 3.0
    with pytest.raises(NetworkError, match="atoms 0 and 1 sit on one site"):
        collate([([6, 6], [[0, 0, 0], [3.0, 0, 0]], cell)])


def test_length_scale_ignores_handedness():
    cell = CELLS["left-handed"]
    assert length_scale(np.ones(2), cell) == pytest.approx(length_scale(np.ones(2), -cell))
