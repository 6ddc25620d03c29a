"""Continuous symmetry measures and published distortion indices."""

import itertools

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import bond_valence_sums, find_motifs, measure_motif, shortest_contact
from motifdesk.motifs.measure import (
    bond_angle_variance,
    bond_length_distortion,
    octahedral_parameters,
    polyhedron_volume,
    quadratic_elongation,
    relative,
    van_vleck,
)
from motifdesk.motifs.shape_table import ANGLES, TABLE
from motifdesk.motifs.shapes import classify, csm, match, symbols_of, vertices
from motifdesk.structures import read
from tests.minerals import corundum, spinel

# OctaDist's published example: Fe, then six ligands (Dalton Trans. 50, 1086 (2021))
OCTADIST = np.array(
    [
        [2.298354, 5.161785, 7.971898],
        [1.885657, 4.804777, 6.183726],
        [1.747515, 6.960963, 7.932784],
        [4.094380, 5.807257, 7.588689],
        [0.539005, 4.482809, 8.460004],
        [2.812425, 3.266553, 8.131637],
        [2.886404, 5.392925, 9.848966],
    ]
)


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ("T:4", "S:4", 33.333),
        ("O:6", "T:6", 16.737),
        ("C:8", "SA:8", 10.989),
        ("SA:8", "DD:8", 5.362),
        ("C:12", "I:12", 5.279),
    ],
)
def test_shape_to_shape_measures_are_the_published_ones(a, b, value):
    assert csm(vertices(a), b) == pytest.approx(value, abs=6e-4)
    assert csm(vertices(b), a) == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize("symbol", sorted(TABLE))
def test_every_ideal_figure_is_recognised_turned_scaled_and_shuffled(symbol):
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    points = vertices(symbol) @ turn.T * 2.1
    order = rng.permutation(len(points))
    found = classify(points[order])
    assert found.csm < 1e-6 and found.symbol == symbol
    laid = 2.1 * vertices(symbol)[list(found.permutation)] @ found.rotation.T
    np.testing.assert_allclose(laid, points[order], atol=1e-5)


def test_minerals_have_chemenvs_measures():
    def of(structure, element):
        graph = find_motifs(structure)
        return next(m.csm for m in graph.motifs if graph.element(m.centre) == element)

    assert of(read("rutile-TiO2.cif"), "Ti") == pytest.approx(0.400, abs=1e-3)
    assert of(read("CaTiO3.cif"), "Ti") == pytest.approx(0.086, abs=1e-3)
    assert of(spinel(), "Al") == pytest.approx(0.542, abs=0.02)
    assert of(spinel(), "Mg") == pytest.approx(0.0, abs=1e-6)


def test_measures_equal_chemenvs_own_on_distorted_figures():
    """Against pymatgen's ChemEnv on the same points, several coordinations."""
    from pymatgen.analysis.chemenv.coordination_environments.coordination_geometry_finder import (
        LocalGeometryFinder,
        symmetry_measure,
    )

    finder = LocalGeometryFinder()
    finder.setup_parameters(structure_refinement="none")
    rng = np.random.default_rng(11)
    for symbol in ("TL:3", "T:4", "S:5", "O:6", "PB:7"):
        ligands = vertices(symbol) + 0.08 * rng.standard_normal(vertices(symbol).shape)
        ours = match(ligands, symbol)
        both = []
        for points in (ligands, vertices(symbol)[list(ours.permutation)]):
            both.append(points - points.sum(axis=0) / (len(points) + 1))
        theirs = symmetry_measure(*both)["symmetry_measure"]
        assert ours.csm == pytest.approx(theirs, abs=1e-6)


def test_angles_between_figures_are_lower_bounds_of_what_the_search_finds():
    for coordination in (4, 5, 6, 7, 9):
        figures = symbols_of(coordination)
        pairs = list(itertools.combinations(figures, 2))
        assert len(pairs) == len(ANGLES[coordination])
        for (a, b), angle in zip(pairs, ANGLES[coordination], strict=True):
            assert angle <= np.degrees(np.arcsin(np.sqrt(csm(vertices(a), b)) / 10)) + 1e-6


def test_octahedral_parameters_of_octadists_example():
    ligands = OCTADIST[1:] - OCTADIST[0]
    zeta, delta, sigma, theta = octahedral_parameters(ligands)
    assert zeta == pytest.approx(0.228072562, abs=1e-8)
    assert delta == pytest.approx(4.76251783e-4, rel=1e-6)
    assert sigma == pytest.approx(47.9265284, abs=1e-6)
    assert theta == pytest.approx(122.688973, abs=1e-5)
    assert polyhedron_volume(ligands) == pytest.approx(9.538645, abs=1e-5)
    assert quadratic_elongation(ligands, "O:6") == pytest.approx(1.00667681, abs=1e-7)
    assert bond_angle_variance(ligands, "O:6") == pytest.approx(21.856701, abs=1e-5)
    assert bond_length_distortion(ligands) == pytest.approx(0.01966667, abs=1e-7)


def test_jahn_teller_amplitudes_of_kcuf3():
    structure = read("KCuF3.cif")
    graph = find_motifs(structure)
    motif = next(m for m in graph.motifs if m.formula == "CuF6")
    q = van_vleck(relative(structure, motif))
    assert abs(q[1]) == pytest.approx(0.35771, abs=2e-4)
    assert abs(q[2]) == pytest.approx(0.12546, abs=2e-4)
    assert measure_motif(structure, motif).bond_length_distortion == pytest.approx(0.070498, abs=1e-5)
    assert max(abs(x) for x in q[3:]) < 1e-9


@pytest.mark.parametrize(
    ("make", "element", "volume", "elongation", "variance"),
    [
        (lambda: read("rutile-TiO2.cif"), "Ti", 9.892, 1.0081, 28.37),
        (corundum, "Al", 9.076, 1.0203, 67.31),
        (spinel, "Al", 9.371, 1.0108, 40.79),
        (lambda: read("quartz-SiO2.cif"), "Si", 2.138, 1.0002, 0.68),
    ],
    ids=["rutile", "corundum", "spinel", "quartz"],
)
def test_polyhedra_of_minerals(make, element, volume, elongation, variance):
    structure = make()
    graph = find_motifs(structure)
    found = measure_motif(structure, next(m for m in graph.motifs if graph.element(m.centre) == element))
    assert found.volume == pytest.approx(volume, rel=5e-3)
    assert found.quadratic_elongation == pytest.approx(elongation, abs=5e-4)
    assert found.bond_angle_variance == pytest.approx(variance, rel=0.03)


def test_anatase_is_sixfold_with_two_bond_lengths():
    structure = read("anatase-TiO2.cif")
    graph = find_motifs(structure)
    lengths = np.sort(np.linalg.norm(relative(structure, graph.motifs[0]), axis=1))
    np.testing.assert_allclose(lengths, [1.934] * 4 + [1.980] * 2, atol=1e-3)


def test_bond_valence_sums_of_strontium_titanate():
    structure = read("SrTiO3.cif")
    graph = find_motifs(structure)
    sums = bond_valence_sums(structure, graph)
    by_element = {graph.element(site): value for site, value in sums.items()}
    assert by_element["Ti"] == pytest.approx(4.14, abs=0.01)
    assert by_element["Sr"] == pytest.approx(2.11, abs=0.01)
    assert len(sums) == 5
    assert bond_valence_sums(read("Si.cif")) == {}


def test_shortest_contact_sees_periodic_images():
    single = Structure(Lattice.cubic(3.1), ["Po"], [[0.3, 0.3, 0.3]])
    assert shortest_contact(single).distance == pytest.approx(3.1)
    assert shortest_contact(read("SrTiO3.cif")).distance == pytest.approx(1.9525)
