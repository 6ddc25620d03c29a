"""Modes of the whole crystal, supercells, modes against a parent and morphing, as the page sees and asks for them."""

import re
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Molecule

import motifdesk as md
from motifdesk.desk import changes, outlook
from motifdesk.session import Session
from motifdesk.structures import space_group


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(outlook, "_REST_S", 0.0)
    monkeypatch.setattr(changes, "_REST_S", 0.0)


def crystal(page):
    page.send("scope", scope="crystal")
    return page.out.handles


def sliders(page) -> list[dict]:
    return [s for g in page.out.handles["groups"] for s in g["sliders"]]


# handles --------------------------------------------------------------------------------------------------------------


def test_the_scope_crystal_shows_modes_by_wavevector_and_orbit_without_a_pick(opened):
    page = opened("BaTiO3-cubic.cif")
    shown = crystal(page)
    assert [g["title"] for g in shown["groups"]] == [
        "GM (zone centre) · Ba 1a (3)",
        "GM (zone centre) · Ti 1b (3)",
        "GM (zone centre) · O 3c (9)",
    ]
    assert shown["motif"] is None and shown["hint"] == "" and shown["choices"] is False and shown["patterns"] is False
    for s in sliders(page):
        assert s["key"].startswith("crystal:") and (s["min"], s["max"], s["rest"]) == (-0.5, 0.5, 0.0)
        assert s["irrep"] in s["spoken"] and s["spoken"].startswith("GM ")
    page.send("scope", scope="orbit")
    assert page.out.handles["choices"] is True and page.out.handles["groups"] == []


def test_a_held_slider_previews_and_leaves_one_named_step(opened):
    page = opened("BaTiO3-cubic.cif")
    crystal(page)
    key = sliders(page)[3]["key"]
    base = page.session.state.arrays
    mode = page.session.state.reference.crystal.mode(key)
    for value in (0.1, 0.2, 0.3):
        page.slide(key, value)
        assert page.session.state.preview and page.shows(page.session.state)
    page.send("release", what="distort")
    assert page.edits() == ["open", "distort"] and page.shows(page.session.state)
    assert np.allclose(page.session.state.arrays.positions, base.positions + 0.3 * mode.vectors, atol=1e-12)
    step = page.out.history["nodes"][1]["name"]
    assert step == f"{mode.label}: +0.300 Å" and page.out.handles["moved"]
    assert page.out.history["nodes"][1]["short"] == "GM T1u, shift along z: +0.300 Å"
    assert next(s for s in sliders(page) if s["key"] == key)["value"] == 0.3
    page.send("undo")
    assert next(s for s in sliders(page) if s["key"] == key)["value"] == 0.0
    page.send("redo").send("reset")
    assert page.session.state.amplitudes == {} and page.desk.messages == ()
    page.send("scope", scope="motif").send("distort", scope="crystal", motif=None, key=key, value=0.4)
    assert page.session.state.amplitudes == {}  # a slider of a pick that is no more


def test_every_handle_says_the_group_it_leads_to(opened):
    page = opened("BaTiO3-cubic.cif")
    crystal(page)
    assert page.desk.settle()
    assert {k for k in page.out.outlook if k.startswith("crystal:")} == {s["key"] for s in sliders(page)}
    tags = page.out.outlook
    assert {t["text"] for k, t in tags.items() if k.startswith("crystal:")} == {"P4mm", "P-4m2"}
    assert [tags[k]["text"] for k in ("volume", "ezz", "exy")] == ["Pm-3m", "P4/mmm", "Cmmm"]
    polar = next(k for k in page.out.outlook if "Ti1b" in k)
    page.slide(polar, 0.2).send("release", what="distort")
    assert page.desk.settle()
    assert page.out.outlook[polar] == {**page.out.outlook[polar], "text": "P4mm", "same": True}


@pytest.mark.parametrize(
    ("design", "words"),
    [(Molecule(["He"], [[0, 0, 0]]), "One atom has nothing"), ("beta-Li2IrO3.cif", "96 atoms, too many")],
)
def test_no_handles_is_one_plain_sentence(opened, design, words):
    page = opened(design)
    shown = crystal(page)
    assert shown["groups"] == [] and words in shown["hint"] and shown["supercells"] == []
    assert page.desk.settle() and page.desk.messages == ()


def test_the_handles_of_a_molecule_are_its_frame_stretches_and_bends(opened):
    page = opened("benzene.xyz")
    shown = crystal(page)
    assert [g["title"] for g in shown["groups"]] == ["Frame · 6 C (12)", "Stretch · 6 H (6)", "Bend · 6 H (12)"]
    assert shown["supercells"] == [] and shown["crystal"] is False and shown["choices"] is False
    kekule = next(s for s in sliders(page) if s["label"] == "bonds alternate")
    assert page.desk.settle()
    tag = page.out.outlook[kekule["key"]]
    assert tag["text"] == "D3h" and tag["title"] == "this handle leads to D3h, from D6h, within 0.03 Å"
    page.slide(kekule["key"], 0.1).send("release", what="distort")
    assert page.edits() == ["open", "distort"] and page.shows(page.session.state) and page.desk.messages == ()
    lengths = sorted(page.session.state.structure.get_distance(k, (k + 1) % 6) for k in range(6))
    assert np.ptp(lengths[:3]) < 1e-3 and np.ptp(lengths[3:]) < 1e-3 and lengths[3] - lengths[2] > 0.1


def test_a_supercell_is_made_from_the_panel_and_brings_its_wavevectors(opened):
    page = opened("BaTiO3-cubic.cif")
    choices = dict(crystal(page)["supercells"])
    assert "2 × 2 × 2 (40 atoms)" in choices and not any("160" in words for words in choices)
    page.send("supercell", matrix=choices["2 × 2 × 2 (40 atoms)"])
    assert page.edits() == ["open", "supercell"] and len(page.session.state.arrays.numbers) == 40
    titles = [g["title"] for g in page.out.handles["groups"]]
    assert "R (1/2,1/2,1/2) · O 3c (9)" in titles and "M (1/2,1/2,0) · O 3c (27)" in titles
    assert [g["open"] for g in page.out.handles["groups"]].count(True) < len(titles)
    assert page.shows(page.session.state) and page.out.handles["supercells"] == []
    arms = [s["label"] for g in page.out.handles["groups"] if g["title"].startswith("X") for s in g["sliders"]]
    assert any("(0,0,1/2)" in label for label in arms)
    page.send("undo")
    assert len(page.session.state.arrays.numbers) == 5 and page.desk.messages == ()
    page.send("supercell", matrix="all of it")
    assert len(page.desk.messages) == 1


def test_symmetry_chosen_in_another_scope_does_not_redo_the_crystals_modes(opened):
    page = opened("BaTiO3-cubic.cif")
    crystal(page)
    page.slide(sliders(page)[0]["key"], 0.2).send("release", what="distort").send("scope", scope="all")
    page.send("symmetry", value="request")
    assert page.edits() == ["open", "distort"]


# modes against a parent -----------------------------------------------------------------------------------------------


def test_modes_against_the_start_are_worked_out_while_looked_at_and_greyed_when_stale(opened):
    page = opened("BaTiO3-cubic.cif")
    page.send("scope", scope="crystal").slide(sliders(page)[3]["key"], 0.2).send("release", what="distort")
    assert page.desk.settle() and page.out.changes == {}
    page.send("changes", shown=True)
    assert page.desk.settle()
    shown = page.out.changes
    assert shown["stale"] is False and shown["head"] == "Pm-3m → P4mm" and shown["why"] == ""
    assert {r["irrep"] for r in shown["rows"]} == {"GM T1u"} and all(r["primary"] for r in shown["rows"])
    found = page.session.decomposition()
    assert [r["Ap"] for r in shown["rows"]] == [f"{r.Ap:.3f}" for r in found.rows]
    page.slide(sliders(page)[3]["key"], 0.3)
    assert page.out.changes["stale"] is True and page.out.changes["rows"] == shown["rows"]
    page.send("cancel", what="distort")
    assert page.desk.settle() and page.out.changes["stale"] is False
    page.send("changes", shown=False).send("undo")
    assert page.desk.settle() and page.out.changes["head"] == "Pm-3m → P4mm"
    page.send("changes", shown=True)
    assert page.desk.settle() and page.out.changes["rows"] == [] and "is that structure" in page.out.changes["why"]


def test_the_parent_is_a_step_or_a_file_and_what_does_not_fit_is_said(opened):
    page = opened("BaTiO3-tetragonal.cif")
    page.send("changes", shown=True).send("against", which="BaTiO3-cubic.cif")
    assert page.desk.settle()
    shown = page.out.changes
    assert shown["against"] == "file" and shown["choices"][-1] == ["file", "BaTiO3-cubic.cif"]
    assert shown["head"] == "Pm-3m → P4mm" and len(shown["rows"]) == 4 and shown["strain"]
    page.session.strain(volume=1.1)
    page.send("against", which="0")
    assert page.desk.settle()
    assert page.out.changes["rows"] == [] and page.out.changes["strain"] != []
    page.send("against", which="NaCl.cif")
    assert page.desk.settle() and page.out.changes["rows"] == [] and page.out.changes["why"]
    assert page.out.changes["morph"] is False and page.desk.messages == ()
    for wrong in ("no-such-file.cif", "99", ""):
        page.send("against", which=wrong)
    assert len(page.desk.messages) == 3 and page.out.changes["against"] == "file"


def test_a_molecule_has_no_modes_of_a_crystal_but_may_be_morphed(opened):
    page = opened("benzene.xyz")
    page.send("pick", kind="motif", motif=0, shift=False)
    page.session.distort({page.session.state.modes[0]: 0.1})
    page.send("changes", shown=True)
    assert page.desk.settle()
    assert "molecule" in page.out.changes["why"] and page.out.changes["morph"] is True
    page.send("morph", key="morph", value=0.5).send("release", what="morph")
    assert page.edits() == ["open", "distort", "morph"]


# morphing -------------------------------------------------------------------------------------------------------------


def test_the_morph_slider_previews_and_leaves_one_named_step(opened):
    page = opened("BaTiO3-cubic.cif")
    page.send("changes", shown=True).send("against", which="BaTiO3-orthorhombic.cif")
    assert page.desk.settle() and page.out.changes["morph"] is True
    for t in (0.1, 0.6, 0.5):
        page.send("morph", key="morph", value=t)
        assert page.session.state.preview and page.shows(page.session.state)
        assert len(page.shown()[0]) == 10  # the cell both have in common
    page.send("release", what="morph")
    assert page.edits() == ["open", "morph"]
    assert page.out.history["nodes"][1]["name"] == "Morph 50 % towards BaTiO3-orthorhombic.cif"
    assert space_group(page.session.state.arrays, 0.001).symbol == "Amm2"
    page.send("morph", key="morph", value=0.5).send("morph", key="morph", value=0.0).send("release", what="morph")
    page.send("morph", key="morph", value=0.5).send("cancel", what="morph")
    assert page.edits() == ["open", "morph"]
    page.send("undo")
    assert len(page.session.state.arrays.numbers) == 5 and page.shows(page.session.state)
    assert page.desk.settle() and page.desk.messages == ()


def test_nothing_moves_before_the_way_is_known(opened):
    page = opened("BaTiO3-cubic.cif")
    page.send("morph", key="morph", value=0.5).send("release", what="morph")
    assert page.edits() == ["open"] and not page.session.state.preview and page.desk.messages == ()


def test_images_are_written_and_the_panel_says_where(opened, tmp_path):
    page = opened("BaTiO3-cubic.cif")
    page.send("changes", shown=True).send("against", which="BaTiO3-tetragonal.cif")
    page.send("images", folder=str(tmp_path / "way"), count=3, format="cif")
    assert page.out.changes["level"] == "good" and len(list((tmp_path / "way").glob("image-0?.cif"))) == 3
    groups = [space_group(md.read(p), 0.01).symbol for p in sorted((tmp_path / "way").glob("*.cif"))]
    assert groups == ["Pm-3m", "P4mm", "P4mm"]
    for folder, count in ((str(tmp_path / "way"), 3), (" ", 3), (str(tmp_path / "b"), 1), (str(tmp_path / "b"), "x")):
        page.send("images", folder=folder, count=count, format="cif")
        assert page.out.changes["level"] == "bad", (folder, count)
    assert not (tmp_path / "b").exists() and page.desk.settle()


def test_python_says_the_same_and_the_desk_follows(opened):
    session = Session("BaTiO3-cubic.cif", codec=None, atlas=None)
    page = opened(session)
    session.select(scope="crystal")
    session.distort({session.state.modes[0]: 0.2})
    assert sliders(page)[0]["value"] == 0.2
    session.supercell((2, 1, 1))
    assert len(page.shown()[0]) == 10 and page.out.handles["scope"] == "crystal"
    session.morph("start", 1.0)
    assert page.edits() == ["open", "distort", "supercell", "morph"] and page.shows(session.state)


def test_every_control_of_the_new_parts_has_a_spoken_name():
    source = Path(changes.__file__).with_suffix(".js").read_text(encoding="utf-8")
    found = re.findall(r'element\("(?:input|table|select)", \{[^}]*\}', source)
    assert len(found) >= 4
    for made in found:
        assert "aria-label" in made or "common" in made, made
