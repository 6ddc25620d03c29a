"""What the network of motifs says: who pays for a distortion, who may lose a neighbour while it is made, who has."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import find_motifs
from motifdesk.session import Session
from motifdesk.session.flags import flags
from motifdesk.session.network_readouts import changed_motifs, costs
from motifdesk.structures import read
from motifdesk.structures.arrays import AtomArrays


@pytest.fixture
def iridate() -> Session:
    session = Session(read("beta-Li2IrO3.cif", cell="primitive"), codec=None, atlas=None, name="beta")
    session.select(next(m for m in session.state.graph.motifs if m.formula == "IrO6"))
    return session


def mode(session: Session, words: str):
    return next(m for m in session.state.modes if words in m.label)


def test_strained_motifs_are_named_with_their_cost_in_mode_language(iridate):
    assert costs(iridate.state) == ()
    iridate.distort({mode(iridate, "Q2"): 0.3})
    found = costs(iridate.state)
    assert found and [c.size for c in found] == sorted((c.size for c in found), reverse=True)
    rows = iridate.readouts("release")
    dearest = iridate.state.graph.motifs[found[0].motif]
    assert rows["cost_0"].label == f"Out of shape: Li{dearest.centre}"
    assert rows["cost_0"].value.startswith(f"{found[0].size:.3f} Å") and found[0].parts[0][0] in rows["cost_0"].value
    assert "cost_0" not in iridate.readouts("move")


def test_costs_are_there_again_after_loading(iridate, tmp_path):
    iridate.distort({mode(iridate, "Q2"): 0.3})
    loaded = Session.load(iridate.save(tmp_path / "s.json"), codec=None, atlas=None)
    assert loaded.state.response is None
    assert [str(c) for c in costs(loaded.state)] == [str(c) for c in costs(iridate.state)]


def test_a_ligand_that_leaves_is_flagged_while_held_and_settled_by_crystalnn_on_release():
    session = Session(read("rutile-TiO2.cif"), codec=None, atlas=None)
    session.select(0, scope="orbit")
    held = mode(session, "off-centring along z")
    with session.gesture("distort") as gesture:
        gesture.update({held.key: 0.05})
        assert flags(session.state) == () and "neighbours" not in session.readouts("move")
        gesture.update({held.key: 2.0})
        found = flags(session.state)
        assert found and all(f.lost or f.gained for f in found)
        row = session.readouts("move")["neighbours"]
        assert row.warn and "may" in row.value and found[0].text in row.value
    after = find_motifs(session.state.structure)
    row = session.readouts("release")["neighbours"]
    assert row.label == "Neighbours" and "→" in row.value and "may" not in row.value
    assert {site for site, _, _ in changed_motifs(session.state.graph, after)}
    assert flags(session.history[0].state) == ()


def test_flags_scale_with_the_cell_and_need_no_neighbours():
    session = Session(read("NaCl.cif"), codec=None, atlas=None)
    with session.gesture("strain") as gesture:
        gesture.update(volume=1.3)
        assert flags(session.state) == ()  # every bond longer alike: nobody leaves
        gesture.cancel()
    lonely = Session(Structure(Lattice.cubic(40), ["Ar"], [[0, 0, 0]]), codec=None, atlas=None)
    with lonely.gesture("strain") as gesture:
        gesture.update(volume=1.1)
        assert flags(lonely.state) == ()
        gesture.cancel()


def test_flags_of_a_molecule():
    session = Session("benzene.xyz", codec=None, atlas=None)
    session.select(0)
    with session.gesture("distort") as gesture:
        gesture.update({session.state.modes[0].key: 1.5})
        assert any("may lose" in f.text for f in flags(session.state))
        gesture.cancel()


def test_guesses_agree_with_crystalnn_where_distances_can_tell():
    """Over random shakes of real crystals: a flag and a change go together far more often than not."""
    rng = np.random.default_rng(5)
    agree = total = 0
    for name in ("rutile-TiO2", "NaCl", "quartz-SiO2", "SrTiO3", "anatase-TiO2"):
        session = Session(f"{name}.cif", codec=None, atlas=None)
        state, graph = session.state, session.state.graph
        for scale in (0.02, 0.3):
            moved = state.arrays.positions + scale * rng.standard_normal(state.arrays.positions.shape)
            shaken = replace(state, arrays=AtomArrays(state.arrays.numbers, moved, state.arrays.cell))
            now = {graph.motif_at(s).index for s, _, _ in changed_motifs(graph, find_motifs(shaken.structure))}
            said = {f.motif for f in flags(shaken)}
            total += len(graph.motifs)
            agree += sum((m.index in now) == (m.index in said) for m in graph.motifs)
    assert agree / total > 0.7


def test_neighbours_that_a_strain_changed_are_told_against_the_step_before():
    session = Session(read("rutile-TiO2.cif"), codec=None, atlas=None)
    session.readouts("release")
    session.strain(np.diag([0.0, 0.0, 0.02]))
    assert "neighbours" not in session.readouts("release")
    session.strain(np.diag([0.0, 0.0, 0.9]))
    row = session.readouts("release")["neighbours"]
    assert "Ti0 6 →" in row.value and row.warn
    assert "neighbours" not in Session(session.state.structure, codec=None, atlas=None).readouts("release")
