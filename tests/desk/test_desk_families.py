"""The families panel without a browser: pictures, controls for every family, builds, errors, members."""

import re
from xml.etree import ElementTree

import pytest

import motifdesk as md
from motifdesk.data import path
from motifdesk.desk import families, thumbnails


@pytest.fixture
def page(opened, rutile):
    shown = opened(rutile)
    shown.send("families", shown=True)
    return shown


def settled(page):
    assert page.desk._families.settle(60)
    return page.out


def controls(page):
    return {c["key"]: c for c in settled(page).family["controls"]}


def test_every_family_has_its_picture_and_no_other_is_there():
    files = {f.stem: f for f in path("thumbnails").iterdir()}
    assert set(files) == set(md.families()), "run python scripts/make_thumbnails.py"
    assert sum(f.stat().st_size for f in files.values()) < 150_000
    for file in files.values():
        text = file.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
        assert root.get("viewBox") == f"0 0 {thumbnails.WIDTH} {thumbnails.HEIGHT}"
        assert len(text) > 1500 and "script" not in text and "href" not in text


@pytest.mark.parametrize("name", list(md.families()))
def test_pictures_are_those_of_the_families_as_they_are_now(name):
    shape = re.compile(r"<(path|circle)")
    bundled, now = path("thumbnails", f"{name}.svg").read_text(), thumbnails.drawn(name)
    assert shape.findall(bundled) == shape.findall(now), "run python scripts/make_thumbnails.py"
    old, new = ([float(x) for x in re.findall(r"\d+\.\d", text)] for text in (bundled, now))
    assert sorted(old) == pytest.approx(sorted(new), abs=0.3), "run python scripts/make_thumbnails.py"


def test_nothing_is_sent_before_it_is_looked_at(opened, rutile):
    page = opened(rutile)
    assert page.out.gallery == [] and page.out.family == {}
    page.send("families", shown=True)
    assert [g["name"] for g in page.out.gallery] == list(md.families())
    assert all(g["picture"].startswith("<svg") for g in page.out.gallery)


@pytest.mark.parametrize("name", list(md.families()))
def test_every_parameter_of_every_family_is_a_control(page, name):
    page.send("build", family=name, at="")
    found = controls(page)
    family = md.families()[name]
    assert list(found) == [p.name for p in family.parameters]
    for p in family.parameters:
        kind = found[p.name]["kind"]
        if p.is_number:
            assert (
                kind == ("whole" if p.whole else "float") and found[p.name]["min"] <= p.default <= found[p.name]["max"]
            )
        else:
            assert kind in ("word", "element", "choice", "text")
        if kind == "choice":
            assert p.default in found[p.name]["choices"]
    for index in range(len(settled(page).family["known"])):
        page.send("known", index=index)
        settled(page)
        assert page.out.family_error == {} and page.out.family["known"][index][1], page.out.family["known"][index][0]


def test_a_held_slider_is_one_step_when_it_is_let_go(page):
    page.send("build", family="harmonic-honeycomb", at="")
    settled(page)
    for value in (4.25, 4.3, 4.4):
        page.send("family", key="a", value=value)
    settled(page)
    assert page.session.state.preview and page.desk._families.busy
    page.send("release", what="family")
    settled(page)
    assert [n.edit.kind for n in page.session.history.path()] == ["open", "build", "build"]
    assert controls(page)["a"]["value"] == 4.4
    page.send("family", key="a", value=5.0).send("cancel", what="family")
    settled(page)
    assert len(page.session.history) == 3 and page.session.state.built.parameters["a"] == 4.4


def test_undo_while_a_slider_is_held_takes_back_what_it_shows(page):
    page.send("build", family="fluorite", at="")
    settled(page)
    page.send("family", key="a", value=5.6)
    page.send("undo")
    assert [n.edit.kind for n in page.session.history.path()] == ["open", "build"]
    assert page.session.state.built.parameters["a"] == 5.46 and len(page.session.history) == 3


def test_an_error_is_told_at_its_control_and_goes_with_the_next_success(page):
    page.send("build", family="harmonic-honeycomb", at="")
    settled(page)
    page.send("build", parameters={"centre": "Qq"}, at="centre")
    said = settled(page).family_error
    assert said["at"] == "centre" and "no element" in said["text"] and "\n" not in said["text"]
    page.send("family", key="a", value=2.0)  # the atoms would clash
    assert settled(page).family_error["at"] == "a"
    page.send("release", what="family")
    assert settled(page).family["controls"][1]["value"] == 4.2, "the slider goes back to the design"
    assert len(page.session.history) == 2
    page.send("build", parameters={"centre": "Ru"}, at="centre")
    assert settled(page).family_error == {} and page.session.state.formula == "Li2RuO3"


def test_leaving_the_family_is_said_and_return_goes_back(page):
    page.send("build", family="spinel", at="")
    settled(page)
    page.session.strain(volume=1.03)
    assert page.out.family["left"] is True
    page.send("build", parameters={}, at="")
    assert settled(page).family["left"] is False
    assert [n.edit.kind for n in page.session.history.path()] == ["open", "build", "strain", "build"]


def test_members_of_a_word_family_come_in_pages_with_their_count(page):
    page.send("build", family="polytype", at="")
    settled(page)
    page.send("members", pages=1)
    members = settled(page).members
    assert [r["word"] for r in members["rows"]][:2] == ["+", "+-"] and not members["working"]
    assert len(members["rows"]) == families._PAGE < members["count"]
    assert next(r for r in members["rows"] if r["word"] == "+-")["group"] == "P6_3mc"
    page.send("members", pages=2)
    assert len(settled(page).members["rows"]) == 2 * families._PAGE
    page.send("build", family="spinel", at="")
    settled(page)
    page.send("members", pages=1)
    assert settled(page).members == {}


def test_elements_are_taken_in_any_case_and_a_compound_called_by_its_formula_has_its_elements(page):
    page.send("build", family="harmonic-honeycomb", at="")
    assert settled(page).family["known"][1] == ["beta-Li2IrO3 (Fddd)", True]
    page.send("build", parameters={"centre": " rh "}, at="centre")
    assert settled(page).family_error.get("text", "") == "" and controls(page)["centre"]["value"] == "Rh"
    assert page.session.state.formula == "Li2RhO3" and page.session.history[2].name.endswith("centre Rh")
    assert not any(same for _, same in page.out.family["known"]), "Li2RhO3 is not beta-Li2IrO3"
    page.send("known", index=2)
    assert settled(page) and page.session.state.formula == "Li2IrO3"
    assert controls(page)["word"]["value"] == "++--" and page.out.family["known"][2][1]
