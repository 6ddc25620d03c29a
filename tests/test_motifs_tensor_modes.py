"""The tensor basis of motif modes: e3nn's fields, what they span, and that they follow a motif of any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import rotation

from motifdesk.motifs import Distorter, distortion_modes, find_motifs, mode_by_key
from motifdesk.motifs.figures.measure import relative
from motifdesk.motifs.figures.shapes import vertices
from motifdesk.motifs.symmetry.tensor_modes import solid_harmonics, tensor_coordinates, tensor_fields, wigner_3j
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError


def rows(coordinates, irrep=None):
    return np.array([c.vectors.ravel() for c in coordinates if irrep in (None, c.irrep)])


def test_harmonics_and_couplings_are_those_of_e3nn():
    o3 = pytest.importorskip("e3nn.o3")
    import torch

    points = np.random.default_rng(3).standard_normal((9, 3))
    for degree in range(6):
        theirs = o3.spherical_harmonics(degree, torch.tensor(points), normalize=False, normalization="norm").numpy()
        np.testing.assert_allclose(solid_harmonics(points, degree), theirs, atol=1e-10)
        for order in range(abs(degree - 1), degree + 2):
            theirs = o3.wigner_3j(degree, 1, order, dtype=torch.float64).numpy()
            np.testing.assert_allclose(wigner_3j(degree, 1, order), theirs, atol=1e-10)


def test_fields_turn_like_the_irreps_they_are_named_after():
    o3 = pytest.importorskip("e3nn.o3")
    import torch

    points, turn = np.random.default_rng(4).standard_normal((8, 3)), rotation(5)
    for degree in range(4):
        for order in range(abs(degree - 1), degree + 2):
            matrix = o3.Irrep(order, 1).D_from_matrix(torch.tensor(turn)).numpy()
            turned = tensor_fields(points @ turn.T, degree, order)
            expected = np.einsum("xy,kyn,mn->kxm", turn, tensor_fields(points, degree, order), matrix)
            np.testing.assert_allclose(turned, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("symbol", "l_max"), [("T:4", 1), ("O:6", 2), ("C:8", 3), ("I:12", 3), ("C:12", 3), ("T:6", 2)]
)
def test_low_orders_span_every_displacement_of_the_common_figures_and_one_less_does_not(symbol, l_max):
    points = vertices(symbol)
    size = 3 * len(points)
    rng = np.random.default_rng(1)
    for shape in (points, points + 0.05 * rng.standard_normal(points.shape)):
        found = tensor_coordinates(shape, l_max)
        basis = rows(found)
        assert basis.shape == (size, size)
        np.testing.assert_allclose(basis @ basis.T, np.eye(size), atol=1e-10)
        assert len(tensor_coordinates(shape)) == size
        if l_max > 1:
            assert len(tensor_coordinates(shape, l_max - 1)) < size


@given(st.integers(0, 2**31 - 1), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_any_motif_has_a_complete_basis_with_exact_turns_and_breathing(seed, count):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((count, 3))
    points *= (1.5 + rng.random((count, 1))) / np.linalg.norm(points, axis=1, keepdims=True)
    found = tensor_coordinates(points)
    turn, basis = rows(found, "1e")[:3], rows(found)
    assert basis.shape == (3 * count, 3 * count)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3 * count), atol=1e-9)
    if count > 4:
        for axis in np.eye(3):
            field = np.cross(axis, points).ravel()
            np.testing.assert_allclose(turn.T @ (turn @ field), field, atol=1e-8)
    if count > 1:
        breathing = next(c for c in found if c.note == "breathing").vectors
        np.testing.assert_allclose(np.cross(breathing, points), 0, atol=1e-8)


@pytest.mark.parametrize("symbol", ["T:4", "O:6", "C:8"])
def test_first_order_spans_every_homogeneous_strain_turn_and_shift_of_a_misshapen_motif(symbol):
    rng = np.random.default_rng(11)
    points = vertices(symbol) + 0.05 * rng.standard_normal(vertices(symbol).shape)
    basis = rows(tensor_coordinates(points, 1))
    fields = [(points @ m).ravel() for m in np.eye(9).reshape(9, 3, 3)] + [np.tile(x, len(points)) for x in np.eye(3)]
    assert len(basis) == 12
    for field in fields:
        np.testing.assert_allclose(basis.T @ (basis @ field), field, atol=1e-8)


def test_jahn_teller_modes_of_an_octahedron_are_two_of_the_five_strains():
    points = vertices("O:6")
    strain = {c.note: c.vectors for c in tensor_coordinates(points, 1) if c.irrep == "2e"}
    assert len(strain) == 5
    along = np.abs(points).argmax(axis=1)
    q3 = strain["strain 2yy-zz-xx"]
    np.testing.assert_allclose(np.abs((q3 * points).sum(axis=1)), np.array([1, 2, 1])[along] / np.sqrt(12), atol=1e-9)
    q2 = strain["strain zz-xx"]
    np.testing.assert_allclose(np.abs((q2 * points).sum(axis=1)), np.array([1, 0, 1])[along] / 2, atol=1e-9)


def test_fields_change_continuously_with_the_shape():
    rng = np.random.default_rng(8)
    for symbol in ("O:6", "T:4", "C:8", "T:5"):
        points = vertices(symbol)
        step = rng.standard_normal(points.shape)
        ideal = tensor_coordinates(points)
        for size in (1e-6, 1e-4, 1e-2):
            moved = tensor_coordinates(points + size * step)
            assert [c.irrep for c in moved] == [c.irrep for c in ideal]
            assert max(np.abs(a.vectors - b.vectors).max() for a, b in zip(ideal, moved, strict=True)) < 12 * size


def test_tensor_modes_have_keys_that_resolve_and_drive_the_distorter():
    structure = read("CaTiO3.cif")
    graph = find_motifs(structure)
    titanium = next(m for m in graph.motifs if m.formula == "TiO6")
    modes = distortion_modes(structure, titanium, "orbit", graph=graph, basis="tensor")
    assert len(modes) == 18 and [m.key for m in modes if m.irrep == "2e"] == [
        f"m{titanium.index}:orbit:tensor:2e:{n}" for n in range(1, 6)
    ]
    for mode in modes:
        again = mode_by_key(graph, mode.key)
        assert again == mode and np.array_equal(again.vectors, mode.vectors)
        assert len(mode.targets) == len(graph.orbits[titanium.orbit])
    strain = next(m for m in modes if m.irrep == "2e")
    solved = Distorter(structure, graph).solve({strain.key: 0.05})
    assert solved.achieved[strain.key] == pytest.approx(0.05, abs=0.02)


def test_carried_tensor_modes_are_images_of_the_picked_one():
    structure = read("CaTiO3.cif")
    graph = find_motifs(structure)
    titanium = next(m for m in graph.motifs if m.formula == "TiO6")
    here = relative(structure, titanium)
    for mode in distortion_modes(structure, titanium, "orbit", graph=graph, basis="tensor", l_max=1):
        for index, vectors in mode.targets:
            there = relative(structure, graph.motifs[index])
            # same lengths and same scalar products with the bonds, ligand by ligand
            mine = sorted(np.round((mode.vectors * here).sum(axis=1), 5))
            theirs = sorted(np.round((vectors * there).sum(axis=1), 5))
            np.testing.assert_allclose(mine, theirs, atol=2e-4)


def test_bad_orders_and_bases_are_refused():
    structure = read("NaCl.cif")
    graph = find_motifs(structure)
    with pytest.raises(MotifDeskError, match="l_max"):
        distortion_modes(structure, 0, graph=graph, basis="tensor", l_max=0)
    with pytest.raises(MotifDeskError, match="basis"):
        distortion_modes(structure, 0, graph=graph, basis="spherical")
    with pytest.raises(MotifDeskError, match="lies on the centre"):
        tensor_coordinates(np.zeros((2, 3)))
    with pytest.raises(MotifDeskError):
        mode_by_key(graph, "m0:motif:tensor:9e:1")
