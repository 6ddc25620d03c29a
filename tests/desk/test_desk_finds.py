"""Known structures on the desk: searched, lassoed, hovered over, opened, and what is wrong said beside the search."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from pymatgen.core import Structure

from motifdesk.desk.sketch import sketch
from motifdesk.structures.arrays import to_arrays


@pytest.fixture
def page(opened, rutile, codec, atlas):
    return opened(rutile, codec=codec, atlas=atlas).open_map()


def test_a_search_fades_the_rest_of_the_map_and_lists_the_nearest_first(page, atlas):
    from motifdesk.atlas.searching import search

    page.send("find", listed=True).send("find", query="Ti O")
    assert page.desk.settle()
    expected = np.flatnonzero(search(atlas, "Ti O"))
    assert list(page.desk.map.figure.data[0].selectedpoints) == expected.tolist()
    finds = page.out.finds
    assert str(len(expected)) in finds["title"] and finds["more"] == len(expected) - len(finds["rows"])
    far = [row["distance"] for row in finds["rows"]]
    assert far == sorted(far) and finds["rows"][0]["formula"] == "TiO2"
    everything = atlas.distances(page.desk._finds._code(), expected)[0]
    assert max(far) <= np.sort(everything)[len(far) - 1] + 0.01
    page.send("find", query="")
    assert page.desk.settle() and page.desk.map.figure.data[0].selectedpoints is None


def test_a_bad_word_keeps_what_was_found(page):
    page.send("find", query="TiO2")
    assert page.desk.settle()
    rows = page.out.finds["rows"]
    page.send("find", query="Ti Hello")
    assert page.desk.settle()
    assert "Hello" in page.out.finds["error"] and page.out.finds["rows"] == rows and page.desk.messages == ()


def test_a_lasso_lists_its_points_and_nonsense_is_left_out(page):
    page.send("lasso", on=True)
    assert page.desk.map.drawing and page.out.mapbar["lasso"]
    page.send("find", lasso=[3, 5, 5, 10**9, -4])
    assert page.desk.settle()
    assert sorted(row["index"] for row in page.out.finds["rows"]) == [3, 5]
    page.send("lasso", on=False)
    assert not page.desk.map.drawing


def test_unasked_the_list_holds_the_neighbours_of_the_design_and_follows_it(page, atlas):
    page.send("find", listed=True)
    assert page.desk.settle()
    rows = page.out.finds["rows"]
    near = atlas.neighbours(page.desk._finds._code(), 12)[0]
    assert [r["index"] for r in rows] == [n.index for n in near]
    page.send("find", open=rows[3]["index"])
    assert page.desk.settle()
    assert page.session.state.arrays.numbers.tolist() == atlas.arrays(rows[3]["index"]).numbers.tolist()
    assert page.out.finds["rows"] != rows
    page.send("undo")
    assert page.desk.settle() and page.out.finds["rows"][0]["index"] == rows[0]["index"]


def test_the_card_of_a_point_has_its_picture_and_facts(page, atlas):
    page.send("find", hover=17)
    assert page.desk.settle()
    card = page.out.card
    assert card["formula"] == atlas.columns["formula"][17] and any("energy" in f for f in card["facts"])
    drawn = ET.fromstring(card["picture"])
    circles = [e for e in drawn.iter() if e.tag.endswith("circle")]
    assert len(circles) >= atlas.columns["natoms"][17]
    assert card["link"].endswith(card["id"]) and card["link"].startswith("https://")
    page.send("find", hover=None)
    assert page.desk.settle() and page.out.card == {}


def test_before_the_map_is_open_a_search_says_so(opened, rutile):
    page = opened(rutile).send("find", query="Ti")
    assert page.desk.settle() and "not open yet" in page.out.finds["error"]


def test_a_sketch_shows_every_atom_once_and_those_on_faces_again():
    cubic = Structure.from_spacegroup(
        "Fm-3m", [[5.64, 0, 0], [0, 5.64, 0], [0, 0, 5.64]], ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]]
    )
    drawn = ET.fromstring(sketch(to_arrays(cubic)))
    circles = [e for e in drawn.iter() if e.tag.endswith("circle")]
    assert len(circles) == 14 + 13  # corners and faces of one sublattice, edges and the middle of the other
    for circle in circles:
        assert 0 <= float(circle.get("cx")) <= 120 and 0 <= float(circle.get("cy")) <= 90
