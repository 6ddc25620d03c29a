"""A design is built from a family with the mouse and the keyboard, edited freely, taken back, and replayed."""

from __future__ import annotations

import os
import time
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

OPEN = """import motifdesk as md
desk = md.Desk(md.read("SrTiO3.cif"))
desk"""


@pytest.fixture(scope="module")
def story():
    """JupyterLab with one desk on a perovskite."""
    with browser.desk(OPEN) as lab:
        yield lab


def steps(lab) -> list[str]:
    return lab.value("[n.edit.kind for n in desk.session.history.path()]")


def positions(lab) -> np.ndarray:
    return np.array(lab.value("desk.session.state.arrays.positions.tolist()"))


def assert_on_stage(lab, what: str) -> None:
    """The stage shows the atoms of the session within 1e-3 Angstrom."""
    target = positions(lab)

    def shown() -> bool:
        atoms = np.array(lab.stage()["atoms"])
        return len(atoms) >= len(target) and float(np.abs(atoms[: len(target)] - target).max()) < 1e-3

    browser.poll(shown, f"the stage to show the session after {what}", 30)


def read_out(lab, label: str) -> str:
    rows = lab.page.locator(".md-fact:not(.md-stale)").evaluate_all(
        "(rows) => rows.map((r) => [r.children[0].textContent, r.children[1].textContent])"
    )
    return dict(rows).get(label, "") if not lab.page.locator(".md-all-stale").count() else ""


def wait_for_group(lab, group: str) -> None:
    browser.poll(lambda: read_out(lab, "Space group within 0.01 Å") == group, f"{group} in the read-outs", 40)


def field(lab, key: str):
    return lab.page.locator(f".md-field[data-key={key!r}]")


def picture(lab, name: str) -> None:
    """A picture for those who ask."""
    folder = os.environ.get("MOTIFDESK_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        lab.page.locator(".md-frame").screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_page_of_pictures_shows_every_family(story):
    tabs = story.page.locator(".md-segmented[aria-label='What this column shows']")
    tabs.locator("button[data-value=families]").click()
    known = story.value("list(md.families())")
    cards = story.page.locator(".md-family-card")
    browser.poll(lambda: cards.count() == len(known), "a card for each family", 30)
    assert cards.evaluate_all("(all) => all.map((c) => c.dataset.family)") == known
    drawn = "(all) => all.every((p) => p.complete && p.naturalWidth > 0)"
    browser.poll(lambda: story.page.locator(".md-family-card img").evaluate_all(drawn), "the pictures", 20)
    assert not story.page.locator(".md-handles h3").is_visible()
    picture(story, "gallery")
    for theme in ("false", "true"):
        story.page.evaluate("(t) => document.body.setAttribute('data-jp-theme-light', t)", theme)
    assert steps(story) == ["open"], "looking is not a step of the history"


def test_enter_on_a_card_builds_its_usual_member(story):
    story.page.locator(".md-family-card").first.focus()
    story.page.keyboard.press("ArrowRight")
    assert story.page.evaluate("() => document.activeElement.dataset.family") == "polytype"
    story.page.keyboard.press("ArrowLeft")
    story.page.keyboard.press("Enter")
    browser.poll(lambda: steps(story) == ["open", "build"], "the member as one step", 30)
    assert story.value("[desk.session.state.formula, desk.session.state.built.family]") == [
        "Li2IrO3",
        "harmonic-honeycomb",
    ]
    browser.poll(lambda: story.page.locator(".md-family-head b").is_visible(), "the handles of the family", 20)
    assert story.page.locator(".md-family-head b").inner_text() == "Harmonic honeycomb"
    assert_on_stage(story, "the build")
    wait_for_group(story, "Fddd (70)")  # +- is the hyperhoneycomb of beta-Li2IrO3
    picture(story, "built")


def test_another_word_is_another_member(story):
    word = field(story, "word").locator("input")
    word.fill("++--")
    word.press("Enter")
    browser.poll(lambda: steps(story) == ["open", "build", "build"], "the word as one step", 30)
    wait_for_group(story, "Cccm (66)")  # gamma, the stripy honeycomb
    assert story.value("len(desk.session.state.arrays.numbers)") == 48
    assert_on_stage(story, "the word")


def test_what_does_not_go_is_said_at_its_control_and_the_design_stays(story):
    word = field(story, "word")
    word.locator("input").fill("+x")
    assert "“x” is no letter" in word.locator(".md-field-error").inner_text()
    word.locator("input").press("Escape")
    assert word.locator("input").input_value() == "++--" and not word.locator(".md-field-error").inner_text()
    centre = field(story, "centre")
    centre.locator("input").fill("Na")
    centre.locator("input").press("Enter")
    said = browser.poll(lambda: centre.locator(".md-field-error").inner_text(), "the engine's sentence", 20)
    assert "no known oxidation states make it neutral" in said and said.count("\n") == 0
    assert centre.locator("input").get_attribute("aria-invalid") == "true"
    centre.locator("input").fill("Qq")
    centre.locator("input").press("Enter")
    browser.poll(lambda: "no element" in centre.locator(".md-field-error").inner_text(), "the next sentence", 20)
    picture(story, "error")
    assert len(steps(story)) == 3 and story.value("desk.session.state.formula") == "Li2IrO3"
    centre.locator("input").press("Escape")
    assert centre.locator("input").input_value() == "Ir"


def test_dragging_a_length_moves_the_atoms_and_makes_one_step(story):
    loads = story.stage()["loads"]
    slider = story.page.locator(".md-families .md-slider[data-key='a'] input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    at = slider.evaluate("(r) => (r.value - r.min) / (r.max - r.min)")
    x, y = box["x"] + 8 + (box["width"] - 16) * at, box["y"] + box["height"] / 2
    story.page.mouse.move(x, y)
    story.page.mouse.down()
    for k in range(1, 9):
        story.page.mouse.move(x + 1.5 * k, y)
        time.sleep(0.03)
    browser.poll(lambda: story.value("desk.session.state.preview"), "a preview while the slider is held", 20)
    assert story.stage()["loads"] == loads, "the scene was loaded anew instead of moved in place"
    story.page.mouse.up()
    browser.poll(lambda: steps(story) == ["open", "build", "build", "build"], "one step", 30)
    assert story.value("desk.session.state.built.parameters['a']") > 4.25
    assert story.value("desk.session.state.built.parameters['word']") == "++--"
    assert_on_stage(story, "the length")
    wait_for_group(story, "Cccm (66)")


def test_a_free_edit_leaves_the_family_and_says_so(story):
    tabs = story.page.locator(".md-segmented[aria-label='What this column shows']")
    tabs.locator("button[data-value=handles]").click()
    index = story.value("next(m.index for m in desk.session.state.graph.motifs if m.formula == 'IrO6')")
    story.page.locator(".md-handles select").first.select_option(str(index))
    slider = story.page.locator(".md-handles .md-slider[data-key*=':stretch:Eg:1'] input[type=range]")
    browser.poll(slider.count, "the motif's handles", 30)
    slider.focus()
    for _ in range(16):
        story.page.keyboard.press("ArrowRight")
    browser.poll(lambda: steps(story)[-1] == "distort", "the distortion as one step", 30)
    tabs.locator("button[data-value=families]").click()
    browser.poll(lambda: story.page.locator(".md-family-left").is_visible(), "word that the family is left", 20)
    assert story.value("desk.session.provenance()['family']['unchanged since']") is False
    picture(story, "left")
    built = positions_of(story, 3)
    story.page.locator(".md-family-left button").click()
    browser.poll(lambda: steps(story)[-1] == "build", "the way back to the family", 30)
    browser.poll(lambda: not story.page.locator(".md-family-left").is_visible(), "no more word of it", 20)
    np.testing.assert_allclose(positions(story), built, atol=1e-9)


def positions_of(lab, node: int) -> np.ndarray:
    return np.array(lab.value(f"desk.session.history[{node}].state.arrays.positions.tolist()"))


def test_undo_goes_back_through_every_member(story):
    kinds = steps(story)
    assert kinds[:4] == ["open", "build", "build", "build"] and set(kinds[4:-1]) == {"distort"}
    assert kinds[-1] == "build"
    for k in range(len(kinds) - 1, 0, -1):
        story.page.locator(".md-undo").click()
        browser.poll(lambda k=k: steps(story) == kinds[:k], f"undo to {kinds[:k]}", 20)
    assert story.value("desk.session.state.formula") == "SrTiO3"
    browser.poll(lambda: story.page.locator(".md-gallery").is_visible(), "the pictures again", 20)
    story.page.locator(".md-redo").click()
    browser.poll(lambda: story.page.locator(".md-family-head b").is_visible(), "the handles again", 20)
    wait_for_group(story, "Fddd (70)")
    assert_on_stage(story, "redo")


def test_the_members_of_a_word_family_are_listed_and_picked(story):
    box = story.page.locator(".md-member-box")
    box.locator("summary").click()
    browser.poll(lambda: "distinct words" in box.locator(".md-family-note").inner_text(), "the members", 60)
    words = box.locator(".md-member").evaluate_all("(all) => all.map((b) => b.dataset.word)")
    assert words[:2] == ["+", "+-"] and "++--" in words and len(words) == len(set(words))
    picture(story, "members")
    row = box.locator(".md-member[data-word='+++---']")
    assert "Fddd" in row.inner_text() and "72 atoms" in row.inner_text()
    row.click()
    browser.poll(lambda: story.value("desk.session.state.built.parameters['word']") == "+++---", "the member", 30)
    wait_for_group(story, "Fddd (70)")
    known = field(story, "known").locator("select")
    known.select_option(index=1)
    browser.poll(lambda: story.value("len(desk.session.state.arrays.numbers)") == 12, "the first known member", 30)


def test_every_family_has_controls_that_build(story):
    for name, key, value in (("tunnel", "width", None), ("perovskite", "tilts", "a0a0c+")):
        story.page.locator(".md-link").click()
        story.page.locator(f".md-family-card[data-family={name!r}]").click()
        browser.poll(lambda n=name: story.value("desk.session.state.built.family") == n, name, 30)
        shown = field(story, key)
        browser.poll(shown.count, f"the control of {key}", 20)
        if value is None:
            shown.locator("button").nth(1).click()
            browser.poll(lambda: story.value("desk.session.state.built.parameters['width']") == 3, "one wider", 30)
        else:
            shown.locator("select").select_option(value)
            browser.poll(
                lambda v=value: story.value("desk.session.state.built.parameters['tilts']") == v, "the choice", 30
            )
        picture(story, name)
    wait_for_group(story, "P4/mbm (127)")
    assert_on_stage(story, "the tilts")


def test_the_built_design_finds_its_place_on_the_map(story):
    landed = browser.poll(lambda: (story.map() or {}).get("overlay", {}).get("landed"), "a place on the map", 150)
    assert np.isfinite(landed).all()


def test_replay_builds_the_same_design(story):
    story.python("replayed = desk.session.replay()", timeout=120)
    assert story.value("[replayed.exact, max(replayed.deviations.values()) < 1e-6]") == [True, True]


def test_every_control_has_a_name_and_nothing_went_wrong(story):
    nameless = story.page.evaluate(
        """() => [...document.querySelectorAll('.md-side :is(button, input, select)')]
             .filter((n) => !(n.getAttribute('aria-label') || n.labels?.length || n.textContent.trim()))
             .map((n) => n.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    assert story.console == []
    if os.environ.get("MOTIFDESK_PICTURES"):  # the dark theme, to be looked at
        story.page.evaluate(
            "() => globalThis.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"
        )
        time.sleep(4)
        picture(story, "dark")
        story.page.locator(".md-link").click()
        picture(story, "dark-gallery")
