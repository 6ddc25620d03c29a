"""The structure pane's tools with mouse and keyboard: measure, arrows, colours, a picture and a film that are files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import lab as browser

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

CELL = """import motifdesk as md
desk = md.Desk(md.read("BaTiO3-orthorhombic.cif", cell="primitive"), codec=None, atlas=None)
desk"""


@pytest.fixture(scope="module")
def story():
    """A desk without codec and map: the tools need neither."""
    with browser.desk(CELL) as lab:
        yield lab


def press(lab, name: str) -> None:
    lab.page.locator(".md-view button", has_text=name).click()


def figure(lab) -> str:
    return lab.page.locator(".md-tool-notes").inner_text()


def tools(lab) -> dict:
    return lab.stage()["tools"]


def test_two_clicked_atoms_are_a_distance_and_a_third_an_angle(story):
    press(story, "Measure")
    browser.poll(lambda: "click 2 to 4" in figure(story), "the ruler in hand", 20)
    stage = story.stage()
    bonds = np.array(stage["bondPairs"]).reshape(-1, 2)
    atoms = np.array(stage["atoms"])
    # a bond whose ends are alone on the screen, so that the clicks hit what is meant
    screen = np.array([story.screen(p) for p in atoms])
    gap = np.linalg.norm(screen[:, None] - screen[None], axis=2) + 1e3 * np.eye(len(screen))
    a, b = max(bonds.tolist(), key=lambda pair: min(gap[pair[0]].min(), gap[pair[1]].min()))
    for count, atom in enumerate((a, b), start=1):
        story.page.mouse.click(*screen[atom])
        browser.poll(lambda n=count: len(story.value("desk._tools.points")) == n, "the click to be taken", 20)
    points = story.value("[list(p) for p in desk._tools.points]")
    shown = browser.poll(lambda: tools(story)["figure"], "a figure on the stage", 20)
    direct = story.value(f"desk.measure(*{[tuple(p) for p in points]}).value")
    assert shown == f"{direct:.3f} Å" and tools(story)["measured"] == 1
    clicked = [[stage["site"][k], *stage["image"][3 * k : 3 * k + 3]] for k in (a, b)]
    assert points == clicked
    assert story.value("desk.session.state.selection.motif") is None, "measuring picks nothing"


def test_sites_can_be_named_by_keyboard_and_escape_forgets(story):
    names = story.page.locator(".md-sites")
    graph = "desk.session.state.graph"
    ligand = story.value(f"[m.ligands[0].site for m in {graph}.motifs if m.formula == 'TiO6'][0]")
    centre = story.value(f"[m.centre for m in {graph}.motifs if m.formula == 'TiO6'][0]")
    other = story.value(f"[m.ligands[1].site for m in {graph}.motifs if m.formula == 'TiO6'][0]")
    names.fill(f"O{ligand} Ti{centre} O{other}")
    names.press("Enter")
    browser.poll(lambda: "angle" in figure(story), "an angle", 20)
    assert browser.poll(
        lambda: tools(story)["figure"].endswith("°") and tools(story)["figure"], "the stage's figure", 10
    )
    names.fill("Xx9")
    names.press("Enter")
    browser.poll(lambda: "Xx9" in figure(story), "the error in its place", 20)
    names.press("Escape")
    browser.poll(lambda: tools(story)["measured"] == 0, "nothing measured", 20)
    press(story, "Measure")


def test_arrows_show_what_a_handle_moved(story):
    story.python(
        "s = desk.session; m = next(m for m in s.state.graph.motifs if m.formula == 'TiO6')\n"
        "s.select(m, scope='motif'); k = next(x.key for x in s.state.modes if ':T1u:' in x.key)\n"
        "s.distort({k: 0.15})"
    )
    press(story, "Arrows")
    browser.poll(lambda: tools(story)["arrows"] >= 1, "arrows on the stage", 20)
    assert "longest" in browser.poll(lambda: figure(story), "how long they are", 20)
    # longer arrows of the same atoms are the same drawing, moved
    story.page.evaluate("() => { globalThis.drawnBefore = globalThis.motifdesk.latest.pane.tools.layers[0]; }")
    before = story.value("desk._output.frame")
    story.python("desk.session.distort({k: 0.18})")
    browser.poll(lambda: story.stage()["frame"] and story.stage()["frame"] > before, "the longer arrows", 20)
    assert story.page.evaluate("() => globalThis.motifdesk.latest.pane.tools.layers.includes(globalThis.drawnBefore)")
    story.python("desk.session.undo(); desk.session.undo()")
    browser.poll(lambda: tools(story)["displacements"] == 0, "no arrows once undone", 20)
    story.python("desk.session.redo()")
    browser.poll(lambda: tools(story)["displacements"] == 1, "arrows again", 20)


def test_arrows_show_forces_when_asked_by_keyboard(story):
    kind = story.page.get_by_label("What the arrows show")
    kind.focus()
    kind.press("ArrowDown")
    browser.poll(lambda: tools(story)["forces"] == 1 and not tools(story)["pale"], "the forces' arrows", 60)
    browser.poll(lambda: "eV/Å" in figure(story) and "distilled" in figure(story), "whose they are, and the unit", 20)
    assert tools(story)["displacements"] == 0
    story.python("desk.session.undo()")
    words = browser.poll(lambda: (s := desk_note(story)) and f"largest {largest(story):.2f} eV/Å" in s and s, "new", 30)
    browser.poll(lambda: words in figure(story), "the words of the new ones", 20)
    target = os.environ.get("MOTIFDESK_FORCES_SCREENSHOT")
    if target:
        story.python("desk.session.redo()")
        browser.poll(lambda: f"largest {largest(story):.2f} eV/Å" in figure(story), "the forces of the step", 30)
        story.page.locator(".md-frame").screenshot(path=target)
        story.python("desk.session.undo()")
    story.python("desk.session.redo()")
    kind.press("ArrowUp")
    browser.poll(lambda: tools(story)["displacements"] == 1 and tools(story)["forces"] == 0, "displacements again", 20)


def desk_note(lab) -> str:
    return lab.value("desk._output.tools['arrow_note']")


def largest(lab) -> float:
    """eV/Å, of the design as it is, by the bundled potential."""
    return lab.value(
        "DistilledCalculator().live(desk.session.state.arrays).fmax",
        "from motifdesk.screening.energies.distilled import DistilledCalculator",
    )


def test_colours_change_their_meaning_and_say_so(story):
    species = story.page.evaluate("() => globalThis.motifdesk.latest.get('scene').colour")
    story.page.locator(".md-tools select[aria-label^='What the colours']").select_option("coordination")
    browser.poll(lambda: story.page.locator(".md-tool-notes .md-legend span").count() >= 2, "a legend", 20)
    colours = story.page.evaluate("() => globalThis.motifdesk.latest.get('scene').colour")
    assert colours != species
    assert "6-fold" in story.page.locator(".md-tool-notes .md-legend").inner_text()


def export(lab, kind: str, name: str) -> Path:
    lab.page.locator(".md-export select").select_option(kind)
    lab.page.locator(".md-export .md-text").fill(name)
    lab.page.locator(".md-export .md-primary").click()
    answer = lab.page.locator(".md-export .md-result")
    browser.poll(lambda: name in answer.inner_text() and "Written" in answer.inner_text(), f"{name} to be written", 90)
    return lab.folder / name


def test_a_picture_and_a_film_are_files_of_what_is_seen(story):
    target = os.environ.get("MOTIFDESK_TOOLS_SCREENSHOT")
    if target:
        story.page.locator(".md-frame").screenshot(path=target)
    with Image.open(export(story, "png", "scene.png")) as picture:
        box = story.page.locator(".md-stage canvas").first.bounding_box()
        assert abs(picture.width - 2 * box["width"]) <= 4
        assert len(set(picture.convert("RGB").resize((80, 60)).getdata())) > 40, "not an empty page"
    with Image.open(export(story, "gif", "film.gif")) as film:
        assert film.n_frames == 46
        film.seek(0)
        first = np.asarray(film.convert("RGB"), dtype=int)
        film.seek(23)
        last = np.asarray(film.convert("RGB"), dtype=int)
    assert (np.abs(first - last).max(axis=2) > 60).mean() > 1e-3, "the atoms have moved between the two ends"
    now = np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    browser.poll(
        lambda: np.abs(np.array(story.stage()["atoms"])[: len(now)] - now).max() < 1e-3, "the design again", 20
    )


def test_another_species_by_keyboard_and_a_snap_to_the_symmetry(story):
    group = story.page.locator(".md-edits")
    group.locator("summary").focus()
    story.page.keyboard.press("Enter")
    group.locator("select").first.select_option("all:56")
    group.locator(".md-element").fill("Sr")
    group.locator(".md-element").press("Enter")
    browser.poll(lambda: story.page.locator(".md-title").inner_text() == "SrTiO3", "strontium titanate", 20)
    group.locator(".md-element").fill("Qq")
    group.locator(".md-element").press("Enter")
    browser.poll(lambda: "Qq" in group.locator(".md-wrong").inner_text(), "the error in its place", 20)
    offered = group.locator("select").last
    browser.poll(lambda: offered.locator("option").count() > 1, "the groups within reach", 20)
    words = offered.locator("option").all_inner_texts()
    assert len({w.split(",")[0] for w in words}) == len(words) and words[0].endswith("as it is"), "each group once"
    offered.select_option(index=len(words) - 1)
    wanted = words[-1].split(",")[0]
    group.locator("button", has_text="Snap").click()
    browser.poll(
        lambda: story.value("desk.session.history[desk.session.history.current].edit.kind") == "symmetrize",
        "a step",
        20,
    )
    got = story.value(
        "md.structures.symmetry.space_group(desk.session.state.arrays, 1e-3).symbol",
        "import motifdesk.structures.symmetry",
    )
    assert got == wanted
    target = os.environ.get("MOTIFDESK_EDITS_SCREENSHOT")
    if target:
        group.scroll_into_view_if_needed()
        story.page.locator(".md-frame").screenshot(path=target)


def test_no_error_in_the_console(story):
    assert story.console == []
