"""Tilting a perovskite with whole-crystal modes, told with mouse and keyboard in a real JupyterLab.

One browser session, one test per chapter, in order. MOTIFDESK_SCREENSHOT=path/stem keeps two pictures.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from tests.browser import lab as browser
from tests.browser.hands import choose, shown

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

CELL = 'import motifdesk as md\ndesk = md.Desk("SrTiO3.cif", codec=None, atlas=None)\ndesk'


@pytest.fixture(scope="module")
def story():
    with browser.desk(CELL) as lab:
        yield lab


def slider(lab, spoken: str):
    """The range input that a screen reader would read out beginning with these words."""
    return lab.page.locator(f"input[type=range][aria-label^={spoken!r}]")


def steps(lab) -> list[str]:
    return lab.value("[n.edit.kind for n in desk.session.history.path()]")


def keep_picture(lab, name: str) -> None:
    target = os.environ.get("MOTIFDESK_SCREENSHOT")
    if target:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        lab.page.locator(".md-frame").screenshot(path=f"{target}-{name}.png")


def test_the_whole_crystal_has_handles_by_wavevector_and_orbit(story):
    choose(story, "What the handles act on", "crystal")
    titles = story.page.locator(".md-handles summary")
    browser.poll(lambda: any(t.startswith("GM (zone centre) · O 3") for t in titles.all_inner_texts()), "groups", 20)
    assert not story.page.locator(".md-choices").is_visible()  # neither pattern nor symmetry here
    browser.poll(
        lambda: "→ P4mm" in story.page.locator(".md-slider[data-key^='crystal:'] .md-lead").all_text_contents(),
        "where the handles lead",
        30,
    )


def test_a_supercell_made_in_the_panel_brings_the_tilts(story):
    story.page.get_by_label("Supercell to make").select_option(label="2 × 2 × 2 (40 atoms)")
    story.page.get_by_role("button", name=re.compile("Make this supercell")).click()
    browser.poll(lambda: steps(story) == ["open", "supercell"], "the step", 20)
    browser.poll(lambda: story.stage()["count"] == 40 and shown(story), "forty atoms on the stage", 20)
    story.page.locator(
        ".md-handles summary", has_text="R (1/2,1/2,1/2) · O"
    ).focus()  # closed at first; opened with the keyboard
    story.page.keyboard.press("Enter")
    opened = story.page.locator(".md-handles details[open]", has_text="R (1/2,1/2,1/2) · O")
    browser.poll(lambda: opened.locator("input[type=range][aria-label^='R (1/2,1/2,1/2) T']").count(), "the tilts", 20)


def test_the_keyboard_turns_a_tilt_on_as_one_step(story):
    turned = story.page.locator(".md-slider", has_text="TiO6 tilt about z").filter(has_text="→ I4/mcm")
    browser.poll(turned.count, "the outlook of the tilt", 60)
    turned.first.locator("input[type=range]").focus()
    for _ in range(60):
        story.page.keyboard.press("ArrowRight")
    browser.poll(lambda: steps(story) == ["open", "supercell", "distort"], "one step after the rest", 20)
    amplitudes = story.value("dict(desk.session.state.amplitudes)")
    assert len(amplitudes) == 1 and list(amplitudes)[0].startswith("crystal:R[1,1,1]:O3c:T")
    assert list(amplitudes.values())[0] == pytest.approx(0.3)
    assert story.value("md.structures.space_group(desk.session.state.arrays, 0.01).number") == 140
    browser.poll(lambda: shown(story), "the tilted octahedra", 20)
    keep_picture(story, "crystal")


def test_the_modes_against_the_start_are_read_out_and_greyed_when_stale(story):
    choose(story, "What is read out", "changes")
    rows = story.page.get_by_role("table", name="Modes of the parent in the design").locator("tbody tr")
    browser.poll(lambda: rows.count() == 1 and "I4/mcm" in rows.inner_text(), "the decomposition", 40)
    assert "Pm-3m → I4/mcm" in story.page.locator(".md-change-head").inner_text()
    keep_picture(story, "modes")
    story.page.locator(".md-undo").click()
    browser.poll(lambda: rows.count() == 0, "nothing to read out of the start", 40)
    story.page.locator(".md-redo").click()
    browser.poll(lambda: rows.count() == 1 and not story.page.locator(".md-change-stale").count(), "fresh rows", 40)


def test_the_morph_slider_goes_half_way_back(story):
    whole = np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    morph = slider(story, "Morph: share of the way")
    morph.focus()
    for _ in range(5):
        story.page.keyboard.press("PageUp")
    browser.poll(lambda: steps(story)[-1] == "morph", "the step", 20)
    t = story.value("desk.session.history[desk.session.history.current].edit.parameters['t']")
    assert 0.2 < t < 1.0
    half = np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    start = np.array(story.value("desk.session.history[1].state.arrays.positions.tolist()"))
    np.testing.assert_allclose(half - whole, t * (start - whole), atol=1e-6)  # the tilted supercell keeps its atoms
    browser.poll(lambda: shown(story), "the image", 20)


def test_benzene_becomes_a_chair_by_a_handle_of_the_whole_molecule(story):
    story.python('desk.session.set_structure("benzene.xyz")')
    browser.poll(lambda: story.stage()["count"] == 12, "benzene on the stage", 20)
    whole = story.page.locator(".md-handles button[data-value='crystal']")
    browser.poll(lambda: whole.inner_text() == "molecule", "the scope by its name", 20)
    whole.click()
    titles = story.page.locator(".md-handles summary")
    browser.poll(lambda: "Frame · 6 C (12)" in titles.all_inner_texts(), "groups", 20)
    chair = slider(story, "B2g, 6 C frame, out of plane, alternating")
    tag = story.page.locator(".md-slider:has(input[aria-label^='B2g, 6 C frame']) .md-lead")
    browser.poll(lambda: tag.text_content() == "→ D3d", "where it leads", 30)
    before = np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    chair.focus()
    for _ in range(3):
        chair.press("PageUp")
    chair.blur()
    browser.poll(lambda: steps(story)[-1] == "distort", "the step", 20)
    moved = np.array(story.value("desk.session.state.arrays.positions.tolist()")) - before
    assert np.ptp(moved, axis=0).max() > 0.02 and abs(moved.sum()) < 1e-9
    browser.poll(lambda: shown(story), "the chair", 20)
    story.page.locator('.md-tabs button[data-value="numbers"]').click()
    browser.poll(lambda: "D3d" in story.page.locator(".md-readouts").inner_text(), "its point group", 20)
    keep_picture(story, "benzene")


def test_every_control_has_a_name_and_nothing_went_wrong(story):
    nameless = story.page.evaluate(
        """() => [...document.querySelectorAll('.motifdesk :is(button, input, select, table)')]
             .filter((n) => !n.closest('.md-stage, .md-chart'))
             .filter((n) => !(n.getAttribute('aria-label') || n.labels?.length || n.textContent.trim()))
             .map((n) => n.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    assert story.value("list(desk.messages)") == []
    assert story.console == []
