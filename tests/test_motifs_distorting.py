"""Distorting: corners kept, rigid tilts, Jahn-Teller patterns, amplitudes asked and got."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from octahedra import TILT, A, Frame, made_from
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import Distorter, distort, distortion_modes, find_motifs
from motifdesk.motifs.distortion.dense import DenseSolver
from motifdesk.motifs.figures.measure import relative, van_vleck
from motifdesk.motifs.symmetry.characters import characters, repeating_cells
from motifdesk.motifs.testing import assert_corners_shared
from motifdesk.structures import read, space_group
from motifdesk.structures.errors import MotifDeskError


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame()


@pytest.fixture(scope="module")
def iridate():
    structure = read("beta-Li2IrO3.cif", cell="primitive")
    graph = find_motifs(structure)
    return structure, graph, Distorter(structure, graph), next(m for m in graph.motifs if m.formula == "IrO6")


def test_zero_amplitudes_give_exactly_the_input(iridate):
    structure, graph, distorter, motif = iridate
    modes = distortion_modes(structure, motif, "orbit", graph=graph)
    solved = distorter.solve({m: 0.0 for m in modes})
    assert np.array_equal(solved.positions, structure.cart_coords) and np.array_equal(
        solved.cell, structure.lattice.matrix
    )
    assert distort(structure, {modes[0]: 0.0}, graph=graph) == structure


@pytest.mark.parametrize(("axes", "cell"), [("xy", (1, 1, 1)), ("xyz", (1, 1, 1)), ("", (1.0769, 0.9231, 1))])
def test_jahn_teller_patterns_cost_nothing_when_the_network_allows_them(frame, axes, cell):
    mode = frame.mode("stretch:Eg:2", axes)
    solved, made = frame.made({mode: 0.3})
    assert solved.achieved[mode.key] == pytest.approx(0.3, abs=1e-6)
    assert solved.cost.max() < 1e-6
    np.testing.assert_allclose(np.array(made.lattice.abc) / (2 * A), cell, atol=1e-4)
    for motif in frame.octahedra:
        assert abs(van_vleck(relative(made, motif))[1]) == pytest.approx(0.3, abs=1e-3)


def test_one_octahedron_alone_is_obeyed_at_the_cost_of_its_neighbours(frame):
    mode = frame.one("stretch:Eg:2")
    solved, made = frame.made({mode: 0.3})
    assert solved.achieved[mode.key] == pytest.approx(0.3, abs=1e-4)
    assert solved.cost[frame.octahedra[0].index] < 1e-3 < 0.01 < solved.cost.max() < 0.1
    worst = 0.0
    for motif in frame.octahedra[1:]:
        worst = max(worst, np.abs(np.linalg.norm(relative(made, motif), axis=1) - A / 2).max())
    assert worst == pytest.approx(0.09, abs=0.01)


def test_uniform_tilt_contradicts_shared_corners_and_says_so(frame):
    mode = frame.mode(TILT["z"], "")
    solved, _ = frame.made({mode: 0.3})
    assert abs(solved.achieved[mode.key]) < 1e-6
    assert np.isfinite(solved.positions).all()


@pytest.mark.parametrize("scope", ["motif", "orbit"])
def test_every_mode_of_the_iridate_gives_the_amplitude_asked_and_tears_nothing(iridate, scope):
    structure, graph, distorter, motif = iridate
    before = {m.index: np.linalg.norm(relative(structure, m), axis=1) for m in graph.motifs}
    for mode in distortion_modes(structure, motif, scope, graph=graph):
        solved = distorter.solve({mode: 0.1})
        assert solved.converged
        assert solved.achieved[mode.key] == pytest.approx(0.1, abs=2e-3)
        made = made_from(structure, solved)
        assert abs(made.volume / structure.volume - 1) < 0.1
        for other in graph.motifs:
            now = np.linalg.norm(relative(made, other), axis=1)
            assert np.abs(now - before[other.index]).max() < 0.35


def test_amplitude_is_the_projection_of_ligand_displacements(iridate):
    structure, graph, distorter, motif = iridate
    mode = distortion_modes(structure, motif, "orbit", graph=graph)[0]
    made = distort(structure, {mode: 0.12}, graph=graph)
    for index, vectors in mode.targets:
        shift = relative(made, graph.motifs[index]) - relative(structure, graph.motifs[index])
        assert (shift * vectors).sum() == pytest.approx(0.12, abs=5e-3)
    # all six bonds longer by Q / sqrt(6)
    longer = np.linalg.norm(relative(made, motif), axis=1) - np.linalg.norm(relative(structure, motif), axis=1)
    assert longer.mean() == pytest.approx(0.12 / np.sqrt(6), abs=2e-3)


def test_solution_is_deterministic_continuous_and_independent_of_what_was_solved_before(iridate):
    structure, graph, distorter, motif = iridate
    key = f"m{motif.index}:orbit:stretch:Eg:1"
    first = distorter.solve({key: 0.2})
    previous = structure.cart_coords
    for amplitude in np.linspace(0.02, 0.2, 10):
        now = distorter.solve({key: float(amplitude)}).positions
        assert np.abs(now - previous).max() < 0.05
        previous = now
    assert np.array_equal(distorter.solve({key: 0.2}).positions, first.positions)
    assert np.array_equal(Distorter(structure, graph).solve({key: 0.2}).positions, first.positions)


def test_orbit_distortion_keeps_more_symmetry_than_a_single_motif(iridate):
    structure, graph, distorter, motif = iridate
    groups = {}
    for scope in ("motif", "orbit"):
        solved = distorter.solve({f"m{motif.index}:{scope}:stretch:A1g:1": 0.2})
        made = made_from(structure, solved)
        groups[scope] = space_group(made, 1e-3).number
    assert groups["orbit"] == 70 and groups["motif"] < 70


def test_species_labels_and_properties_survive(iridate):
    structure, graph, _, motif = iridate
    named = structure.copy(site_properties={"tag": list(range(24))})
    made = distort(named, {f"m{motif.index}:motif:stretch:A1g:1": 0.1}, graph=graph)
    assert made.species == structure.species and list(made.site_properties["tag"]) == list(range(24))
    assert made != structure


def test_molecule_moves_without_a_cell_and_keeps_its_other_bonds():
    benzene = read("benzene.xyz")
    graph = find_motifs(benzene)
    made = distort(benzene, {"m0:motif:stretch:Sigma:1": 0.1}, graph=graph)
    carbon, hydrogen = graph.motifs[0].centre, graph.motifs[0].ligands[0].site
    assert made.get_distance(carbon, hydrogen) - benzene.get_distance(carbon, hydrogen) == pytest.approx(0.1, abs=1e-3)
    pairs, _ = graph.bonds()
    for a, b in pairs:
        if {a, b} != {carbon, hydrogen}:
            assert made.get_distance(a, b) == pytest.approx(benzene.get_distance(a, b), abs=0.02)


def test_bad_amplitudes_and_modes_are_refused(iridate):
    structure, graph, distorter, motif = iridate
    key = f"m{motif.index}:motif:stretch:A1g:1"
    for value in (float("nan"), float("inf")):
        with pytest.raises(MotifDeskError, match="finite"):
            distorter.solve({key: value})
    with pytest.raises(MotifDeskError, match="no mode key"):
        distorter.solve({"breathing": 0.1})
    with pytest.raises(MotifDeskError, match="24"):
        Distorter(read("NaCl.cif"), graph)


@pytest.mark.parametrize("name", ["graphite", "heusler"])
def test_contradictory_requests_bend_and_do_not_collapse_the_cell(name):
    if name == "graphite":
        made = Structure.from_spacegroup(
            "P6_3/mmc", Lattice.hexagonal(2.461, 6.708), ["C", "C"], [[0, 0, 0.25], [1 / 3, 2 / 3, 0.25]]
        )
    else:
        made = Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(6.0), ["Ge", "Ta", "Tc"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]]
        ).get_primitive_structure()
    graph = find_motifs(made)
    distorter = Distorter(made, graph)
    for scope in ("motif", "orbit"):
        for mode in distortion_modes(made, 0, scope, graph=graph):
            solved = distorter.solve({mode: 0.1})
            change = np.linalg.det(solved.cell) / made.volume
            assert 0.6 < change < 1.6, mode.key
            assert np.isfinite(solved.positions).all() and np.isfinite(solved.achieved[mode.key])
            assert abs(solved.achieved[mode.key]) < 0.2


def without_symmetry(structure, graph, solver=None):
    """A distorter that solves in all unknowns."""
    distorter = Distorter(structure, graph)
    distorter.symmetry.ignore()
    if solver is not None:
        distorter.solver = solver
    return distorter


@pytest.mark.parametrize("name", ["CaTiO3.cif", "beta-Li2IrO3.cif", "Si.cif", "benzene.xyz", "frame"])
def test_fast_symmetric_and_dense_solvers_give_the_same_structure(name, frame):
    structure = frame.structure if name == "frame" else read(name)
    graph = frame.graph if name == "frame" else find_motifs(structure)
    motif = next((m for m in graph.motifs if m.symbol == "O:6"), graph.motifs[0])
    ways = [
        Distorter(structure, graph),
        without_symmetry(structure, graph),
        without_symmetry(structure, graph, DenseSolver),
    ]
    for scope in ("motif", "orbit"):
        modes = distortion_modes(structure, motif, scope, graph=graph)
        requests = [{mode: 0.12} for mode in modes[::4]] + [{modes[0]: 0.1, modes[-1]: -0.07, modes[1]: 0.0}]
        if name == "frame" and scope == "motif":  # a saddle: rounding decides, see the test below
            continue
        for request in requests:
            reference = ways[2].solve(request)
            for way in ways[:2]:
                solved = way.solve(request)
                np.testing.assert_allclose(solved.positions, reference.positions, atol=1e-8)
                if reference.cell is not None:
                    np.testing.assert_allclose(solved.cell, reference.cell, atol=1e-8)
                assert solved.converged == reference.converged
                np.testing.assert_allclose(solved.cost, reference.cost, atol=1e-8)


def test_symmetry_is_used_only_where_the_structure_has_it_to_rounding():
    exact = read("beta-Li2IrO3.cif", cell="primitive")
    shaken = exact.copy()
    shaken.translate_sites([0], [1e-4, 0, 0], frac_coords=False)
    for structure, used in ((exact, True), (shaken, False)):
        graph = find_motifs(structure)
        distorter = Distorter(structure, graph)
        mode = distortion_modes(structure, next(m for m in graph.motifs if m.formula == "IrO6"), "orbit", graph=graph)[
            0
        ]
        kept = distorter.symmetry.kept(distorter.network, [(mode, 0.1)])
        assert (kept.action is not None) == used


def test_the_answer_does_not_hang_on_the_orientation_of_the_cell(frame):
    # one octahedron in a rigid frame sits on a saddle: rounding must not decide which way the frame goes
    from scipy.spatial.transform import Rotation

    solved, _ = frame.made({frame.one("stretch:A1g:1"): 0.3})
    turn = Rotation.from_rotvec([0.3, -0.5, 0.8]).as_matrix()
    turned = Structure(frame.structure.lattice.matrix @ turn.T, frame.structure.species, frame.structure.frac_coords)
    graph = find_motifs(turned)
    mode = distortion_modes(turned, frame.octahedra[0].index, "motif", graph=graph)[0]
    again = Distorter(turned, graph).solve({mode: 0.3})
    np.testing.assert_allclose(again.positions @ turn, solved.positions, atol=1e-6)


def test_two_hundred_atoms_are_distorted_like_the_cell_they_repeat(iridate):
    structure, graph, distorter, motif = iridate
    big = structure * (2, 2, 2)
    big_graph = find_motifs(big)
    same = next(m for m in big_graph.motifs if m.centre == 8 * motif.centre)
    mode = distortion_modes(structure, motif, "orbit", graph=graph)[1]
    big_mode = next(m for m in distortion_modes(big, same, "orbit", graph=big_graph) if m.key.endswith(mode.key[-12:]))
    small, large = distorter.solve({mode: 0.1}), Distorter(big, big_graph).solve({big_mode: 0.1})
    assert large.converged
    np.testing.assert_allclose(np.abs(np.linalg.det(large.cell)), 8 * np.abs(np.linalg.det(small.cell)), rtol=1e-6)
    np.testing.assert_allclose(np.sort(large.cost), np.sort(np.repeat(small.cost, 8)), atol=1e-6)


def test_soft_framework_of_72_atoms_obeys_one_tetrahedron_and_moves_steadily():
    quartz = read("quartz-SiO2.cif") * (2, 2, 2)
    graph = find_motifs(quartz)
    distorter = Distorter(quartz, graph)
    mode = distortion_modes(quartz, 0, "motif", graph=graph)[0]
    previous = None
    for amplitude in np.arange(0.02, 0.1, 0.005):
        solved = distorter.solve({mode: float(amplitude)})
        assert solved.converged and solved.cost.max() < 0.01
        assert solved.achieved[mode.key] == pytest.approx(amplitude, abs=1e-3)
        assert previous is None or np.abs(solved.positions - previous).max() < 0.06
        previous = solved.positions
    assert_corners_shared(quartz, made_from(quartz, solved), graph=graph)


def test_layers_stay_layers():
    made = Structure.from_spacegroup(
        "P-3m1", Lattice.hexagonal(3.36, 5.90), ["Ti", "S"], [[0, 0, 0], [1 / 3, 2 / 3, 0.2501]]
    ) * (2, 2, 1)
    graph = find_motifs(made)
    octahedron = next(m for m in graph.motifs if m.formula == "TiS6")
    for mode in distortion_modes(made, octahedron, "orbit", graph=graph):
        solved = Distorter(made, graph).solve({mode: 0.15})
        assert np.isfinite(solved.positions).all()
        assert 0.8 < np.linalg.det(solved.cell) / made.volume < 1.25


def test_character_patterns_alternate_as_named_and_reach_the_modes(frame):
    octahedron = frame.octahedra[0]
    assert repeating_cells(frame.structure) == (2, 2, 2)
    for name, axes in (("F", ""), ("A", "z"), ("C", "xy"), ("G", "xyz")):
        pattern = characters(frame.structure, frame.graph, octahedron, "orbit", name)
        expected = (-1) ** frame.cells[:, ["xyz".index(a) for a in axes]].sum(axis=1) if axes else np.ones(8)
        assert list(pattern) == list(expected * expected[0])
    assert characters(frame.structure, None, octahedron, "orbit", (0, 0, 0.5)) == characters(
        frame.structure, frame.graph, octahedron, "orbit", "A"
    )
    chosen = frame.modes(characters(frame.structure, frame.graph, octahedron, "orbit", "G"))
    solved, _ = frame.made({next(m for m in chosen if m.key.endswith("stretch:A1g:1")): 0.2})
    assert solved.cost.max() < 1e-6


def test_a_cell_too_small_for_a_pattern_names_the_supercell_to_make():
    cell = read("SrTiO3.cif")
    graph = find_motifs(cell)
    motif = next(m for m in graph.motifs if m.formula == "TiO6")
    with pytest.raises(MotifDeskError, match=r"structure \* \(2, 2, 1\)"):
        characters(cell, graph, motif, "orbit", "C")
    with pytest.raises(MotifDeskError, match=r"structure \* \(1, 2, 2\)"):
        characters(cell * (2, 1, 1), None, 0, "orbit", "G")
    with pytest.raises(MotifDeskError, match="halves"):
        characters(cell, graph, motif, "orbit", (1 / 3, 1 / 3, 0))
    with pytest.raises(MotifDeskError, match="A, C, G|F, A, C, G"):
        characters(cell, graph, motif, "orbit", "E")
    with pytest.raises(MotifDeskError, match="molecule"):
        characters(read("benzene.xyz"), None, 0)


def test_costs_are_told_in_mode_language(frame):
    solved, made = frame.made({frame.one("stretch:Eg:2"): 0.3})
    assert [c.size for c in solved.costs] == sorted((c.size for c in solved.costs), reverse=True)
    for told in solved.costs:
        assert solved.cost[told.motif] == pytest.approx(told.size / np.sqrt(6), rel=1e-6)
        assert np.sqrt(sum(a * a for _, a in told.parts)) == pytest.approx(told.size, abs=1e-4)
        assert f"Re{frame.graph.motifs[told.motif].centre}" in told.text and "pays" in told.text
    # a neighbour along x or y has one bond pushed at both ends: elongation, some breathing
    worst = solved.costs[0]
    assert worst.parts[0][0] in ("Eg stretch", "A1g stretch") and str(worst) == worst.text
    free, _ = frame.made(frame.tilts(z_in=9))
    assert free.costs == ()
    assert frame.distorter.solve({}).costs == ()


@given(seed=st.integers(0, 2**32 - 1), amplitude=st.floats(-0.2, 0.2))
@settings(max_examples=12, deadline=None)
def test_turned_shifted_and_renumbered_crystals_distort_alike(seed, amplitude):
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    crystal = read("CaTiO3.cif")
    turn = Rotation.random(random_state=int(seed)).as_matrix()
    order = rng.permutation(len(crystal))
    other = Structure(
        crystal.lattice.matrix @ turn.T,
        [crystal[int(k)].specie for k in order],
        crystal.frac_coords[order] + rng.uniform(-1, 1, 3),
    )
    answers = []
    for structure, site in ((crystal, 4), (other, int(np.flatnonzero(order == 4)[0]))):
        graph = find_motifs(structure)
        motif = graph.motif_at(site)
        breathing = next(m for m in distortion_modes(structure, motif, "motif", graph=graph) if "A1g:1" in m.key)
        answers.append((Distorter(structure, graph).solve({breathing: amplitude}), graph, breathing))
    (first, graph, one), (second, same, two) = answers
    assert first.achieved[one.key] == pytest.approx(second.achieved[two.key], abs=1e-6)
    np.testing.assert_allclose(second.cell @ second.cell.T, first.cell @ first.cell.T, atol=1e-5)
    sites = {int(old): new for new, old in enumerate(order)}
    renumbered = [second.cost[same.motif_at(sites[m.centre]).index] for m in graph.motifs]
    np.testing.assert_allclose(renumbered, first.cost, atol=1e-6)


@pytest.mark.parametrize("amplitude", [5.0, -40.0, 1e-9])
@pytest.mark.parametrize("keep", [None, "request", "break"])
def test_absurd_and_tiny_amplitudes_give_finite_structures(iridate, amplitude, keep):
    structure, graph, _, motif = iridate
    distorter = Distorter(structure, graph, keep=keep)
    for tail in ("stretch:A1g:1", "rotation:T1g:2"):
        mode = next(m for m in distortion_modes(structure, motif, "orbit", graph=graph) if m.key.endswith(tail))
        solved = distorter.solve({mode: amplitude})
        assert np.isfinite(solved.positions).all() and np.isfinite(solved.cell).all()
        assert all(np.isfinite(part[1]) for told in solved.costs for part in told.parts)
        if abs(amplitude) < 1e-6:
            np.testing.assert_allclose(solved.positions, structure.cart_coords, atol=1e-6)
