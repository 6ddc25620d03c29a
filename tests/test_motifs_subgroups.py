"""Symmetry kept on purpose, chosen, lost and broken."""

import numpy as np
import pytest
from octahedra import Frame, made_from

from motifdesk.motifs import Distorter, distort, distortion_modes, find_motifs
from motifdesk.motifs.distortion.subgroups import (
    Operations,
    displacement_group,
    operations_of,
    request_group,
    symmetrised,
)
from motifdesk.motifs.testing import assert_corners_shared, assert_symmetry_kept
from motifdesk.structures import read, space_group, to_arrays
from motifdesk.structures.errors import MotifDeskError
from motifdesk.structures.symmetry import symmetry_operations


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame()


@pytest.fixture(scope="module")
def iridate():
    structure = read("beta-Li2IrO3.cif", cell="primitive")
    graph = find_motifs(structure)
    return structure, graph, next(m for m in graph.motifs if m.formula == "IrO6")


def mode_of(structure, graph, motif, scope, tail):
    return next(m for m in distortion_modes(structure, motif, scope, graph=graph) if m.key.endswith(tail))


@pytest.mark.parametrize("name", ["SrTiO3.cif", "quartz-SiO2.cif", "rutile-TiO2.cif", "Si.cif", "KCuF3.cif"])
def test_operations_form_a_group_that_permutes_like_sites(name):
    structure = read(name)
    found = operations_of(structure)
    rotations, _ = symmetry_operations(structure)
    assert len(found) == len(rotations) and found.is_group()
    numbers = np.array(structure.atomic_numbers)
    assert (numbers[found.sites] == numbers).all()
    assert not found.select(np.arange(len(found)) != 0).is_group()
    arrays = to_arrays(structure)
    landed = arrays.fractional @ np.swapaxes(found.rotations, 1, 2) + found.translations[:, None]
    np.testing.assert_allclose(landed, arrays.fractional[found.sites] + found.shifts, atol=1e-6)


@pytest.mark.parametrize("scope", ["motif", "orbit"])
@pytest.mark.parametrize("name", ["beta-Li2IrO3.cif", "CaTiO3.cif", "rutile-TiO2.cif"])
def test_what_a_request_keeps_is_kept_exactly(name, scope):
    structure = read(name, cell="primitive")
    graph = find_motifs(structure)
    motif = next(m for m in graph.motifs if m.symbol == "O:6")
    distorter = Distorter(structure, graph, keep="request")
    for mode in distortion_modes(structure, motif, scope, graph=graph)[::3]:
        solved = distorter.solve({mode: 0.12})
        made = made_from(structure, solved)
        assert_symmetry_kept(structure, made, solved.operations, atol=1e-9)
        kept, found = len(solved.operations), len(symmetry_operations(made, 1e-5)[0])
        assert found % kept == 0 and solved.lost == 0.0
        assert len(request_group(structure, {mode: 0.12}, graph=graph)) == kept


def test_request_groups_are_those_of_the_textbook(frame):
    groups = {}
    for tail in ("stretch:A1g:1", "stretch:Eg:1", "stretch:Eg:2", "bend:T2g:1"):
        kept = request_group(frame.structure, {frame.one(tail): 0.1}, graph=frame.graph)
        groups[tail] = len(kept)
    # of the 48 operations about one octahedron (no translation keeps a single one): Oh, D4h, D2h, D2h
    assert groups == {"stretch:A1g:1": 48, "stretch:Eg:1": 16, "stretch:Eg:2": 8, "bend:T2g:1": 8}
    assert len(request_group(frame.structure, {}, graph=frame.graph)) == 384
    # equal tilts about three axes keep the threefold axis, unequal ones do not
    equal = frame.tilts(x_out=6, y_out=6, z_out=6)
    unequal = frame.tilts(x_out=6, y_out=6, z_out=7)
    orders = [len(request_group(frame.structure, request, graph=frame.graph)) for request in (equal, unequal)]
    assert orders == [48, 16]


def test_a_structure_that_is_only_nearly_symmetric_becomes_exactly_so(iridate):
    structure, _, _ = iridate
    rng = np.random.default_rng(4)
    shaken = structure.copy()
    for site in range(len(shaken)):
        shaken.translate_sites([site], rng.normal(scale=5e-4, size=3), frac_coords=False)
    graph = find_motifs(shaken)
    assert space_group(shaken, 1e-5).symbol == "P1" and space_group(shaken, 0.01).symbol == "Fddd"
    motif = next(m for m in graph.motifs if m.formula == "IrO6")
    mode = mode_of(shaken, graph, motif, "orbit", "stretch:A1g:1")
    solved = Distorter(shaken, graph, keep="request").solve({mode: 0.1})
    made = made_from(shaken, solved)
    assert space_group(made, 1e-5).symbol == "Fddd"
    loose = Distorter(shaken, graph).solve({mode: 0.1})
    assert space_group(made_from(shaken, loose), 1e-5).symbol == "P1"
    np.testing.assert_allclose(loose.positions, solved.positions, atol=0.01)
    assert np.array_equal(Distorter(shaken, graph, keep="request").solve({mode: 0.0}).positions, shaken.cart_coords)


def test_symmetrising_is_idempotent_and_small():
    structure = read("quartz-SiO2.cif")
    rng = np.random.default_rng(0)
    structure.translate_sites([3], rng.normal(scale=1e-3, size=3), frac_coords=False)
    operations = operations_of(structure)
    once = symmetrised(to_arrays(structure), operations)
    twice = symmetrised(once, operations)
    assert np.abs(once.positions - structure.cart_coords).max() < 5e-3
    np.testing.assert_allclose(twice.positions, once.positions, atol=1e-12)
    np.testing.assert_allclose(twice.cell, once.cell, atol=1e-12)
    assert space_group(once, 1e-6).number == space_group(structure, 0.01).number


def test_a_chosen_subgroup_is_kept_and_says_what_is_lost_of_the_request(frame):
    whole = operations_of(frame.structure)
    elongation = frame.mode("stretch:Eg:1", "")
    half = Distorter(frame.structure, frame.graph, keep=request_group(frame.structure, {elongation: 0.1}))
    # all of what the subgroup allows, nothing of what it forbids, the mean of what it partly allows
    allowed = half.solve({elongation: 0.2})
    assert allowed.lost == pytest.approx(0.0, abs=1e-9)
    assert allowed.achieved[elongation.key] == pytest.approx(0.2, abs=1e-4)
    other = frame.mode("stretch:Eg:2", "")
    forbidden = half.solve({other: 0.2})
    assert forbidden.lost == pytest.approx(1.0) and abs(forbidden.achieved[other.key]) < 1e-6
    np.testing.assert_allclose(forbidden.cell, frame.structure.lattice.matrix, atol=1e-6)
    single = Distorter(frame.structure, frame.graph, keep=whole).solve({frame.one("stretch:A1g:1"): 0.4})
    assert single.lost == pytest.approx(7 / 8)
    assert single.achieved[frame.one("stretch:A1g:1").key] == pytest.approx(0.05, abs=1e-4)
    made = made_from(frame.structure, single)
    assert_symmetry_kept(frame.structure, made, whole, atol=1e-9)
    assert space_group(made, 1e-5).symbol == "Pm-3m"


def test_pure_translations_alone_can_be_kept(frame):
    whole = operations_of(frame.structure)
    pure = whole.select((whole.rotations == np.eye(3, dtype=int)).all(axis=(1, 2)))
    assert len(pure) == 8
    made = distort(frame.structure, {frame.one("stretch:T1u:1"): 0.4}, graph=frame.graph, keep=pure)
    assert_symmetry_kept(frame.structure, made, pure, atol=1e-9)
    assert made.get_primitive_structure(tolerance=1e-4).num_sites == 4


def test_operations_are_accepted_as_arrays_and_bad_ones_refused(iridate, frame):
    structure, graph, motif = iridate
    rotations, translations = symmetry_operations(structure)
    mode = mode_of(structure, graph, motif, "orbit", "stretch:Eg:1")
    solved = Distorter(structure, graph, keep=(rotations, translations)).solve({mode: 0.1})
    assert isinstance(solved.operations, Operations) and len(solved.operations) == 8
    for keep, what in (
        ("all", "request"),
        (7, "no symmetry to keep"),
        ((rotations[:3], translations[:3]), "no group"),
        ((rotations, translations + 0.1), "no symmetry of the structure"),
        ((rotations, translations[:2]), "no symmetry to keep"),
    ):
        with pytest.raises(MotifDeskError, match=what):
            Distorter(structure, graph, keep=keep)
    with pytest.raises(MotifDeskError, match="molecule"):
        Distorter(read("benzene.xyz"), keep="request")


def test_a_mode_held_at_zero_breaks_no_symmetry_that_is_kept(iridate):
    structure, graph, motif = iridate
    asked = mode_of(structure, graph, motif, "orbit", "stretch:A1g:1")
    held = mode_of(structure, graph, motif, "motif", "stretch:T1u:1")
    solved = Distorter(structure, graph, keep="request").solve({asked: 0.1, held: 0.0})
    made = made_from(structure, solved)
    assert len(solved.operations) == 8 and space_group(made, 1e-5).symbol == "Fddd"
    assert solved.achieved[held.key] == pytest.approx(0.0, abs=2e-3)


def test_displacements_of_a_frozen_mode_have_the_group_they_lead_to():
    cell = read("BaTiO3-cubic.cif")
    moves = np.zeros((5, 3))
    titanium = [k for k, s in enumerate(cell) if s.specie.symbol == "Ti"][0]
    for direction, number, order in (([0, 0, 1], 99, 8), ([1, 1, 0], 38, 4), ([1, 1, 1], 160, 6)):
        moves[titanium] = 0.1 * np.array(direction)
        kept = displacement_group(cell, moves)
        made = cell.copy()
        made.translate_sites([titanium], moves[titanium], frac_coords=False)
        assert len(kept) == order and space_group(made, 1e-4).number == number
        assert_symmetry_kept(cell, made, kept)
    assert len(displacement_group(cell, np.zeros((5, 3)))) == 48
    with pytest.raises(MotifDeskError, match="displacements"):
        displacement_group(cell, np.zeros((4, 3)))


def test_breaking_finds_the_cheaper_answer_of_lower_symmetry(frame):
    # one large octahedron in a frame of rigid ones: the rows through it buckle instead of pushing
    mode = frame.one("stretch:A1g:1")
    symmetric = frame.distorter.solve({mode: 0.3})
    breaking = Distorter(frame.structure, frame.graph, keep="break")
    broken = breaking.solve({mode: 0.3})
    assert broken.broke and not symmetric.broke and broken.converged
    assert np.linalg.norm(broken.cost) < 0.6 * np.linalg.norm(symmetric.cost)
    assert broken.achieved[mode.key] == pytest.approx(0.3, abs=1e-3)
    before, after = (space_group(made_from(frame.structure, s), 1e-3) for s in (symmetric, broken))
    assert before.symbol == "Pm-3m" and after.number < 200
    assert_corners_shared(frame.structure, made_from(frame.structure, broken), graph=frame.graph)
    again = Distorter(frame.structure, frame.graph, keep="break").solve({mode: 0.3})
    assert np.array_equal(again.positions, broken.positions)


def test_breaking_leaves_a_request_alone_that_costs_nothing(frame):
    mode = frame.mode("stretch:Eg:2", "xy")
    solved = Distorter(frame.structure, frame.graph, keep="break").solve({mode: 0.2})
    plain = frame.distorter.solve({mode: 0.2})
    assert not solved.broke
    np.testing.assert_allclose(solved.positions, plain.positions, atol=1e-9)
