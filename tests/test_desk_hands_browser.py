"""Atoms picked by box, list and words, dragged and stepped by hand, added; handles locked and tied, sliders by keys."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.browser import lab as browser

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

CELL = """import motifdesk as md
desk = md.Desk(md.read("rutile-TiO2.cif"), codec=None, atlas=None, autosave=False)
desk"""
ATOMS = "list(desk.session.state.selection.atoms)"
STEPS = "[n.edit.name for n in desk.session.history.path()]"
PLACES = "desk.session.state.arrays.positions.tolist()"


@pytest.fixture(scope="module")
def story():
    """One desk without codec and map."""
    with browser.desk(CELL) as lab:
        yield lab


def press(lab, name: str) -> None:
    lab.page.locator(".md-view").get_by_role("button", name=name, exact=True).click()


def picked(lab, atoms: list[int]) -> None:
    browser.poll(lambda: sorted(lab.value(ATOMS)) == atoms, f"atoms {atoms} to be picked", 20)


def drag(lab, start, end, drop: bool = True) -> None:
    mouse = lab.page.mouse
    mouse.move(*start)
    mouse.down()
    for t in np.linspace(0.2, 1.0, 5):
        mouse.move(*(np.array(start) + t * (np.array(end) - np.array(start))))
    if drop:
        mouse.up()


def test_a_box_picks_the_atoms_drawn_inside(story):
    press(story, "Box")
    stage = story.stage()
    screen = np.array([story.screen(p) for p in stage["atoms"]])
    low, high = screen.min(0) - 6, screen.max(0) + 6
    drag(story, low, high)
    picked(story, [0, 1, 2, 3, 4, 5])
    middle = float(np.median(screen[:, 0])) + 0.5
    drag(story, low, (middle, high[1]))
    picked(story, sorted({stage["site"][k] for k in np.flatnonzero(screen[:, 0] < middle)}))
    press(story, "Box")


def test_words_and_the_list_pick_and_the_stage_shows_it(story):
    story.page.locator('.md-tabs button[data-value="sites"]').click()
    words = story.page.locator(".md-site-query")
    words.fill("O z>0.25")
    words.press("Enter")
    picked(story, story.value("desk.session.find_sites('O z>0.25')"))
    edits = story.page.get_by_label("Sites that get another species")
    browser.poll(lambda: edits.input_value() == "atoms", "the picked sites to be those that get another species", 20)
    words.fill("unobtainium")
    words.press("Enter")
    browser.poll(lambda: "names no sites" in story.page.locator(".md-sites-view .md-wrong").inner_text(), "why", 20)
    row = story.page.locator('.md-site-table tr[data-site="2"]')
    row.locator("th").click()
    picked(story, [2])
    browser.poll(lambda: row.get_attribute("aria-selected") == "true", "the row lit", 10)
    steps = len(story.value(STEPS))
    row.press("Delete")
    browser.poll(
        lambda: len(story.value(PLACES)) == 5 and len(story.value(STEPS)) == steps + 1, "the atom taken out", 20
    )
    story.value("desk.session.undo() and None")
    story.value("desk.select([2]) and None")
    picked(story, [2])
    story.page.get_by_role("button", name="Pick what symmetry makes equivalent to the picked atoms").click()
    picked(story, [2, 3, 4, 5])
    shots = os.environ.get("MOTIFDESK_SHOTS")
    if shots:
        story.page.screenshot(path=f"{shots}/hands-sites.png")


def test_a_picked_atom_follows_the_mouse_in_the_plane_of_the_screen(story):
    story.value("desk.select([2]) and None")
    picked(story, [2])
    before, steps = np.array(story.value(PLACES)), story.value(STEPS)
    press(story, "Move")
    start = np.array(story.screen(before[2]))
    drag(story, start, start + [40, -25])
    browser.poll(lambda: len(story.value(STEPS)) == len(steps) + 1, "one step", 20)
    after = np.array(story.value(PLACES))
    assert story.value(STEPS)[-1].startswith("Move O2 by ")
    np.testing.assert_allclose(np.array(story.screen(after[2])) - start, [40, -25], atol=1.5)
    np.testing.assert_allclose(np.delete(after, 2, 0), np.delete(before, 2, 0), atol=1e-9)
    # Escape takes back what is held, and holding it has built nothing anew
    browser.poll(lambda: np.allclose(story.stage()["atoms"][2], after[2], atol=1e-3), "the stage at rest", 20)
    loads = story.stage()["loads"]
    drag(story, start + [40, -25], start, drop=False)
    browser.poll(lambda: story.value("desk.session.state.preview"), "a preview", 20)
    assert story.stage()["loads"] == loads
    story.page.keyboard.press("Escape")
    story.page.mouse.up()
    browser.poll(lambda: not story.value("desk.session.state.preview"), "the preview taken back", 20)
    np.testing.assert_allclose(story.value(PLACES), after)
    story.value("desk.session.undo() and None")
    press(story, "Move")


def test_an_atom_is_added_in_the_middle_of_what_is_picked_and_refused_on_top_of_another(story):
    count = len(story.value(PLACES))
    story.page.get_by_label("Element of the new atom, such as O").fill("H")
    place = story.page.locator(".md-place")
    place.fill("0 0 0")
    place.press("Enter")
    browser.poll(lambda: "an atom is" in story.page.locator(".md-sites-view .md-wrong").inner_text(), "why not", 20)
    place.fill("0.5 0 0.25")
    place.press("Enter")
    browser.poll(lambda: len(story.value(PLACES)) == count + 1, "the new atom", 20)
    story.value("desk.session.undo() and None")


def test_locked_handles_stay_and_tied_ones_go_together(story):
    story.value("desk.session.select(motif=0) and None")
    keys = story.value("[m.key for m in desk.session.state.modes][:3]")
    row = [story.page.locator(f'.md-slider[data-key="{key}"]') for key in keys]
    for k in (0, 1):
        row[k].hover()
        row[k].locator(".md-hold").nth(1).click()
    browser.poll(lambda: row[1].locator(".md-hold").nth(1).inner_text().endswith("1"), "the group's number", 20)
    number = row[0].locator("input[type=number]")
    number.fill("0.1")
    number.press("Enter")
    wanted = f"[round(desk.session.committed.amplitudes.get(k, 0.0), 6) for k in {keys!r}]"
    browser.poll(lambda: story.value(wanted) == [0.1, 0.1, 0.0], "both to move", 20)
    row[0].hover()
    row[0].locator(".md-hold").nth(0).click()
    browser.poll(lambda: row[0].locator("input[type=range]").is_disabled(), "the lock", 20)
    story.value("desk._hands.reset()")
    assert story.value(wanted) == [0.1, 0.0, 0.0]
    shots = os.environ.get("MOTIFDESK_SHOTS")
    if shots:
        story.page.screenshot(path=f"{shots}/hands-ties.png")


AMPLITUDE = "desk.session.committed.amplitudes.get({!r}, 0.0)"
GROUP = "md.structures.space_group(desk.session.state.arrays, 0.01)"


def slider(lab, key: str):
    return lab.page.locator(f'.md-slider[data-key="{key}"]')


def stands(lab, key: str, value: float, steps: int) -> None:
    """The committed amplitude of a mode, the field beside its slider, and how many steps it took."""
    field = slider(lab, key).locator("input[type=number]")
    read = f"[round({AMPLITUDE.format(key)}, 6), len(desk.session.history.path()) - 1]"
    browser.poll(lambda: lab.value(read) == [value, steps], f"{key} at {value} in {steps} steps", 20)
    browser.poll(lambda: abs(float(field.input_value()) - value) < 1e-6, "the number beside it", 10)


def test_a_slider_goes_by_keys_double_click_and_typed_numbers(story):
    story.value("[desk.session.goto(0), desk.session.select(motif=0, atoms=())] and None")
    key = story.value("[m.key for m in desk.session.state.modes][4]")
    row = slider(story, key)
    bar, number = row.locator("input[type=range]"), row.locator("input[type=number]")
    browser.poll(lambda: row.locator(".md-lead").inner_text(), "what it leads to, and how far it goes", 20)
    low = float(bar.get_attribute("min"))
    bar.focus()
    for _ in range(3):
        bar.press("ArrowRight")
    at_rest = f"[desk.session.state.preview, round({AMPLITUDE.format(key)}, 6)]"
    browser.poll(lambda: story.value(at_rest) == [False, 0.015], "three small steps", 20)
    one = len(story.value(STEPS)) - 1  # keys that come slowly, from a busy machine, are a step each
    assert 1 <= one <= 3
    stands(story, key, 0.015, one)
    bar.press("PageUp")
    browser.poll(lambda: story.value(AMPLITUDE.format(key)) > 0.05, "a large step", 20)
    bar.press("PageDown")
    stands(story, key, 0.015, one + 2)
    bar.press("Home")
    browser.poll(lambda: story.value("desk.session.state.preview"), "a preview of the end", 20)
    assert float(number.input_value()) == pytest.approx(low, abs=1e-3)
    bar.press("Escape")
    stands(story, key, 0.015, one + 2)
    bar.press("0")
    stands(story, key, 0.0, one + 3)
    number.fill("-0.05")
    number.press("Enter")
    stands(story, key, -0.05, one + 4)
    number.press("Enter")  # what it is already is no step
    number.fill("0.3")
    number.press("Escape")
    stands(story, key, -0.05, one + 4)
    bar.dblclick(position={"x": 30, "y": 8})
    stands(story, key, 0.0, one + 5)


def test_two_tied_strains_go_together_and_the_tie_outlives_undo(story):
    story.value("desk.session.goto(0) and None")
    rows = {key: slider(story, key) for key in ("exx", "eyy", "ezz")}
    rows["exx"].scroll_into_view_if_needed()
    browser.poll(lambda: rows["exx"].locator(".md-lead").inner_text() == "→ Pnnm", "what a strain leads to", 20)
    for key in ("exx", "eyy"):
        rows[key].hover()
        rows[key].locator(".md-hold").nth(1).click()
    browser.poll(lambda: rows["eyy"].locator(".md-hold").nth(1).inner_text().strip(), "the tie", 20)
    browser.poll(lambda: rows["exx"].locator(".md-lead").inner_text() == "P4_2/mnm", "what both lead to", 20)
    bar = rows["exx"].locator("input[type=range]")
    bar.focus()
    for _ in range(4):
        bar.press("ArrowRight")
    assert rows["eyy"].locator("input[type=number]").input_value() == "0.20", "the other one goes along at once"
    browser.poll(lambda: len(story.value(STEPS)) == 2, "one step", 20)
    numbers = [rows[key].locator("input[type=number]") for key in rows]
    browser.poll(lambda: [n.input_value() for n in numbers] == ["0.20", "0.20", "0.00"], "the numbers", 20)
    assert story.value(f"{GROUP}.number") == 136
    rows["ezz"].hover()
    rows["ezz"].locator(".md-hold").nth(0).click()
    browser.poll(lambda: rows["ezz"].locator("input[type=range]").is_disabled(), "the lock", 20)
    shots = os.environ.get("MOTIFDESK_SHOTS")
    if shots:
        story.page.screenshot(path=f"{shots}/hands-strains.png")
    bar.focus()
    story.page.keyboard.press("Control+z")
    browser.poll(lambda: [n.input_value() for n in numbers] == ["0.00", "0.00", "0.00"], "undo", 20)
    assert rows["ezz"].locator("input[type=range]").is_disabled()
    assert story.value("'ezz' in desk.session.ties.locked and dict(desk.session.ties.group_of('exx'))") == {
        "exx": 1,
        "eyy": 1,
    }


def test_what_a_handle_leads_to_is_what_it_makes(story):
    story.value("[desk.session.goto(0), desk.session.select(motif=0, scope='orbit')] and None")
    keys = story.value("[m.key for m in desk.session.state.modes]")
    told = browser.poll(
        lambda: (t := [slider(story, k).locator(".md-lead").inner_text() for k in keys]) and "→" in "".join(t) and t,
        "the tags",
        30,
    )
    k = next(k for k, words in enumerate(told) if words.startswith("→"))
    number = slider(story, keys[k]).locator("input[type=number]")
    number.fill("0.15")
    number.press("Enter")
    browser.poll(lambda: len(story.value(STEPS)) == 2, "one step", 20)
    assert told[k] == f"→ {story.value(f'{GROUP}.symbol')}"


def test_an_atom_is_put_where_the_structure_is_clicked(story):
    story.value("[desk.session.goto(0), desk.session.select(motif=None, atoms=[2, 3])] and None")
    picked(story, [2, 3])
    count = len(story.value(PLACES))
    middle = np.array(story.value(PLACES))[[2, 3]].mean(0)
    story.page.locator('.md-tabs button[data-value="sites"]').click()
    story.page.get_by_label("Element of the new atom, such as O").fill("H")
    click = story.page.locator(".md-sites-view").get_by_role("button", name="by click", exact=True)
    click.click()
    browser.poll(lambda: click.get_attribute("aria-pressed") == "true", "the hand that adds", 10)
    place = np.array(story.screen(middle)) + [24, -12]
    story.page.mouse.click(*place)
    browser.poll(lambda: len(story.value(PLACES)) == count + 1, "the new atom", 20)
    browser.poll(lambda: story.stage()["count"] == count + 1, "the stage to follow", 20)
    np.testing.assert_allclose(story.screen(story.value(PLACES)[-1]), place, atol=2.0)
    assert story.value(STEPS)[-1] == f"Add H{count}"
    picked(story, [count])
    shots = os.environ.get("MOTIFDESK_SHOTS")
    if shots:
        story.page.screenshot(path=f"{shots}/hands-added.png")
    story.page.keyboard.press("Escape")  # the structure has the focus: the hand is put down
    browser.poll(lambda: click.get_attribute("aria-pressed") == "false", "the hand put down", 10)


def test_shift_and_drag_draws_a_box_and_a_shift_click_still_adds(story):
    story.python("desk.session.goto(0); desk.session.select(atoms=[])")
    stage = browser.poll(lambda: (s := story.stage()) and s["count"] == 6 and s, "rutile on the stage", 20)
    before = stage["camera"]
    screen = np.array([story.screen(p) for p in stage["atoms"]])
    story.page.keyboard.down("Shift")
    drag(story, screen.min(0) - 6, screen.max(0) + 6)
    story.page.keyboard.up("Shift")
    picked(story, [0, 1, 2, 3, 4, 5])
    np.testing.assert_allclose(story.stage()["camera"], before, atol=1e-9, err_msg="the view did not turn")


def test_a_slab_is_seen_and_then_made_and_the_menu_brings_the_cell_back(story):
    page = story.page
    menu = page.locator(".md-piece-menu")
    menu.focus()
    menu.select_option("slab")
    hkl = page.locator(".md-hkl")
    hkl.fill("1 1 0")
    hkl.press("Enter")
    browser.poll(lambda: "(1 1 0) slab" in page.locator(".md-piece-words").text_content(), "the slab", 20)
    stage = browser.poll(lambda: (s := story.stage()) and len(s["atoms"]) >= 18 and s, "three layers of atoms", 20)
    spacing = story.value("desk.session.state.structure.lattice.d_hkl((1, 1, 0))")
    normal = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    height = np.array(stage["atoms"]) @ normal
    assert 2 * spacing < np.ptp(height) < 3 * spacing
    count = len(story.value(STEPS))
    page.locator(".md-make-slab").click()
    browser.poll(lambda: len(story.value(STEPS)) == count + 1, "one step", 20)
    assert story.value("len(desk.session.state.arrays.numbers)") == 18
    browser.poll(lambda: menu.input_value() == "1,1,1", "whole cells again", 20)
    page.locator(".md-undo").click()
    browser.poll(lambda: story.value("len(desk.session.state.arrays.numbers)") == 6, "rutile", 20)


def test_a_motif_is_seen_with_its_neighbours_alone(story):
    story.python("desk.session.select(atoms=[])")
    menu = story.page.locator(".md-piece-menu")
    menu.select_option("motif")
    told = story.page.locator(".md-message", has_text="nothing is picked")
    browser.poll(told.count, "why not", 20)
    browser.poll(lambda: menu.input_value() == "1,1,1", "the menu to show what is drawn", 20)
    story.python("desk.session.select(motif=0, scope='motif')")
    menu.select_option("motif")
    browser.poll(lambda: not told.count(), "the message to go", 20)
    browser.poll(lambda: len(story.stage()["polyhedra"]) == 11, "eleven octahedra", 20)
    menu.select_option("1,1,1")
    browser.poll(
        lambda: len(story.stage()["polyhedra"]) < 11 + 1 and story.value("desk.viewer.piece.kind") == "cells",
        "cells",
        20,
    )


def test_the_suggested_file_name_keeps_following_the_design_in_another_format(story):
    page = story.page
    name = page.get_by_label("File name")
    page.get_by_label("File format").select_option("poscar")
    browser.poll(lambda: name.input_value().endswith("-design.vasp"), "the name with its suffix", 20)
    story.python("from motifdesk.data import path; desk.open_file(path('examples', 'NaCl.cif'))")
    browser.poll(lambda: name.input_value() == "NaCl-design.vasp", "the name to follow", 20)


def test_nothing_went_wrong(story):
    assert story.console == []
