"""Locks and ties of handles are part of the document: saved, kept by undo, respected by every move."""

import json

import numpy as np
import pytest

from motifdesk.desk import Desk
from motifdesk.session import Session
from motifdesk.session.cell_handles import cell_values
from motifdesk.session.keeping import Keeper
from motifdesk.session.ties import STRAINS, Ties
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError, SessionError


@pytest.fixture
def rutile():
    session = Session(read("rutile-TiO2.cif"), codec=None, atlas=None)
    session.select(motif=0)
    return session


def cell(session):
    return cell_values(session.history, session.committed)


def test_groups_join_keep_their_ratios_and_lose_a_member():
    ties = Ties().couple("a", "b", -2.0)
    assert ties.followed({"a": 0.1}, {}) == pytest.approx({"a": 0.1, "b": -0.2})
    assert ties.followed({"b": 0.1}, {}) == pytest.approx({"a": -0.05, "b": 0.1})
    assert ties.lock("b").followed({"a": 0.3}, {}) == {"a": 0.3}
    joined = ties.couple("c", "d", 3.0).couple("b", "c", 0.5)
    assert joined.followed({"a": 1.0}, {}) == pytest.approx({"a": 1.0, "b": -2.0, "c": -1.0, "d": -3.0})
    assert [joined.number(k) for k in "abcde"] == [1, 1, 1, 1, 0]
    assert ties.couple("a", "b", 4.0).followed({"a": 1.0}, {}) == {"a": 1.0, "b": 4.0}
    assert ties.uncouple("a").number("b") == 0
    for wrong in (0.0, np.nan):
        with pytest.raises(SessionError, match="ratio"):
            ties.couple("a", "b", wrong)
    with pytest.raises(SessionError, match="strain and a mode"):
        ties.couple("a", "exx")


@pytest.mark.parametrize("scope", ["motif", "crystal"])
def test_a_locked_mode_refuses_moves_and_a_tied_one_follows_from_python(rutile, scope):
    a, b, c = [m.key for m in rutile.select(scope=scope).modes[:3]]
    rutile.distort({a: 0.05, b: -0.1})
    rutile.couple(a, b)  # the ratio they have
    rutile.lock(c)
    state = rutile.distort({a: 0.1})
    assert dict(state.amplitudes) == pytest.approx({a: 0.1, b: -0.2})
    assert state.label.endswith("and 1 more")
    with pytest.raises(SessionError, match=r"locked.*unlock"):
        rutile.distort({c: 0.1})
    with pytest.raises(SessionError, match="tied, 1 : -2"):
        rutile.distort({a: 0.05, b: 0.05})
    assert rutile.state is state, "a refusal changes nothing"
    assert dict(rutile.distort(dict(state.amplitudes)).amplitudes) == dict(state.amplitudes)
    rutile.unlock(c)
    rutile.uncouple(b)
    assert not rutile.ties
    rutile.distort({a: 0.0, b: 0.3, c: 0.1})


def test_what_a_locked_or_tied_handle_leads_to_says_so(rutile):
    rutile.select(scope="crystal")
    polar, other = [m.key for m in rutile.state.modes[:2]]
    alone = rutile.leads_to(polar)
    rutile.couple(polar, other)
    both = rutile.leads_to(polar)
    rutile.distort({polar: 0.1})
    assert len(rutile.state.amplitudes) == 2
    from motifdesk.structures import space_group

    assert both.number == space_group(rutile.state.arrays, 0.01).number != alone.number
    rutile.undo()
    rutile.lock(polar)
    assert rutile.leads_to(polar) is None


def test_strains_lead_to_the_groups_that_they_make(rutile):
    assert rutile.leads_to("volume").number == rutile.leads_to("ezz").number == 136
    assert rutile.leads_to("exx").symbol == "Pnnm"
    rutile.couple("exx", "eyy")
    assert rutile.leads_to("exx").number == 136


def test_undo_redo_and_other_edits_keep_locks_and_another_structure_has_its_own(rutile, tmp_path):
    a, b = [m.key for m in rutile.state.modes[:2]]
    rutile.distort({a: 0.1})
    rutile.lock(a)
    rutile.lock("exx")
    rutile.couple("eyy", "ezz", 2.0)
    held = rutile.ties
    rutile.distort({b: 0.1})
    for action in (rutile.undo, rutile.undo, rutile.redo, lambda: rutile.strain_to(exy=1.0)):
        action()
        assert rutile.ties == held
    rutile.supercell([2, 1, 1])
    assert rutile.ties == held.of_cell() != held
    rutile.set_structure(read("NaCl.cif"))
    assert not rutile.ties
    rutile.lock("volume")
    rutile.undo()
    assert rutile.ties.locked == {"exx"}
    rutile.undo()
    assert rutile.ties == held


def test_a_saved_session_keeps_locks_replays_exactly_and_older_files_have_none(rutile, tmp_path):
    a, b = [m.key for m in rutile.state.modes[:2]]
    rutile.couple(a, b, -0.5)
    rutile.lock("volume")
    rutile.distort({a: 0.12})
    rutile.strain_to(exx=2.0)
    rutile.lock(a)
    path = rutile.save(tmp_path / "s.json")
    again = Session.load(path, codec=None, atlas=None)
    assert again.ties == rutile.ties
    replayed = again.replay()
    assert replayed.exact and max(replayed.deviations.values()) <= 1e-6
    assert replayed.session.ties == rutile.ties
    data = json.loads(path.read_text())
    for wrong in ({"0": {"locked": [1], "groups": []}}, {"9": {}}, {"0": {"locked": [], "groups": [{"a": 1, "b": 0}]}}):
        (tmp_path / "bad.json").write_text(json.dumps({**data, "ties": wrong}))
        with pytest.raises(SessionError, match="damaged"):
            Session.load(tmp_path / "bad.json", codec=None, atlas=None)
    del data["ties"]
    (tmp_path / "old.json").write_text(json.dumps(data))
    assert not Session.load(tmp_path / "old.json", codec=None, atlas=None).ties


def test_a_kept_session_is_found_and_adopted_with_its_locks(rutile, tmp_path):
    rutile.lock("ezz")  # and no step at all
    Keeper(rutile, tmp_path / "x.motifdesk.json").save()
    other = Session(read("rutile-TiO2.cif"), codec=None, atlas=None)
    keeper = Keeper(other, tmp_path / "x.motifdesk.json")
    (kept,) = keeper.found()
    other.adopt(keeper.take(kept.path))
    assert other.ties.locked == {"ezz"}


def test_with_the_volume_locked_free_strains_make_a_strain_good(rutile):
    rutile.lock("volume")
    rutile.lock("ezz")
    rutile.strain_to(exx=2.0)
    now = cell(rutile)
    assert now["exx"] == pytest.approx(2.0) and now["ezz"] == 0.0
    assert now["eyy"] == pytest.approx(100 * (1 / 1.02 - 1))
    assert now["volume"] == pytest.approx(100.0, abs=1e-9)
    rutile.lock("eyy")
    before = rutile.state
    with pytest.raises(SessionError, match="no strain free"):
        rutile.strain_to(exx=3.0)
    for refused in (lambda: rutile.strain(volume=1.01), lambda: rutile.strain([[0.01, 0, 0], [0, 0, 0], [0, 0, 0]])):
        with pytest.raises(SessionError, match="locked"):
            refused()
    assert rutile.state is before
    rutile.strain_to(exy=0.0)  # where it is already
    rutile.unlock("volume")
    rutile.strain_to(volume=103.0)
    now = cell(rutile)
    assert now["volume"] == pytest.approx(103.0) and now["ezz"] == 0.0 and now["exx"] > 2.0


def test_tied_strains_keep_their_ratio_whoever_moves_them(rutile):
    rutile.couple("exx", "eyy")
    rutile.couple("eyy", "ezz", -0.5)
    rutile.strain_to(eyy=1.5)
    now = cell(rutile)
    assert [now[k] for k in ("exx", "eyy", "ezz")] == pytest.approx([1.5, 1.5, -0.75])
    with pytest.raises(SessionError, match="tied"):
        rutile.strain(np.diag([0.01, 0.0, 0.0]))
    rutile.strain_to(volume=101.0)
    now = cell(rutile)
    assert now["volume"] == pytest.approx(101.0)
    assert [now["eyy"], now["ezz"]] == pytest.approx([now["exx"], -0.5 * now["exx"]], abs=1e-6)
    assert rutile.replay().exact


def test_two_desks_on_one_session_show_the_same_locks(rutile):
    one, two = (Desk(rutile, autosave=False) for _ in range(2))
    try:
        keys = [m.key for m in rutile.state.modes[:2]]
        one.lock(keys[0])
        two.couple(["exx", "eyy"])
        for desk in (one, two):
            groups = desk._output.handles["groups"]
            rows = {s["key"]: s for g in [*groups, {"sliders": desk._output.handles["cell"]}] for s in g["sliders"]}
            assert rows[keys[0]]["locked"] and not rows[keys[1]]["locked"]
            assert rows["exx"]["tied"] == rows["eyy"]["tied"] == 1 and not rows["ezz"]["tied"]
        two._hands.move("strain", "exx", 1.0)
        two._hands.release()
        two._hands.move("distort", keys[0], 0.1)  # a page that does not know yet
        assert cell(rutile)["eyy"] == pytest.approx(1.0) and not rutile.state.amplitudes
    finally:
        one.close()
        two.close()


@pytest.mark.parametrize("wrong", ["", "m0:motif:stretch:A9g:1", "crystal:none", 7, "strain"])
def test_what_is_no_handle_is_refused(rutile, wrong):
    with pytest.raises(MotifDeskError, match="handle"):
        rutile.lock(wrong)
    molecule = Session(read("benzene.xyz"), codec=None, atlas=None)
    with pytest.raises(SessionError, match="no cell"):
        molecule.lock("volume")
    with pytest.raises(SessionError, match="handles of the cell"):
        rutile.strain_to(eab=1.0)


def test_the_volume_is_that_of_the_cell_whatever_is_in_it(rutile):
    rutile.strain_to(volume=102.0)
    for step in (
        lambda: rutile.add_site("H", [1.0, 0.5, 1.5]),
        lambda: rutile.supercell([2, 1, 1]),
        lambda: rutile.delete_sites([0, 3]),
        lambda: rutile.supercell([1, 2, 1]),
    ):
        step()
        assert cell(rutile)["volume"] == pytest.approx(102.0)
    rutile.strain_to(volume=100.0)
    assert rutile.state.arrays.volume == pytest.approx(4 * rutile.history[0].state.arrays.volume)


def test_a_slab_is_a_cell_of_its_own(rutile):
    rutile.lock("exx")
    rutile.slab((1, 1, 0), layers=1, vacuum=1.0)
    assert not rutile.ties
    assert cell(rutile) == pytest.approx({"volume": 100.0, **dict.fromkeys(STRAINS, 0.0)}, abs=1e-6)
    rutile.undo()
    assert rutile.ties.locked == {"exx"}
