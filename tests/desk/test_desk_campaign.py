"""A campaign on the desk without a browser: points, table, stars, and candidates as edits."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.screening import Candidate, Energy, ScreeningError, Store, Verdict
from motifdesk.structures import read, to_arrays
from motifdesk.structures.errors import SessionError

NAMES = ["rutile-TiO2.cif", "NaCl.cif", "SrTiO3.cif", "Si.cif"]


@pytest.fixture
def path(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        for k in range(90):
            arrays = to_arrays(read(NAMES[k % 4]))
            energy = Energy("test", -5.0, True, 0.05, 7, above_hull=0.01 * k)
            figures = {"spacegroup": 100 + k, "density": 4.0, "x": float(k), "y": 2.0} if k < 80 else {}
            verdicts = (Verdict("contacts", k % 5 != 4, "0.4 Å apart"),)
            recipe = {"kind": "test", "step": k}
            store.put(Candidate("gen", 0, k, recipe, arrays, None, verdicts, energy, figures=figures))
    return tmp_path / "s.sqlite"


@pytest.fixture
def desk():
    made = md.Desk("BaTiO3-cubic.cif", codec=None, atlas=None)
    yield made
    made.close()


def shown(desk):
    return desk._output.candidates


def test_candidates_are_points_of_the_map_and_rows_of_the_table(desk, path):
    assert not shown(desk)["open"]
    before = len(desk.map.figure.data)
    assert desk.show_campaign(path) == 90
    said = shown(desk)
    assert said["open"] and len(said["rows"]) == 40 and said["pages"] == 3
    assert said["rows"][0]["id"] == "gen/0/0" and said["rows"][0]["picture"].startswith("<svg")
    assert "10 not on the map" in said["text"]
    assert len(desk.map.figure.data) == before + 1 and len(desk.map.figure.data[-1].x) == 80
    assert np.allclose(desk.map.figure.data[-1].marker.color, 0.01 * np.arange(80)), "by energy above the hull"
    desk.candidates.colour_by("status")
    assert [n for n, _ in shown(desk)["legend"]] == ["passed", "rejected"]
    assert set(np.asarray(desk.map.figure.data[-1].marker.color).tolist()) == {0.0, 1.0}
    desk.candidates.hide()
    assert not shown(desk)["open"] and len(desk.map.figure.data[-1].x) == 0


def test_a_search_a_sort_and_a_lasso_are_what_is_listed(desk, path):
    desk.show_campaign(path)
    assert desk.candidates.search("Si hull<0.3") == 7
    assert all("Si" in r["formula"] for r in shown(desk)["rows"])
    assert len(desk.map.figure.data[-1].x) == 7, "the map shows what answers"
    with pytest.raises(ScreeningError, match="no word"):
        desk.candidates.search("nonsense")
    assert len(shown(desk)["rows"]) == 7, "what was found stays"
    desk.candidates.search("")
    desk.candidates.sort("above_hull", True)
    assert shown(desk)["rows"][0]["above"] == "0.880"
    desk.candidates._take(np.array([3, 4, 5]))
    assert [r["id"] for r in shown(desk)["rows"]] == ["gen/0/5", "gen/0/3", "gen/0/4"], "passed before rejected"
    desk.candidates.turn(99)
    assert shown(desk)["page"] == 0


def test_a_candidate_is_one_undoable_edit_with_its_provenance(desk, path):
    desk.show_campaign(path)
    before = desk.session.state.formula
    desk.candidates.open(1)
    edit = desk.session.history[desk.session.history.current].edit
    assert desk.session.state.formula != before and edit.kind == "set_structure"
    assert edit.name == f"Open {desk.session.state.formula} gen/0/1", "named as what it is, not as a structure set"
    about = edit.parameters["structure"]["properties"]["motifdesk"]
    assert about["source"] == "gen/0/1" and about["recipe"]["step"] == 1
    desk.session.undo()
    assert desk.session.state.formula == before
    with pytest.raises(ScreeningError, match="no candidate"):
        desk.candidates.open(5000)


def test_stars_and_the_export_of_them_from_the_page(desk, path, tmp_path):
    desk.show_campaign(path)
    act = desk._on_message
    act(None, {"op": "campaign", "what": "star", "row": 3, "on": True, "n": 1})
    act(None, {"op": "campaign", "what": "star", "row": 7, "on": True, "n": 2})
    assert shown(desk)["starred"] == 2 and shown(desk)["rows"][0]["star"] is False
    act(None, {"op": "campaign", "what": "export", "folder": str(tmp_path / "out"), "n": 3})
    assert desk.settle(30)
    assert len(list((tmp_path / "out").glob("*.cif"))) == 2 and "2 candidates written" in shown(desk)["said"]
    act(None, {"op": "campaign", "what": "export", "folder": str(tmp_path / "out"), "n": 4})
    assert desk.settle(30)
    assert "not empty" in shown(desk)["error"], "what is there is not written over"
    act(None, {"op": "campaign", "what": "show", "path": str(tmp_path / "none.sqlite"), "n": 5})
    assert desk.settle(30)
    assert "no such store" in shown(desk)["error"] and shown(desk)["open"], "what was shown stays"


def test_a_card_says_what_a_point_is(desk, path):
    desk.show_campaign(path)
    card = desk.candidates._card(4)
    assert card["id"] == "gen/0/4" and "contacts" in card["facts"][0] and "0.040 above" in card["facts"][1]


def test_without_a_campaign_there_is_one_clear_error(desk):
    with pytest.raises(SessionError, match="no campaign"):
        desk.candidates.search("Si")


def test_a_desk_of_a_campaign_opens_with_the_best(path, tmp_path):
    made = md.Desk.of_campaign(path, codec=None, atlas=None)
    assert shown(made)["open"] and made.session.state.formula == made.session.state.formula
    assert to_arrays(read(NAMES[0])).formula == made.session.committed.arrays.formula
    made.close()
    Store(tmp_path / "empty.sqlite").close()
    with pytest.raises(ScreeningError, match="no candidate has a structure"):
        md.Desk.of_campaign(tmp_path / "empty.sqlite")
