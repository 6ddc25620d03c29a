"""What is missing here? A real JupyterLab: a hydrogen of benzene is deleted, proposed, drawn, listed and accepted."""

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


@pytest.fixture(scope="module")
def story():
    with browser.desk("import motifdesk as md\ndesk = md.Desk('benzene.xyz')\ndesk") as lab:
        yield lab


def formula(lab) -> str:
    return lab.value("desk.session.state.formula")


def missing(lab) -> dict:
    return lab.stage()["missing"]


def shown(lab) -> dict:
    return browser.poll(lambda: (m := missing(lab))["state"] == "shown" and m["drawn"] and m, "proposals", 120)


def test_a_clicked_hydrogen_is_deleted(story):
    atoms = story.stage()["atoms"]
    hydrogen = int(np.argmax([a[1] for a in atoms]))
    assert story.value(f"int(desk.session.state.arrays.numbers[{hydrogen}])") == 1
    assert story.page.locator(".md-delete").is_disabled()
    story.page.mouse.click(*story.screen(atoms[hydrogen]))
    browser.poll(lambda: story.page.locator(".md-delete").is_enabled(), "the delete button", 20)
    story.page.locator(".md-delete").click()
    browser.poll(lambda: formula(story) == "C6H5", "the atom to go", 20)
    browser.poll(lambda: story.stage()["count"] == 11, "the stage to follow", 20)


def test_the_proposals_are_drawn_and_listed_with_their_confidence(story):
    story.page.locator(".md-ask-missing").click()
    now = shown(story)
    gap = np.array(story.value("desk.session.history[0].state.arrays.positions.tolist()"))
    left = np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    hole = next(p for p in gap if np.linalg.norm(left - p, axis=1).min() > 0.5)
    first = now["proposals"][0]
    assert first["element"] == "H" and np.linalg.norm(np.array(first["position"]) - hole) < 0.2
    rows = story.page.locator(".md-missing-list li")
    assert rows.count() == len(now["proposals"])
    assert rows.first.inner_text().split() == ["H", *first["percent"].split()]
    spheres = story.page.evaluate(
        """() => globalThis.motifdesk.latest.pane.ghosts.layers.map((c) => {
             const r = c.reprList[0].repr; const b = r.bufferList[0];
             return { opacity: r.getParameters().opacity,
                      at: Array.from(b.geometry.attributes.position.array).slice(0, 3) }; })"""
    )
    assert len(spheres) == now["drawn"] >= 1
    np.testing.assert_allclose(spheres[0]["at"], first["position"], atol=1e-3)
    assert 0.2 < spheres[0]["opacity"] < 0.8
    picture = os.environ.get("MOTIFDESK_SCREENSHOTS")
    if picture:
        story.page.locator(".md-frame").screenshot(path=str(Path(picture) / "missing.png"))


def test_escape_sends_them_away_and_the_design_stays(story):
    story.page.locator(".md-missing-list").focus()
    story.page.keyboard.press("Escape")
    browser.poll(lambda: missing(story)["state"] == "none" and missing(story)["drawn"] == 0, "the proposals to go", 20)
    assert formula(story) == "C6H5" and not story.page.locator(".md-missing").is_visible()


def test_enter_accepts_and_benzene_is_whole(story):
    story.page.locator(".md-ask-missing").click()
    shown(story)
    story.page.locator(".md-missing-list").focus()
    story.page.keyboard.press("ArrowDown")
    story.page.keyboard.press("ArrowUp")
    story.page.keyboard.press("Enter")
    browser.poll(lambda: formula(story) == "C6H6", "the atom to come", 20)
    whole = np.array(story.value("desk.session.history[0].state.arrays.positions.tolist()"))
    now = np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    assert max(np.linalg.norm(now - p, axis=1).min() for p in whole) < 0.2
    assert story.value("[n.edit.kind for n in desk.session.history.path()]") == ["open", "delete_sites", "add_site"]
    browser.poll(lambda: missing(story)["state"] == "none" and story.stage()["count"] == 12, "the new design", 20)


def test_a_click_on_a_drawn_proposal_accepts_it(story):
    story.page.locator(".md-undo").click()
    browser.poll(lambda: formula(story) == "C6H5" and story.stage()["count"] == 11, "the gap again", 20)
    story.page.locator(".md-ask-missing").click()
    first = shown(story)["proposals"][0]
    x, y = story.screen(first["position"])
    story.page.mouse.move(x, y)
    story.page.mouse.click(x, y)
    browser.poll(lambda: formula(story) == "C6H6", "the clicked proposal", 20)
    assert story.console == []
