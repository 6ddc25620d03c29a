"""The map in a real browser: a path walked with keyboard and mouse, its line, a lasso, colours, the probe's honesty."""

from __future__ import annotations

import os

import nbformat
import numpy as np
import pytest

from tests.browser import lab as browser
from tests.browser.hands import shown

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

CELL = """import motifdesk as md
desk = md.Desk(md.read("BaTiO3-tetragonal.cif", cell="primitive"))
desk"""
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
WAY = """() => {
  const box = document.querySelector(".md-way");
  const line = [...box.querySelectorAll(".md-way-line")].map((l) => l.getAttribute("points") || "").join(" ").trim();
  const points = line.split(" ").map((p) => p.split(",").map(Number));
  const letters = [...box.querySelectorAll("text")].map((t) => t.textContent);
  return { shown: box.style.display !== "none", points, letters };
}"""
PIXELS = "(points) => points.map((p) => globalThis.motifdesk.latest.map.toPixel(p))"


@pytest.fixture(scope="module")
def story():
    with browser.desk(CELL) as lab:
        browser.poll(lambda: (lab.map() or {}).get("overlay", {}).get("landed"), "the design on the map", 120)
        lab.value("desk.settle()")
        yield lab


def trait(lab, name: str):
    return lab.page.evaluate("(name) => globalThis.motifdesk.latest.get(name)", name)


def picture(lab, name: str) -> None:
    folder = os.environ.get("MOTIFDESK_MAP_SCREENSHOTS")
    if folder:
        lab.page.locator(".md-frame").screenshot(path=f"{folder}/{name}.png")


def steps(lab) -> list[str]:
    return lab.value("[n.edit.kind for n in desk.session.history]")


def test_a_path_is_laid_and_walked_by_keyboard(story):
    tab = story.page.locator(".md-readouts [data-value='path']")
    tab.focus()
    tab.press("Enter")
    ends = story.page.locator(".md-path-end select")
    browser.poll(lambda: ends.count() == 2 and ends.nth(0).input_value() == "0", "the design as A", 20)
    ends.nth(1).select_option("other")
    file = story.page.locator(".md-path-end input").nth(1)
    file.fill("rutile-TiO2.cif")
    file.press("Enter")
    browser.poll(lambda: trait(story, "latentpath").get("state") == "ready", "the decoded path", 90)
    way = browser.poll(lambda: (w := story.page.evaluate(WAY))["shown"] and w, "the line on the map", 20)
    assert len(way["points"]) == 21 and way["letters"] == ["A", "B"]
    np.testing.assert_allclose(
        way["points"], story.page.evaluate(PIXELS, trait(story, "latentpath")["line"]), atol=0.01
    )
    slider = story.page.locator(".md-path input[type=range]")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    browser.poll(lambda: steps(story) == ["open", "along"], "one step once the keys rest", 30)
    assert story.value("desk.session.state.arrays.formula") == "BaO3Ti"
    t = story.value("desk.session.history[1].edit.parameters['t']")
    assert t == pytest.approx(4 / 20)
    image = story.value(f"desk._path._path.at({t}).positions.tolist()")
    np.testing.assert_allclose(story.value("desk.session.state.arrays.positions.tolist()"), image, atol=1e-9)
    atoms = np.array(browser.poll(story.stage, "the stage")["atoms"])
    gap = np.linalg.norm(atoms[:, None] - np.array(image)[None], axis=2).min(axis=0)
    assert gap.max() < 1e-3, "the image is what the stage shows"
    picture(story, "path")


def test_the_slider_s_mouse_passes_the_exchange_and_escape_takes_it_back(story):
    slider = story.page.locator(".md-path input[type=range]")
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    story.page.mouse.move(box["x"] + 0.2 * box["width"], y)
    story.page.mouse.down()
    for k in range(10):
        story.page.mouse.move(box["x"] + (0.2 + 0.06 * k) * box["width"], y)
    browser.poll(lambda: story.value("desk.session.state.formula") == "TiO2", "rutile's atoms beyond the middle", 30)
    assert story.value("desk.session.state.preview")
    story.page.mouse.up()
    browser.poll(lambda: len(steps(story)) == 3, "one step", 30)
    slider.focus()
    slider.press("ArrowRight")
    slider.press("Escape")
    browser.poll(lambda: not story.value("desk.session.state.preview"), "the walk taken back", 30)
    assert len(steps(story)) == 3
    for _ in range(2):
        count = story.value("desk.session.history.current")
        story.page.locator(".md-undo").click()
        browser.poll(lambda n=count: story.value("desk.session.history.current") != n, "undo", 30)


def test_play_shows_every_image_and_leaves_the_design_alone(story):
    before = story.value("desk.session.history.current"), len(steps(story))
    frames = len(story.frames())
    story.page.locator(".md-path button", has_text="Play").click()
    browser.poll(lambda: story.page.locator(".md-path button", has_text="Pause").count(), "playing", 10)
    browser.poll(lambda: story.page.locator(".md-path button", has_text="Play").count(), "played", 60)
    browser.poll(lambda: not story.value("desk.session.state.preview"), "the design again", 30)
    assert (story.value("desk.session.history.current"), len(steps(story))) == before
    assert len(story.frames()) - frames >= 10


def test_a_click_on_the_map_chooses_an_end(story):
    story.page.locator(".md-path-end button").nth(1).click()
    spot = story.page.evaluate("""() => {
      const map = globalThis.motifdesk.latest.map, { x, y } = map.gd.data[0], box = map.gd.getBoundingClientRect();
      for (let k = 0; k < x.length; k++) {
        const [left, top] = map.toPixel([x[k], y[k]]);
        const inside = left > 30 && top > 30 && left < box.width - 30 && top < box.height - 30;
        const apart = Math.hypot(x[k] - map.target[0], y[k] - map.target[1]) > 3;
        if (inside && apart) return [box.left + left, box.top + top];
      }
    }""")
    story.page.mouse.move(spot[0] - 3, spot[1])
    story.page.mouse.move(*spot)
    story.page.mouse.click(*spot)
    browser.poll(
        lambda: str(trait(story, "latentpath").get("b", "")).startswith("known:"), "the clicked point as B", 30
    )
    browser.poll(lambda: trait(story, "latentpath").get("state") != "decoding", "its path", 90)


def test_a_lasso_is_drawn_and_its_points_are_listed(story):
    story.page.locator(".md-find button").click()
    browser.poll(lambda: story.page.locator(".md-lasso-pad").is_visible(), "the lasso in hand", 20)
    plot = story.map()["plot"]
    x, y = plot["x"] + 0.45 * plot["width"], plot["y"] + 0.45 * plot["height"]
    around = [(x + 70 * np.cos(a), y + 60 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 25)]
    story.page.mouse.move(*around[0])
    story.page.mouse.down()
    for point in around:
        story.page.mouse.move(*point)
    picture(story, "lasso")
    story.page.mouse.up()
    browser.poll(lambda: "in the lasso" in trait(story, "finds").get("title", ""), "the table", 30)
    assert story.page.locator(".md-find-row").count() > 0
    assert story.value("len(desk.map.figure.data[0].selectedpoints)") == int(trait(story, "finds")["title"].split()[0])
    story.page.locator(".md-find button").click()
    browser.poll(lambda: not story.page.locator(".md-lasso-pad").is_visible(), "the lasso put away", 20)
    field = story.page.locator(".md-search")
    field.fill("")
    field.press("Escape")


def test_the_legend_of_the_motifs_filters_the_map(story):
    story.page.locator(".md-mapbar select").first.select_option("motif")
    entry = story.page.locator(".md-legend-word", has_text="octahedron")
    browser.poll(entry.count, "the legend", 30)
    entry.first.click()
    browser.poll(lambda: "motif=octahedron" in trait(story, "finds").get("title", ""), "octahedra alone", 30)
    picture(story, "motif")
    entry.first.click()
    browser.poll(lambda: story.value("desk.map.figure.data[0].selectedpoints is None"), "all again", 30)


def test_the_probe_says_how_far_off_it_asks_and_where_the_design_landed(story):
    probe = story.map()["probe"]
    story.page.mouse.move(probe["x"], probe["y"])
    story.page.mouse.down()
    for k in range(12):
        story.page.mouse.move(probe["x"] + 6 * k, probe["y"] + 5 * k)
    told = browser.poll(lambda: trait(story, "manifold").get("target"), "how far off the target is", 30)
    assert 0 <= told["percentile"] <= 100 and "known crystals" in told["words"]
    title = story.page.locator(".md-probe").get_attribute("title")
    assert title.startswith("Asked for:") and "Landed:" in title
    picture(story, "probe")
    story.page.mouse.up()
    browser.poll(lambda: not story.value("desk.session.state.preview"), "the release", 60)
    assert steps(story)[-1] == "drag" and story.console == []


def test_a_slow_decode_never_shows_a_stale_structure_as_current(story):
    """Frames that take a second each while the probe goes on: what is on the stage is the newest there is, in order,
    and called provisional until the hand has let go and everything has caught up."""
    story.python(
        "import time\n"
        "from motifdesk.session.map_workers import Drag\n"
        "quick, shown, computed = Drag.update, [], []\n"
        "def slow(self, *args, **options):\n"
        "    time.sleep(0.8)\n"
        "    made = quick(self, *args, **options)\n"
        "    computed.append(made.state.arrays.positions.tolist())\n"
        "    return made\n"
        "Drag.update = slow\n"
        "end = desk.session.observe(lambda change: shown.append([change.action, change.state.version]))"
    )
    probe = story.map()["probe"]
    watch = """() => {
      const live = globalThis.motifdesk.latest;
      globalThis.seen = [];
      globalThis.watching = setInterval(() => seen.push({
        stale: live.get('stale'), grey: Boolean(document.querySelector('.md-all-stale')), frame: live.pane.shown,
        preview: live.get('header').facts.endsWith('…'), first: Array.from(live.pane.report().atoms[0]),
      }), 60);
    }"""
    story.page.evaluate(watch)
    story.page.mouse.move(probe["x"], probe["y"])
    story.page.mouse.down()
    for k in range(25):
        story.page.mouse.move(probe["x"] + 3 * k, probe["y"] + 2 * k)
        story.page.wait_for_timeout(60)
    browser.poll(lambda: story.value("len(computed)") >= 2, "two slow frames", 30)
    story.page.mouse.up()
    browser.poll(lambda: not story.value("desk.session.state.preview"), "the release", 60)
    browser.poll(lambda: not trait(story, "stale"), "read-outs that are of what is shown", 60)
    story.page.evaluate("() => clearInterval(globalThis.watching)")
    story.python("Drag.update = quick; end()")
    seen = story.page.evaluate("() => globalThis.seen")
    frames = [s["frame"] for s in seen]
    assert frames == sorted(frames) and len(set(frames)) >= 3, "never an older frame after a newer one"
    versions = [version for _, version in story.value("shown")]
    assert versions == sorted(versions)
    moved = [s for s in seen if s["preview"]]
    assert moved and any(s["grey"] for s in moved), "read-outs of an earlier frame are grey"
    now = np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    browser.poll(
        lambda: np.abs(np.array(story.stage()["atoms"])[: len(now)] - now).max() < 1e-3, "the design on the stage", 30
    )
    kept = np.array(story.value("computed"))
    places = np.array([s["first"] for s in seen])
    told = np.array([now[0], *kept[:, 0], places[0]])
    apart = np.abs(places[:, None] - told).max(axis=2).min(axis=1)
    assert apart.max() < 2e-3, "nothing between the structures that were decoded"
    settled = np.array([s["first"] for s in seen if not s["preview"]])
    whole = np.abs(settled[:, None] - np.array([now[0], places[0]])).max(axis=2).min(axis=1)
    assert whole.max() < 2e-3, "a frame on the way is never called the design"
    assert steps(story)[-1] == "drag"


def test_a_further_set_of_points_is_drawn_and_has_its_card(story):
    story.python(
        "layer = desk.map.layer('mine', 'my candidates', card=lambda k: dict(formula=f'X{k}', group='', atoms=2, "
        "facts=['a fact'], id='<b>mine</b>', picture=''))\n"
        "xy = desk.session.atlas.xy; layer.show(xy[:40] + 0.3)"
    )
    drawn = "() => globalThis.motifdesk.latest.map.gd.data[1]?.x.length"
    browser.poll(lambda: story.page.evaluate(drawn) == 40, "the second trace", 30)
    over = "() => globalThis.motifdesk.latest.map.card.over({ points: [{ curveNumber: 1, pointIndex: 7 }] })"
    story.page.evaluate(over)
    card = story.page.locator(".md-card")
    browser.poll(lambda: card.is_visible() and "X7" in card.inner_text().replace("\n", ""), "its card", 20)
    assert "<b>mine</b>" in card.inner_text(), "text stays text"


def test_a_page_too_slow_for_its_widgets_still_gets_desk_and_map(story):
    """anywidget drops all that Python sends to a model whose module takes over two seconds to load; here, over none."""
    story.close_tab()
    story.new_tab(
        "const own = AbortSignal.timeout.bind(AbortSignal); AbortSignal.timeout = (ms) => own(ms === 2000 ? 0 : ms)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)], metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, story.folder / "slow.ipynb")
    story.open("slow.ipynb")
    story.run_all()
    browser.poll(story.stage, "the structure on the stage", 60)
    points = "() => document.querySelector('.js-plotly-plot')?.data?.[0]?.x?.length ?? 0"
    known = story.value("len(desk.session.atlas.xy)")
    browser.poll(lambda: story.page.evaluate(points) == known, "the points of the map", 60)
    story.python("desk.session.strain(volume=1.02)\ndesk.map.colour_by('motif')")
    browser.poll(lambda: "Volume x 1.02" in story.page.locator(".md-history").inner_text(), "the edit", 20)
    shades = story.value("len(set(map(str, desk.map.figure.data[0].marker.color)))")
    colours = "() => new Set(document.querySelector('.js-plotly-plot').data[0].marker.color).size"
    browser.poll(lambda: story.page.evaluate(colours) == shades, "other colours", 20)
    assert any("Failed to initialize model" in said for said in story.console), "this page was too slow"


def test_a_moved_cell_takes_its_desk_and_map_along(story):
    """JupyterLab draws a moved cell anew: plotly's removed view must not keep the new one from hearing of changes."""
    page, plot = story.page, "document.querySelector('.js-plotly-plot')"
    old = page.evaluate_handle(f"() => {plot}")
    story.command("notebook:insert-cell-below")
    page.evaluate("() => { globalThis.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    story.command("notebook:move-cell-down")
    browser.poll(lambda: page.evaluate(f"(old) => {plot} && !old.isConnected", old), "the map drawn anew", 20)
    browser.poll(lambda: page.evaluate(f"() => {plot}?._fullLayout && {plot}.data[0].x.length"), "its points", 20)
    story.python("desk.session.strain(volume=1.03)\ndesk.map.colour_by('anion')")
    shades = story.value("len(set(map(str, desk.map.figure.data[0].marker.color)))")
    browser.poll(
        lambda: page.evaluate(f"() => new Set({plot}.data[0].marker.color).size") == shades, "other colours", 20
    )
    browser.poll(lambda: story.stage() and shown(story), "the strained structure on the stage", 30)
    assert not [said for said in story.console if "Failed to initialize" not in said]
