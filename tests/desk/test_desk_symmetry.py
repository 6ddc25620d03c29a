"""Pattern, symmetry and outlook of the handles, as the page sees and asks for them."""

import pytest
from pymatgen.core import Lattice, Structure

import motifdesk as md
from motifdesk.desk import outlook
from motifdesk.session import Session
from motifdesk.session.ties import CELL
from motifdesk.structures import space_group


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(outlook, "_REST_S", 0.0)


@pytest.fixture
def frame() -> Structure:
    cell = Structure(
        Lattice.cubic(3.9), ["Re", "O", "O", "O"], [[0.5] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    )
    return cell * (2, 1, 1)


def tag(page, words: str) -> dict:
    return page.out.outlook[page.slider(words)["key"]]


def test_every_handle_shows_the_group_it_leads_to_before_it_is_moved(opened, rutile):
    page = opened(rutile)
    assert page.out.outlook == {}
    page.pick("TiO6", "orbit")
    assert page.desk.settle()
    sliders = [s["key"] for g in page.out.handles["groups"] for s in g["sliders"]]
    assert set(page.out.outlook) == {*sliders, *CELL}
    assert {k: tag(page, "breathing")[k] for k in ("text", "same", "title")} == {
        "text": "P4_2/mnm",
        "same": True,
        "title": "this handle keeps P4_2/mnm (136), within 0.01 Å",
    }
    lower = next(key for key in sliders if not page.out.outlook[key]["same"])
    page.slide(lower, 0.15).send("release", what="distort")
    assert page.desk.settle()
    assert space_group(page.session.state.arrays).symbol in page.out.outlook[lower]["text"]
    assert page.edits() == ["open", "distort"] and page.desk.messages == ()


def test_outlook_is_dropped_while_a_slider_is_held_and_follows_the_pick(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    assert page.desk.settle()
    before = page.out.outlook
    page.slide(page.slider("breathing")["key"], 0.02, 0.04)
    assert page.out.outlook == before
    page.send("cancel", what="distort").send("scope", scope="motif")
    assert page.desk.settle()
    assert set(page.out.outlook) & set(before) == CELL


def test_the_pattern_is_offered_where_the_cell_allows_it_and_acts(opened, frame):
    page = opened(frame)
    page.pick("ReO6", "motif")
    assert page.out.handles["patterns"] is False
    page.send("scope", scope="orbit")
    # the octahedra meet their own images along b and c: nothing alternates in 2 x 1 x 1
    assert page.out.handles["patterns"] is False
    page.send("pattern", value="alternating")
    assert "alternating" in page.desk.messages[-1] and page.out.handles["pattern"] == "uniform"
    page = opened("rutile-TiO2.cif")
    page.pick("TiO6", "orbit")
    assert page.out.handles["patterns"] is True
    page.send("pattern", value="alternating")
    assert page.out.handles["pattern"] == "alternating"
    page.slide(page.slider("breathing")["key"], 0.1).send("release", what="distort")
    lengths = [md.find_motifs(page.session.state.structure).motifs[k] for k in (0, 1)]
    assert page.edits() == ["open", "distort"] and len(lengths) == 2
    assert "[+-]" in next(iter(page.session.state.amplitudes))


def test_symmetry_is_chosen_recorded_and_done_again_for_what_is_on(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    page.slide(page.slider("Q3")["key"], 0.1).send("release", what="distort")
    assert page.session.state.keep == "free"
    page.send("symmetry", value="request")
    assert page.out.handles["symmetry"] == "request"
    assert page.edits() == ["open", "distort", "distort"] and page.session.state.keep == "request"
    assert "symmetry kept" in page.out.header["facts"]
    page.send("undo")
    assert page.session.state.keep == "free"
    page.send("symmetry", value="whatever")
    assert "unknown symmetry" in page.desk.messages[-1]


def test_python_says_the_same_and_the_desk_follows(opened, rutile):
    session = Session(rutile, codec=None, atlas=None)
    page = opened(session)
    session.select(0, scope="orbit", pattern="alternating", symmetry="request")
    assert page.out.handles["pattern"] == "alternating" and page.out.handles["symmetry"] == "request"
    assert page.desk.settle()
    mode = session.state.modes[0]
    assert page.out.outlook[mode.key]["text"] == session.leads_to(mode).symbol
    session.distort({mode: 0.05})
    assert session.history[1].edit.parameters["keep"] == "request"


def test_a_molecule_shows_point_groups_and_no_choice_of_symmetry(opened):
    page = opened("benzene.xyz")
    page.send("pick", kind="motif", motif=0, shift=False).send("scope", scope="all")
    assert page.desk.settle()
    assert page.out.handles["crystal"] is False
    tags = {key: tag["text"] for key, tag in page.out.outlook.items()}
    assert tags["m0:all:stretch:Sigma:1"] == "D6h" and set(tags.values()) == {"D6h", "C6v"}
    assert page.out.handles["choices"] is False


def test_step_names_are_short_in_the_list_and_whole_in_the_tooltip(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    page.slide(page.slider("Q3")["key"], 0.1).send("release", what="distort")
    step = page.out.history["nodes"][1]
    assert step["name"] == "Eg stretch (1) - Jahn-Teller elongation (Q3): +0.100 Å"
    assert step["short"] == "Jahn-Teller elongation (Q3): +0.100 Å"
