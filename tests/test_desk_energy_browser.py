"""The Energy and XRD tabs with mouse and keyboard: a relaxation that the stage follows, kept, cancelled, overtaken and
failing; powder patterns that follow the history."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.browser import lab as browser

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

CELL = f"""import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import motifdesk as md
desk = md.Desk(md.read("NaCl.cif", cell="primitive"), codec=None, atlas=None)
desk"""
SLOW, BROKEN = "screening_calculators:Slope", "screening_calculators:Troubled"


@pytest.fixture(scope="module")
def story():
    """A desk without codec and map."""
    with browser.desk(CELL) as lab:
        yield lab


def tab(lab, label: str) -> None:
    lab.page.locator(".md-readouts .md-segmented button", has_text=label).first.click()


def energy(lab) -> dict:
    return lab.value("desk._output.energy")


def names(lab) -> list[str]:
    return lab.value("[n.edit.name for n in desk.session.history.path()]")


def press(lab, label: str) -> None:
    lab.page.locator(".md-energy button", has_text=label).first.click()


def running(lab, least: int = 3) -> None:
    """Relax by a calculator that never gets there."""
    lab.page.get_by_label("Calculator", exact=True).fill(SLOW)
    lab.page.get_by_label("until force <, eV/Å").fill("0.0002")
    lab.page.get_by_label("steps", exact=True).fill("9000")
    press(lab, "Relax")
    browser.poll(lambda: (energy(lab).get("step") or 0) >= least, "the first steps", 60)


def rest(lab) -> dict:
    return browser.poll(lambda: (e := energy(lab)) and not e["busy"] and e, "the end of it", 120)


def test_a_stretched_salt_relaxes_on_the_stage_and_becomes_one_step(story):
    pytest.importorskip("chgnet")
    tab(story, "Energy")
    assert "Relax, and the energy" in story.page.locator(".md-chart-empty").inner_text()
    story.python("desk.session.strain(volume=1.1)")
    before = story.stage()["loads"]
    press(story, "Energy")
    done = rest(story)
    assert [r["label"] for r in done["rows"]][:3] == ["Energy", "against the step before", "Largest force on an atom"]
    press(story, "Relax")
    browser.poll(lambda: (energy(story).get("step") or 0) >= 1, "the first step", 60)
    done = rest(story)
    assert "Relaxed after" in done["text"] and not done["stale"]
    name = names(story)[-1]
    assert name.startswith("Relax with CHGNet: -0.") and len(names(story)) == 3
    browser.poll(lambda: story.page.locator(".md-steps-chart polyline").count() == 2, "both curves", 10)
    assert "largest force" in story.page.locator(".md-steps-chart").get_attribute("aria-label")
    assert story.stage()["loads"] <= before + 1, "the scene moved in place until the step"
    there = story.value("desk.session.state.arrays.positions.tolist()")

    def drawn():
        at = np.array(story.stage()["atoms"])[: len(there)]
        return np.abs(at - np.array(there)).max() < 1e-3

    browser.poll(drawn, "the relaxed atoms on the stage", 20)
    labels = story.page.locator(".md-energy dt").all_inner_texts()
    assert "against the start" in labels and "Calculator" in labels
    # a design that moved on greys its figures; going back brings them
    story.python("desk.session.strain(volume=1.05)")
    browser.poll(lambda: story.page.locator(".md-energy-stale").count() == 1, "stale figures", 20)
    story.python("desk.session.undo()")
    browser.poll(lambda: story.page.locator(".md-energy-stale").count() == 0, "the figures again", 20)


def test_escape_cancels_and_the_design_is_what_it_was(story):
    tab(story, "Energy")
    before = story.value("desk.session.state.arrays.positions.tolist()")
    steps = names(story)
    running(story)
    assert story.value("desk.session.state.preview")
    assert story.page.evaluate("() => document.activeElement.textContent") == "Cancel", "the keyboard is where it was"
    assert story.page.locator(".md-progress").is_visible()
    story.page.keyboard.press("Escape")
    done = rest(story)
    assert "Cancelled" in done["text"] and done["stale"]
    assert story.value("desk.session.state.arrays.positions.tolist()") == before and names(story) == steps


def test_keeping_a_frame_is_a_step_that_says_it_is_not_relaxed(story):
    running(story)
    press(story, "Keep this frame")
    done = rest(story)
    assert "Not relaxed: stopped by hand" in done["text"]
    assert names(story)[-1].startswith("Not relaxed, Slope stopped")
    story.python("desk.session.undo()")


def test_a_handle_ends_a_relaxation_and_its_frame_can_be_kept_as_a_branch(story):
    running(story)
    volume = story.page.get_by_label("Volume in %")
    volume.focus()
    volume.press("ArrowRight")
    done = rest(story)
    assert "Ended at step" in done["text"] and "strain" in done["text"] and done["keep"]
    browser.poll(lambda: names(story)[-1].startswith("Volume"), "the handle's step", 20)
    press(story, "Keep this frame")
    browser.poll(lambda: names(story)[-1].startswith("Not relaxed, Slope"), "the branch", 20)
    assert "branch" in energy(story)["text"]
    story.python("desk.session.undo()")


def test_undo_during_a_relaxation_goes_back_and_redo_has_the_frame(story):
    node = story.value("desk.session.state.node")
    running(story)
    story.page.locator(".md-undo").click()
    rest(story)
    assert story.value("desk.session.state.node") == node and not story.value("desk.session.state.preview")
    story.page.locator(".md-redo").click()
    browser.poll(lambda: names(story)[-1].startswith("Not relaxed, Slope"), "the frame", 20)
    story.python("desk.session.undo()")


def test_a_broken_calculator_and_a_wrong_number_are_one_sentence(story):
    tab(story, "Energy")
    steps, said = names(story), story.page.locator(".md-energy-said")
    story.page.get_by_label("Calculator", exact=True).fill(BROKEN)  # hangs for sodium: cancelled by hand
    press(story, "Energy")
    browser.poll(lambda: energy(story)["busy"] == "energy", "the question", 20)
    press(story, "Cancel")
    assert rest(story)["text"] == "Cancelled."
    story.page.get_by_label("Calculator", exact=True).fill("<b>no</b>:Thing")
    press(story, "Relax")
    browser.poll(lambda: "<b>no</b>" in said.inner_text(), "the name as text", 60)
    story.page.get_by_label("Calculator", exact=True).fill("chgnet")
    story.page.get_by_label("steps", exact=True).fill("0")
    press(story, "Relax")
    browser.poll(lambda: "steps = 0" in said.inner_text() and "Choose from 1" in said.inner_text(), "the range", 20)
    story.page.get_by_label("steps", exact=True).fill("")
    press(story, "Relax")
    assert "give a number" in said.inner_text() and names(story) == steps
    story.page.get_by_label("steps", exact=True).fill("200")


def test_the_powder_pattern_follows_the_design_and_the_keyboard_reads_it(story):
    story.python("desk.session.goto(0); desk.session.substitute({0: 'K'})")
    assert not story.value("desk._output.diffraction"), "nothing is computed before anybody looks"
    tab(story, "XRD")
    browser.poll(lambda: story.page.locator(".md-peaks tbody tr").count() > 5, "the peaks", 60)
    assert story.page.locator("path.md-peak").count() == 1 and story.page.locator("path.md-peak-other").count() == 1
    first = story.page.locator(".md-peaks tbody tr").first
    first.focus()
    second = story.page.locator(".md-peaks tbody th").nth(1).inner_text()
    story.page.keyboard.press("ArrowDown")
    active = "() => document.activeElement.textContent"
    browser.poll(lambda: story.page.evaluate(active).startswith(second), "the second peak", 10)
    tip = story.page.locator(".md-powder-body .md-chart-tip")
    assert tip.is_visible() and second in tip.inner_text() and "Å" in tip.inner_text()
    # the pointer on that peak says the same
    box = story.page.locator(".md-powder").bounding_box()
    mark = story.page.locator(".md-peak-mark")
    x, y = float(mark.get_attribute("cx")), float(mark.get_attribute("cy"))
    story.page.mouse.move(box["x"] + x, box["y"] + y + 20)
    browser.poll(lambda: story.page.locator(".md-peaks tr[aria-selected]").count() == 1, "the lit row", 10)
    story.page.get_by_label("Radiation").select_option("MoKa")
    browser.poll(lambda: "0.7107" in story.page.locator(".md-diffraction .md-dim").inner_text(), "molybdenum", 20)
    angles = story.value("[p[0] for p in desk._output.diffraction['design']['peaks']]")
    story.python("desk.session.strain(volume=1.2)")
    moved = browser.poll(
        lambda: (a := story.value("[p[0] for p in desk._output.diffraction['design']['peaks']]"))[0] < angles[0] and a,
        "the peaks of the larger cell",
        20,
    )
    assert moved[0] < angles[0] and not story.value("desk._output.diffraction['stale']")
    if folder := os.environ.get("MOTIFDESK_SHOTS"):
        story.page.screenshot(path=os.path.join(folder, "energy-xrd.png"))


def test_a_molecule_gets_a_sentence_in_both_tabs(story):
    story.python("desk.session.set_structure('benzene.xyz')")
    text = story.page.locator(".md-diffraction .md-hint")
    browser.poll(lambda: "molecule has no powder pattern" in text.inner_text(), "the sentence", 20)
    tab(story, "Energy")
    press(story, "Relax")
    browser.poll(
        lambda: "trained on crystals" in story.page.locator(".md-energy-said").inner_text(), "the sentence", 20
    )
    story.python("desk.session.undo()")


def test_closing_the_desk_ends_its_processes_and_the_console_stayed_clean(story):
    story.page.get_by_label("Calculator", exact=True).fill(SLOW)
    running(story)
    pids = story.value("list(desk.session.services.calculators.pids)")
    assert len(pids) == 1
    assert story.console == []
    story.python("desk.close()")
    browser.poll(lambda: not _alive(pids[0]), "the end of the process", 20)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
