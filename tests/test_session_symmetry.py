"""Patterns and symmetry of the handles: chosen with the pick, recorded, replayed; what a handle leads to."""

import json

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.session import Session
from motifdesk.session.patterns import alternating
from motifdesk.structures import read, space_group
from motifdesk.structures.errors import MotifDeskError


def opened(structure) -> Session:
    return Session(structure, codec=None, atlas=None, name="design")


def perovskite(*repeat: int) -> Structure:
    cell = Structure(
        Lattice.cubic(3.9), ["Re", "O", "O", "O"], [[0.5] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    )
    return cell * repeat


@pytest.fixture
def frame() -> Session:
    session = opened(perovskite(2, 2, 2))
    session.select(0, scope="orbit")
    return session


@pytest.fixture
def iridate() -> Session:
    session = opened(read("beta-Li2IrO3.cif", cell="primitive"))
    session.select(next(m for m in session.state.graph.motifs if m.formula == "IrO6"), scope="orbit")
    return session


# patterns -------------------------------------------------------------------------------------------------------------


def test_linked_octahedra_of_a_doubled_cell_alternate_in_every_direction(frame):
    signs = np.array(frame.state.reference.character(0, "orbit"))
    targets = [index for index, _ in frame.state.modes[0].targets]
    centres = frame.state.structure.frac_coords[[frame.state.graph.motifs[i].centre for i in targets]]
    rock_salt = (-1) ** np.floor(2 * centres + 1e-6).astype(int).sum(axis=1)
    assert np.array_equal(signs, rock_salt * rock_salt[0])


@pytest.mark.parametrize("repeat", [(1, 1, 1), (1, 1, 3)])
def test_nothing_alternates_where_a_motif_meets_its_own_image_or_an_odd_ring(repeat):
    session = opened(perovskite(*repeat))
    session.select(0, scope="orbit")
    assert session.state.reference.character(0, "orbit") is None
    before = session.state
    with pytest.raises(MotifDeskError, match="alternating"):
        session.select(pattern="alternating")
    assert session.state is before


def test_chains_of_rutile_alternate_over_their_corners():
    session = opened("rutile-TiO2.cif")
    graph = session.state.graph
    assert alternating(graph, [0, 1]) == (1, -1)
    assert alternating(graph, [0]) is None


def test_alternating_pattern_gives_signed_modes_and_falls_back_with_the_scope(frame):
    frame.select(pattern="alternating")
    mode = next(m for m in frame.state.modes if m.key.endswith("stretch:A1g:1"))
    assert "[+" in mode.key and len(mode.targets) == 8
    frame.distort({mode: 0.2})
    made = frame.state.structure
    graph = frame.state.graph
    lengths = {}
    for sign, (index, _) in zip(frame.state.reference.character(0, "orbit"), mode.targets, strict=True):
        positions = graph.motifs[index].positions(made)
        lengths.setdefault(sign, []).append(np.linalg.norm(positions[1:] - positions[0], axis=1).mean())
    assert min(lengths[1]) > max(lengths[-1]) + 0.1
    frame.select(scope="motif")
    assert frame.state.selection.pattern == "uniform"


# symmetry -------------------------------------------------------------------------------------------------------------


def test_kept_symmetry_is_recorded_replayed_and_exact(iridate, tmp_path):
    mode = next(m for m in iridate.state.modes if "elongation" in m.label)
    iridate.select(symmetry="request")
    iridate.distort({mode: 0.2})
    edit = iridate.history[1].edit
    assert edit.parameters["keep"] == "request" and "symmetry kept" in edit.name
    assert iridate.state.keep == "request"
    assert space_group(iridate.state.arrays, 1e-4).number == space_group(iridate.state.arrays, 1e-2).number
    iridate.select(symmetry="free")  # what is picked now must not matter to the replay
    loaded = Session.load(iridate.save(tmp_path / "s.json"), codec=None, atlas=None)
    assert loaded.state.keep == "request" and loaded.state.selection.symmetry == "free"
    assert loaded.replay().exact


def test_a_subgroup_may_be_given_and_is_part_of_the_recipe(iridate, tmp_path):
    from motifdesk.motifs.distortion.subgroups import operations_of

    operations = operations_of(iridate.state.structure)
    mode = next(m for m in iridate.state.modes if "elongation" in m.label)
    state = iridate.distort({mode: 0.1}, keep=operations)
    assert space_group(state.arrays, 1e-4).symbol == "Fddd"
    json.dumps(dict(iridate.history[1].edit.parameters))
    assert Session.load(iridate.save(tmp_path / "s.json"), codec=None, atlas=None).replay().exact


@pytest.mark.parametrize("keep", ["all", 3, (), {"rotations": [[1]]}, object()])
def test_what_is_no_symmetry_is_refused_and_changes_nothing(iridate, keep):
    before = iridate.state
    with pytest.raises(MotifDeskError):
        iridate.distort({iridate.state.modes[0]: 0.1}, keep=keep)
    assert iridate.state is before


def test_unknown_words_are_refused_by_name(frame):
    for word in ("pattern", "symmetry"):
        with pytest.raises(MotifDeskError, match=f"unknown {word} 'none'"):
            frame.select(**{word: "none"})


def test_files_from_before_patterns_and_symmetry_still_open(frame, tmp_path):
    frame.distort({frame.state.modes[0]: 0.05})
    path = frame.save(tmp_path / "s.json")
    data = json.loads(path.read_text())
    for node in data["nodes"]:
        del node["selection"]["pattern"], node["selection"]["symmetry"]
    path.write_text(json.dumps(data))
    loaded = Session.load(path, codec=None, atlas=None)
    assert loaded.state.selection.pattern == "uniform" and loaded.state.keep == "free"
    assert loaded.replay().exact


# outlook --------------------------------------------------------------------------------------------------------------


def test_a_handle_says_the_group_it_leads_to_and_that_is_where_it_leads(iridate):
    groups = {}
    for mode in iridate.state.modes:
        found = groups[mode.key] = iridate.leads_to(mode)
        iridate.distort({mode: 0.15})
        assert space_group(iridate.state.arrays, 0.01).number == found.number, mode.label
        iridate.undo()
    assert {g.symbol for g in groups.values()} == {"Fddd", "Fdd2"}
    assert groups[next(k for k in groups if k.endswith("A1g:1"))].symbol == "Fddd"


def test_what_a_handle_leads_to_counts_what_is_on_already(frame):
    tilts = [m for m in frame.state.modes if m.block == "stretch" and m.irrep == "Eg"]
    alone = frame.leads_to(tilts[1]).symbol
    frame.distort({tilts[0]: 0.1})
    assert frame.leads_to(tilts[0]).symbol == "P4/mmm"
    assert frame.leads_to(tilts[1]).symbol == "Pmmm"
    assert alone in ("P4/mmm", "Pmmm")


def test_a_molecule_has_patterns_of_its_own_and_a_point_group():
    session = opened("benzene.xyz")
    session.select(0, scope="orbit")
    breathing = session.state.modes[0]
    assert session.leads_to(breathing).symbol == "D6h"
    assert len(breathing.targets) == 6
    session.select(0, scope="motif")
    assert session.leads_to(session.state.modes[0]).symbol == "C2v"
    session.select(scope="all", pattern="alternating", symmetry="request")
    state = session.distort({session.state.modes[0]: 0.05})
    assert state.keep == "free"
    lengths = [state.structure.get_distance(m.centre, m.ligands[0].site) for m in state.graph.motifs]
    assert np.ptp(lengths) > 0.05


def test_breaking_is_quick_under_the_hand_and_worked_out_at_the_end(iridate):
    iridate.select(symmetry="break")
    mode = next(m for m in iridate.state.modes if "elongation" in m.label)
    with iridate.gesture("distort") as gesture:
        shown = gesture.update({mode.key: 0.2}, quick=True)
        asked = []
        solve = type(iridate.state.reference.distorter_that("break")).solve

        def counted(distorter, amplitudes):
            asked.append(distorter)
            return solve(distorter, amplitudes)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(iridate.state.reference.distorter_that("break")), "solve", counted)
            gesture.commit()
    assert shown.preview
    assert asked == [iridate.state.reference.distorter_that("break")]
    assert iridate.state.keep == "break" and iridate.history[1].edit.parameters["keep"] == "break"
    assert iridate.replay().exact
