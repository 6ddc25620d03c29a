"""Atoms picked by box, list and words, dragged and stepped by hand, added; handles locked and tied: mouse and keys."""

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
    words.fill("unobtainium")
    words.press("Enter")
    browser.poll(lambda: "names no sites" in story.page.locator(".md-sites-view .md-wrong").inner_text(), "why", 20)
    row = story.page.locator('.md-site-table tr[data-site="2"]')
    row.locator("th").click()
    picked(story, [2])
    browser.poll(lambda: row.get_attribute("aria-selected") == "true", "the row lit", 10)
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
        row[k].locator(".md-tie").nth(1).click()
    browser.poll(lambda: row[1].locator(".md-tie").nth(1).inner_text().endswith("1"), "the group's number", 20)
    number = row[0].locator("input[type=number]")
    number.fill("0.1")
    number.press("Enter")
    wanted = f"[round(desk.session.committed.amplitudes.get(k, 0.0), 6) for k in {keys!r}]"
    browser.poll(lambda: story.value(wanted) == [0.1, 0.1, 0.0], "both to move", 20)
    row[0].hover()
    row[0].locator(".md-tie").nth(0).click()
    browser.poll(lambda: row[0].locator("input[type=range]").is_disabled(), "the lock", 20)
    story.value("desk._hands.reset()")
    assert story.value(wanted) == [0.1, 0.0, 0.0]
    shots = os.environ.get("MOTIFDESK_SHOTS")
    if shots:
        story.page.screenshot(path=f"{shots}/hands-ties.png")
