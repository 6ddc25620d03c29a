"""The whole desk by keyboard in JupyterLab: every control reached by Tab in reading order, named, visible in both
themes; the structure and the map moved by keys; JupyterLab's own shortcuts neither taken nor let in. Nothing comes from
the network all the while.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.browser import access
from tests.browser import lab as browser

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

CELL = """import motifdesk as md
desk = md.Desk(md.read("BaTiO3-orthorhombic.cif", cell="primitive"))
desk"""
PANES = ["header", "view", "map", "families", "handles", "readouts", "history", "export"]


@pytest.fixture(scope="module")
def lab():
    """A desk with its map, an octahedron picked and everything settled."""
    with browser.desk(CELL) as shown:
        shown.page.emulate_media(reduced_motion="reduce")
        browser.poll(lambda: (shown.map() or {}).get("overlay", {}).get("landed"), "the design's place on the map", 90)
        yield shown


def press(lab, *keys: str) -> None:
    for key in keys:
        lab.page.keyboard.press(key)


def stage(lab) -> None:
    lab.page.locator(".md-canvas").focus()


def steps(lab) -> list[str]:
    return lab.value("[n.edit.kind for n in desk.session.history.path()]")


def picked(lab):
    return lab.value("[desk.session.state.selection.motif, list(desk.session.state.selection.atoms)]")


def camera(lab) -> np.ndarray:
    return np.array(lab.stage()["camera"]).reshape(4, 4)


def scale(orientation: np.ndarray) -> float:
    """How large an Angstrom is drawn, in NGL's units."""
    return float(np.linalg.norm(orientation[:3, :3], axis=1).mean())


def cells(lab) -> int:
    return lab.page.locator(".jp-Notebook .jp-Cell").count()


def focused(lab, selector: str) -> bool:
    return lab.page.evaluate("(s) => Boolean(document.activeElement?.matches(s))", selector)


def test_keys_turn_zoom_and_pick_while_the_structure_has_the_focus(lab):
    stage(lab)
    motifs = lab.value("len(desk.session.state.graph.motifs)")
    drawn = lab.page.evaluate("() => globalThis.motifdesk.latest.get('scene').polyhedra.map((p) => p.motif)")
    press(lab, "n")
    browser.poll(lambda: picked(lab)[0] == min(drawn), "the first motif", 20)
    assert lab.page.locator(".md-stage .md-said").inner_text().endswith("picked")
    press(lab, "]")
    browser.poll(lambda: picked(lab)[1] == [0], "the first atom", 20)
    press(lab, "]", "]")
    browser.poll(lambda: picked(lab)[1] == [2], "two atoms on, as fast as the keys come", 20)
    press(lab, "Escape")
    browser.poll(lambda: picked(lab) == [None, []], "nothing picked", 20)
    assert motifs and focused(lab, ".md-canvas"), "the first Escape lets go of the pick, not of the pane"
    before = camera(lab)
    press(lab, "ArrowLeft", "ArrowLeft", "ArrowUp")
    browser.poll(lambda: np.abs(camera(lab) - before).max() > 0.05 * scale(before), "the structure turned", 10)
    small = scale(camera(lab))
    press(lab, "+", "+")
    browser.poll(lambda: abs(scale(camera(lab)) - small) > 0.01 * small, "another size", 10)
    press(lab, "f")
    browser.poll(lambda: abs(scale(camera(lab)) - scale(before)) < 1e-3 * scale(before), "the view fitted", 10)


def test_a_design_is_changed_undone_and_redone_by_keys_alone(lab):
    stage(lab)
    press(lab, "n")
    slider = lab.page.locator(".md-slider[data-key*=':stretch:'] input[type=range]").first
    slider.wait_for(timeout=20_000)
    slider.focus()
    press(lab, *["ArrowRight"] * 5)
    browser.poll(lambda: steps(lab) == ["open", "distort"], "one step after a rest", 20)
    press(lab, "Control+z")
    browser.poll(lambda: steps(lab) == ["open"], "the undo", 20)
    press(lab, "Control+Shift+z")
    browser.poll(lambda: steps(lab) == ["open", "distort"], "the redo", 20)
    key = list(lab.value("dict(desk.session.state.amplitudes)"))[0]
    slider = lab.page.locator(f".md-slider[data-key='{key}'] input[type=range]")
    browser.poll(lambda: abs(float(slider.input_value())) > 0.01, "the slider where the redo put it", 20)
    value = slider.input_value()
    slider.focus()
    press(lab, "ArrowRight", "ArrowRight", "Escape")  # at once: a rest of the keys would make a step of it
    browser.poll(lambda: slider.input_value() == value, "the slider where the design is", 20)
    browser.poll(lambda: not lab.value("desk.session.state.preview"), "no preview left", 20)
    assert steps(lab) == ["open", "distort"] and focused(lab, "input[type=range]")


def test_the_probe_is_moved_released_and_cancelled_by_keys(lab):
    probe = lab.page.locator(".md-probe")
    probe.focus()
    count = len(steps(lab))
    press(lab, "ArrowRight", "ArrowRight")
    press(lab, "Enter")
    browser.poll(lambda: len(steps(lab)) == count + 1, "the drag as one step", 40)
    assert steps(lab)[-1] == "drag"
    press(lab, "Shift+ArrowLeft", "Escape")  # at once: a rest of the keys would make a step of it
    assert lab.value("desk.settle(30)") and not lab.value("desk.session.state.preview")
    assert len(steps(lab)) == count + 1 and focused(lab, ".md-probe")
    press(lab, "Control+z")
    browser.poll(lambda: len(steps(lab)) == count, "the undo", 20)


def test_jupyterlabs_keys_reach_it_from_the_cell_and_not_from_the_desk(lab):
    stage(lab)
    before = cells(lab)
    for target in (".md-canvas", ".md-open", ".md-history .md-step", ".md-segmented button[aria-checked=true]"):
        lab.page.locator(target).first.focus()
        press(lab, "a", "b", "d", "d", "x", "m", "y")
    search = lab.page.locator(".md-search")
    search.focus()
    lab.page.keyboard.type("add bad")
    assert search.input_value() == "add bad" and cells(lab) == before
    assert lab.page.locator(".jp-Cell.jp-CodeCell").count() == before, "no key made text of the cell"
    press(lab, "Escape")
    assert search.input_value() == ""
    # Enter presses the desk's button instead of opening the cell's editor
    lab.page.locator(".md-keys").focus()
    press(lab, "Enter")
    lab.page.locator("dialog.md-help").wait_for()
    assert lab.page.locator(".jp-Notebook.jp-mod-editMode").count() == 0
    press(lab, "Escape")
    lab.page.locator("dialog.md-help").wait_for(state="detached")
    assert focused(lab, ".md-keys"), "the focus is back where it was"
    # Ctrl+S from the desk, even from a field of it, saves the notebook
    lab.page.evaluate(
        """() => {
          globalThis.saves = 0;
          const { saveState } = globalThis.jupyterapp.shell.currentWidget.context;
          saveState.connect((_, state) => { globalThis.saves += state === 'completed'; });
        }"""
    )
    for target in (".md-canvas", ".md-search"):
        lab.page.locator(target).focus()
        lab.page.evaluate("() => { globalThis.saves = 0; }")

        def saved() -> bool:  # JupyterLab drops the key while it is still saving: press again
            press(lab, "Control+s")
            return lab.page.evaluate("() => globalThis.saves") > 0

        browser.poll(saved, f"a save from {target}", 40, every=2.0)
        lab.page.wait_for_timeout(1000)  # what is still being saved is not the next target's
    # Escape leaves the desk for the cell, whose keys are JupyterLab's
    lab.page.locator(".md-open").focus()
    press(lab, "Escape")
    assert focused(lab, ".jp-Cell")
    press(lab, "b")
    browser.poll(lambda: cells(lab) == before + 1, "a cell below", 10)
    press(lab, "d", "d")
    browser.poll(lambda: cells(lab) == before, "that cell deleted again", 10)
    assert lab.page.locator(".md-frame").count() == 1


def test_f6_goes_from_pane_to_pane_and_the_card_tells_all_keys(lab):
    lab.page.locator(".md-open").focus()
    seen = []
    for _ in range(12):
        press(lab, "F6")
        seen.append(lab.page.evaluate("() => document.activeElement.closest('.md-panel, .md-pane')?.className ?? ''"))
    for pane in ("md-pane-view", "md-pane-map", "md-readouts", "md-history", "md-export", "md-header"):
        assert any(pane in name for name in seen), pane
    press(lab, "Shift+F6")
    stage(lab)
    press(lab, "?")
    card = lab.page.locator("dialog.md-help")
    card.wait_for()
    assert access.nameless(lab.page, "dialog.md-help", least=5) == []
    assert access.faint(lab.page, "dialog.md-help") == []
    for word in ("Escape", "undo", "next or previous pane", "pick the next or previous motif"):
        assert word in card.inner_text()
    press(lab, "Escape")
    card.wait_for(state="detached")
    assert focused(lab, ".md-canvas")


def test_tab_goes_through_every_control_in_reading_order_and_shows_where_it_is(lab):
    stage(lab)
    press(lab, "n")
    browser.poll(lambda: lab.page.locator(".md-slider").count() > 3, "the sliders", 20)
    browser.poll(lambda: not lab.page.locator(".md-all-stale").count(), "read-outs at rest", 30)
    stops, left = access.walk(lab.page)
    assert left == [], "controls that Tab does not reach"
    assert [s["name"] for s in stops if not s["ring"]] == [], "stops that do not show the focus"
    order = [s["pane"] for s in stops]
    panes = [p for k, p in enumerate(order) if k == 0 or order[k - 1] != p]
    assert panes == PANES, "one pane after the other, as they are read"
    assert all(s["width"] > 0 and s["height"] > 0 for s in stops)


def theme(lab, name: str) -> None:
    lab.page.evaluate("(t) => { globalThis.jupyterapp.commands.execute('apputils:change-theme', { theme: t }); }", name)
    now = "() => document.body.getAttribute('data-jp-theme-name')"
    browser.poll(lambda: lab.page.evaluate(now) == name, name, 20)
    back = "() => Number(getComputedStyle(document.querySelector('.md-frame')).backgroundColor.match(/\\d+/)[0])"
    browser.poll(lambda: (lab.page.evaluate(back) < 128) == ("Dark" in name), "its colours", 20)


def problems(lab) -> list[str]:
    return access.markup(lab.page) + access.nameless(lab.page) + access.faint(lab.page) + access.cut_off(lab.page)


@pytest.mark.parametrize("name", ["JupyterLab Dark", "JupyterLab Light"])
def test_every_control_has_a_name_and_every_text_a_contrast_in_both_themes(lab, name):
    theme(lab, name)
    lab.page.locator("[aria-label='What this column shows'] button[data-value=handles]").click()
    for tab in lab.page.locator("[aria-label='What is read out'] button").all():
        tab.click()
        said = tab.inner_text()
        browser.poll(lambda: not lab.page.locator(".md-all-stale, .md-change-stale").count(), "nothing stale", 30)
        browser.settled(lambda: problems(lab), f"{said} in {name}")
        shot(lab, f"{name[-5:].strip()}-{said.replace(' ', '')}")
    lab.page.locator("[aria-label='What is read out'] button").first.click()
    closed = lab.page.locator(".md-handles details:not([open]) > summary")
    for _ in range(closed.count()):
        closed.first.click()
    browser.settled(lambda: problems(lab), f"all handles in {name}")
    lab.page.locator(".md-compare-open").click()
    lab.page.locator(".md-compare.md-open").wait_for()
    browser.settled(lambda: problems(lab), f"two steps side by side in {name}")
    shot(lab, f"{name[-5:].strip()}-compare")
    lab.page.locator(".md-compare-open").click()
    lab.page.locator(".md-compare.md-open").wait_for(state="detached")
    lab.page.locator("[aria-label='What this column shows'] button[data-value=families]").click()
    lab.page.locator(".md-family-card").first.wait_for()
    browser.settled(lambda: problems(lab), f"families in {name}")
    shot(lab, f"{name[-5:].strip()}-families")
    lab.page.locator("[aria-label='What this column shows'] button[data-value=handles]").click()
    lab.page.locator(".md-ask-missing").click()
    browser.poll(lambda: lab.stage()["missing"]["state"] == "shown", "proposals", 60)
    browser.settled(lambda: problems(lab), f"proposals in {name}")
    press(lab, "Escape")
    browser.poll(lambda: lab.stage()["missing"]["state"] != "shown", "the proposals to go", 20)


def shot(lab, name: str) -> None:
    target = os.environ.get("MOTIFDESK_ACCESS_SCREENSHOT")
    if target:
        lab.page.screenshot(path=target.format(name=name))


def test_nothing_moves_by_itself_for_those_who_ask_for_less_motion(lab):
    moving = """() => [...document.querySelectorAll('.motifdesk, .motifdesk *')].filter((n) => {
      const s = getComputedStyle(n);
      return (s.animationName !== 'none' && s.animationDuration !== '0s') || /[1-9]/.test(s.transitionDuration);
    }).filter((n) => !n.closest('.md-chart, .md-stage')).map((n) => n.className)"""
    assert lab.page.evaluate("() => matchMedia('(prefers-reduced-motion: reduce)').matches")
    assert lab.page.evaluate(moving) == []


def test_nothing_was_asked_of_the_network_and_no_error_said(lab):
    assert lab.foreign == []
    assert lab.console == []
