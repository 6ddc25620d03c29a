"""One short story of a desk in Notebook 7 and as a page of Voila: pick, move a slider, undo, drag on the map, export.

A page of Voila has no door to its kernel, so everything is read back from the page: the stage and Output's traits.
Nothing may be asked of the network in either home.
"""

from __future__ import annotations

import os
import time

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
HOMES = [("notebook", "light"), ("voila", "dark")]


@pytest.fixture(scope="module", params=HOMES, ids=[home for home, _ in HOMES])
def page(request):
    """The desk in one of the homes, its map there and the design placed on it."""
    home, theme = request.param
    pytest.importorskip(browser.HOMES[home].module)
    with browser.desk(CELL, home=home, theme=theme) as shown:
        browser.poll(lambda: (shown.map() or {}).get("overlay", {}).get("landed"), "the design's place on the map", 90)
        yield shown


def trait(page, name: str):
    return page.page.evaluate("(name) => globalThis.motifdesk.latest.get(name)", name)


def steps(page) -> list[str]:
    return [n["name"] for n in trait(page, "history")["nodes"] if n["on_path"]]


def atoms(page) -> np.ndarray:
    return np.array(page.stage()["atoms"])


def test_a_click_picks_and_a_slider_makes_one_step_that_undo_takes_back(page):
    scene = trait(page, "scene")
    centre = next(p["centre"] for p in scene["polyhedra"] if p["kind"] == "TiO6")
    page.page.mouse.click(*page.screen(atoms(page)[centre]))
    slider = page.page.locator(".md-slider[data-key*=':stretch:'] input[type=range]").first
    slider.wait_for(timeout=20_000)
    before = atoms(page)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    for k in range(1, 9):
        page.page.mouse.move(x + 0.02 * k * box["width"], y)
    browser.poll(lambda: np.abs(atoms(page) - before).max() > 0.02, "the atoms to follow the held slider", 20)
    page.page.mouse.up()
    browser.poll(lambda: len(steps(page)) == 2, "one step", 20)
    page.page.locator(".md-undo").click()
    browser.poll(lambda: np.abs(atoms(page) - before).max() < 1e-3, "the atoms where they were", 20)


def test_the_probe_is_dragged_and_the_structure_follows(page):
    page.page.locator(".md-pane-map").scroll_into_view_if_needed()
    probe = page.map()["probe"]
    before = atoms(page)
    page.page.mouse.move(probe["x"], probe["y"])
    page.page.mouse.down()
    for k in range(1, 22):
        page.page.mouse.move(probe["x"] + 2.5 * k, probe["y"] + 1.5 * k)
        time.sleep(0.04)  # a hand, not a teleport
    browser.poll(lambda: np.abs(atoms(page)[: len(before)] - before).max() > 0.01, "a decoded structure", 40)
    page.page.mouse.up()
    browser.poll(lambda: len(steps(page)) == 2, "one step of the drag", 40)


def test_the_design_is_exported_where_the_notebook_is(page):
    from pymatgen.core import Structure

    page.page.locator(".md-export .md-text").fill("from-this-home.cif")
    page.page.locator(".md-export .md-primary").click()
    file = page.folder / "from-this-home.cif"
    browser.poll(file.is_file, "the file", 30)
    assert len(Structure.from_file(file)) == trait(page, "scene")["count"]


def test_theme_width_and_names_are_those_of_the_home(page):
    light = page.page.evaluate("() => document.body.getAttribute('data-jp-theme-light') !== 'false'")
    back = page.page.locator(".md-frame").evaluate("(el) => getComputedStyle(el).backgroundColor")
    brightness = np.mean([float(v) for v in back.removeprefix("rgb(").rstrip(")").split(",")[:3]])
    assert light == (page.home == "notebook") and (brightness > 128) == light
    target = os.environ.get("MOTIFDESK_HOMES_SCREENSHOT")
    if target:
        page.page.screenshot(path=target.format(home=page.home))
    if page.home == "voila":
        assert page.page.locator(".md-frame").bounding_box()["width"] > 0.96 * 1680
    browser.poll(lambda: not page.page.locator(".md-all-stale").count(), "read-outs no longer grey", 30)
    assert access.nameless(page.page) == [] and access.faint(page.page) == []


def test_nothing_is_cut_off_at_any_width(page):
    """Notebook 7 keeps margins of its own, a page of Voila has the width of the window."""
    for width in (480, 700, 1000, 1680, 2560) if page.home == "voila" else (900, 1680):
        page.page.set_viewport_size({"width": width, "height": 1200})
        frame = page.page.locator(".md-frame")
        most = 60 if page.home == "voila" else 700
        browser.poll(
            lambda w=width, f=frame, m=most: 0 < w - f.bounding_box()["width"] < m, f"a desk of {width} pixels", 10
        )
        for tab in page.page.locator("[aria-label='What is read out'] button").all():
            tab.click()
            browser.settled(lambda: access.cut_off(page.page), f"{width} pixels")
        target = os.environ.get("MOTIFDESK_WIDTHS_SCREENSHOT")
        if target:
            page.page.screenshot(path=target.format(width=width), full_page=True)


def test_nothing_was_asked_of_the_network_and_no_error_said(page):
    assert page.foreign == []
    assert page.console == []
