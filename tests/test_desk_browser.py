"""The story of the first notebook, told with a mouse in a real JupyterLab: what is on the stage is what the session
says.

One browser session, one test per chapter, in order; each asserts numbers read back from the stage through the bridge.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.browser import lab as browser
from tests.browser.hands import assert_stage_shows_session, choose, drag_slider, press_and_move, session_positions

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "01_first_design.ipynb"
reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

OPEN = 'import motifdesk as md\ndesk = md.Desk(md.read("beta-Li2IrO3.cif", cell="primitive"))'


@pytest.fixture(scope="module")
def story():
    """JupyterLab with the first notebook open and its cells, up to the desk's, run by the menu's own command."""
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    last = next(k for k, c in enumerate(cells) if "md.Desk(" in c.source)
    # the cells after the desk do the same from Python; here the mouse does it
    keep = {c.id for c in cells[: last + 1]}
    notebook.cells = [c for c in notebook.cells if c.cell_type != "code" or c.id in keep]
    with browser.lab([]) as lab:
        nbformat.write(notebook, lab.folder / NOTEBOOK.name)
        lab.open(NOTEBOOK.name)
        lab.run_all()
        browser.poll(lab.stage, "the structure on the stage", 90)
        browser.poll(lambda: (lab.map() or {}).get("points"), "the map", 90)
        browser.poll(lambda: (lab.map() or {}).get("overlay", {}).get("landed"), "the design's place on the map", 90)
        lab.page.locator(".md-frame").evaluate("(el) => el.scrollIntoView({ block: 'start' })")
        yield lab


def steps(lab) -> list[str]:
    return lab.value("[n.edit.kind for n in desk.session.history.path()]")


def test_the_stage_shows_the_structure_unrotated(story):
    stage = assert_stage_shows_session(story, "opening")
    assert story.value("len(desk.session.state.arrays.numbers)") == 24
    kinds = story.page.evaluate("() => globalThis.motifdesk.latest.get('scene').polyhedra.map((p) => p.kind)")
    assert kinds == ["IrO6"] * 4
    assert len(stage["bondPairs"]) > 0
    assert story.page.locator(".md-verdict").inner_text() != ""


def test_clicking_a_polyhedron_picks_its_motif(story):
    polyhedra = story.page.evaluate(
        "() => globalThis.motifdesk.latest.get('scene').polyhedra.map((p) => [p.motif, p.centre])"
    )
    atoms = story.stage()["atoms"]
    # the front one of what overlaps is what a click hits, so it is enough that each click picks an IrO6
    motif, centre = polyhedra[1]
    story.page.mouse.click(*story.screen(atoms[centre]))
    browser.poll(lambda: story.value("desk.session.state.selection.motif is not None"), "a pick", 20)
    assert story.value("desk.session.state.graph.motifs[desk.session.state.selection.motif].formula") == "IrO6"
    labels = browser.poll(lambda: story.page.locator(".md-slider .md-name").all_inner_texts(), "sliders", 20)
    assert any("Jahn-Teller elongation" in text for text in labels)
    assert steps(story) == ["open"], "a click is not a step of the history"


def test_each_handle_says_the_space_group_it_leads_to(story):
    choose(story, "What the handles act on", "orbit")
    count = story.value("len(desk.session.state.modes)")
    tags = browser.poll(
        lambda: (lambda t: t if len([x for x in t if x]) == count else None)(
            story.page.locator(".md-slider[data-key*=':'] .md-lead").all_text_contents()
        ),
        "a space group at every handle",
        60,
    )
    real = story.value("[desk.session.leads_to(m).symbol for m in desk.session.state.modes]")
    assert sorted(t.removeprefix("→ ") for t in tags) == sorted(real)
    assert any(t.startswith("→ ") for t in tags) and not all(t.startswith("→ ") for t in tags)
    title = story.page.locator(".md-slider .md-lead").first.get_attribute("title")
    assert "Fddd (70)" in title
    assert steps(story) == ["open"], "looking ahead is not a step of the history"
    choose(story, "What the handles act on", "motif")


def test_the_slider_moves_the_octahedra_and_makes_one_step(story):
    camera = np.array(story.stage()["camera"])
    loads = story.stage()["loads"]
    before = session_positions(story)
    slider = story.page.locator(".md-slider[data-key*=':stretch:Eg:1'] input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    press_and_move(
        story,
        box["x"] + box["width"] / 2,
        box["y"] + box["height"] / 2,
        [(box["width"] * 0.02 * k, 0) for k in range(1, 11)],
    )
    browser.poll(lambda: story.value("desk.session.state.preview"), "a preview while the slider is held", 20)
    story.page.mouse.up()
    browser.poll(lambda: steps(story) == ["open", "distort"], "one named step", 20)
    amplitude = list(story.value("dict(desk.session.state.amplitudes)").values())
    assert len(amplitude) == 1 and abs(amplitude[0]) > 0.05
    achieved = list(story.value("dict(desk.session.state.achieved)").values())[0]
    assert achieved == pytest.approx(amplitude[0], abs=0.01)
    assert np.abs(session_positions(story) - before).max() > 0.01
    stage = assert_stage_shows_session(story, "the slider")
    assert stage["loads"] == loads, "the scene was loaded anew instead of moved in place"
    np.testing.assert_allclose(stage["camera"], camera, atol=1e-6)
    # nothing is torn: each IrO6 still has its six oxygens within a sane bond
    lengths = story.value(
        "[d for m in g.motifs if m.formula == 'IrO6'"
        " for d in np.linalg.norm(m.positions(s)[1:] - m.positions(s)[0], axis=1).tolist()]",
        "import numpy as np\ng = desk.session.state.graph\ns = desk.session.state.structure",
    )
    assert len(lengths) == 24 and 1.7 < min(lengths) and max(lengths) < 2.5


def test_dragging_the_probe_decodes_while_the_pointer_moves(story):
    probe = story.map()["probe"]
    frames = story.page.evaluate("() => globalThis.motifdesk.latest.frames.length")
    version = story.value("desk.session.state.version")
    axes = story.map()["axes"]
    press_and_move(story, probe["x"], probe["y"], [(2, 1)])
    for k in range(2, 26):
        story.page.mouse.move(probe["x"] + 2.0 * k, probe["y"] + 1.0 * k)
        time.sleep(0.04)  # a hand, not a teleport
    count = "() => globalThis.motifdesk.latest.frames.length"
    browser.poll(lambda: story.page.evaluate(count) > frames + 3, "frames on the stage while the pointer is down", 30)
    assert story.value("desk.session.state.preview") and story.value("desk.session.state.version") > version
    story.page.mouse.up()
    browser.poll(lambda: steps(story) == ["open", "distort", "drag"], "the drag as one step", 30)
    assert story.map()["axes"] == axes, "the plot must not pan under the probe"
    assert_stage_shows_session(story, "the drag")
    landed = browser.poll(lambda: story.map()["overlay"]["landed"], "where it landed", 20)
    real = story.value(
        "atlas.project(codec.encode([desk.session.state.structure])).tolist()[0]",
        "atlas, codec = desk.session.atlas, desk.session.codec",
    )
    np.testing.assert_allclose(landed, real, atol=0.5)
    assert story.value("desk.session.state.latent.residual") is not None


def test_readouts_belong_to_the_edit_on_show(story):
    node = story.value("desk.session.state.node")
    browser.poll(lambda: story.page.locator(".md-stamp").inner_text().startswith(f"step {node}"), "fresh read-outs", 30)
    browser.poll(lambda: not story.page.locator(".md-all-stale").count(), "read-outs no longer grey", 30)
    text = story.page.locator(".md-numbers").inner_text()
    assert "Formula" in text and "Li2IrO3" in text and "NaN" not in text


def test_undo_twice_brings_the_first_structure_back(story):
    for expected in (["open", "distort"], ["open"]):
        story.page.locator(".md-undo").click()
        browser.poll(lambda e=expected: steps(story) == e, f"undo to {expected}", 20)
        assert_stage_shows_session(story, "undo")
    original = story.value(
        'md.read("beta-Li2IrO3.cif", cell="primitive").cart_coords.tolist()', "import motifdesk as md"
    )
    np.testing.assert_allclose(session_positions(story), original, atol=1e-9)
    story.page.locator(".md-redo").click()
    browser.poll(lambda: steps(story) == ["open", "distort"], "redo", 20)
    assert_stage_shows_session(story, "redo")


def test_an_edit_from_python_shows_at_once(story):
    story.python('desk.session.select(motif=desk.session.state.selection.motif, scope="orbit")')
    key = story.value("[m.key for m in desk.session.state.modes if ':stretch:A1g' in m.key][0]")
    story.python(f"desk.session.distort({{{key!r}: 0.1}})")
    assert_stage_shows_session(story, "an edit from Python")
    value = browser.poll(
        lambda: float(story.page.locator(f".md-slider[data-key='{key}'] input[type=number]").input_value()),
        "its slider",
        20,
    )
    assert value == pytest.approx(0.1, abs=1e-3)


def test_symmetry_and_pattern_of_the_handles_are_part_of_the_step(story):
    count = len(steps(story))
    choose(story, "What the handles act on", "orbit")
    choose(story, "Pattern of the handles over the motifs", "alternating")
    browser.poll(lambda: story.value("desk.session.state.selection.pattern") == "alternating", "the pattern", 20)
    # what is distorted already is done again with the symmetry kept: one step, if anything is
    choose(story, "Symmetry while a handle is moved", "request")
    browser.poll(lambda: story.value("desk.session.state.selection.symmetry") == "request", "the choice", 20)
    browser.poll(lambda: not story.value("desk.session.state.preview"), "the hand at rest", 20)
    count = len(steps(story))
    drag_slider(story, ":stretch:A1g:1", 0.2)
    story.page.mouse.up()
    browser.poll(lambda: len(steps(story)) == count + 1, "the alternating step", 30)
    edit = story.value("dict(desk.session.history[desk.session.history.current].edit.parameters)")
    assert edit["keep"] == "request"
    assert any("[+" in key and "-" in key and abs(value) > 0.05 for key, value in edit["amplitudes"].items())
    assert_stage_shows_session(story, "an alternating step")
    assert "symmetry kept" in story.page.locator(".md-step[aria-current]").get_attribute("title")
    browser.poll(lambda: "Out of shape" in story.page.locator(".md-numbers").inner_text(), "who pays for it", 30)
    choose(story, "Symmetry while a handle is moved", "free")
    browser.poll(lambda: story.value("desk.session.state.selection.symmetry") == "free", "the choice", 20)
    story.python("desk.session.goto(0)\ndesk.session.select(0, scope='motif', pattern='uniform', symmetry='free')")


def test_a_ligand_about_to_leave_is_flagged_while_the_slider_is_held(story):
    story.python(
        "m = next(m for m in desk.session.state.graph.motifs if m.formula == 'IrO6')\n"
        "desk.session.select(m, scope='motif')\n"
        "k = next(x.key for x in desk.session.state.modes if 'off-centring along z' in x.label)\n"
        "held = desk.session.gesture('distort')\nheld.update({k: 1.6})"
    )
    flagged = browser.poll(lambda: story.page.evaluate("() => globalThis.motifdesk.latest.get('flagged')"), "flags", 20)
    assert set(flagged) <= set(range(story.value("len(desk.session.state.graph.motifs)")))
    browser.poll(lambda: " may " in story.page.locator(".md-numbers").inner_text(), "the sentence", 20)
    story.python("held.cancel()")
    browser.poll(
        lambda: story.page.evaluate("() => globalThis.motifdesk.latest.get('flagged').length === 0"), "no flag", 20
    )
    browser.poll(lambda: " may " not in story.page.locator(".md-numbers").inner_text(), "the answer", 30)


def test_the_motif_graph_is_drawn_in_the_theme_of_the_page_and_told_in_levels(story):
    panel = story.page.locator(".md-readouts")
    choose(story, "What is read out", "net")
    drawn = "(p) => p.complete && p.naturalWidth > 0 && decodeURIComponent(p.src)"
    picture = panel.locator("img.md-net-picture")
    light = browser.poll(lambda: picture.evaluate(drawn), "the picture", 30)
    assert light.startswith("data:image/svg+xml") and "IrO₆" in light and "LiO₆" in light
    assert "IrO6" in picture.get_attribute("alt")
    levels = panel.locator(".md-net-levels b").all_text_contents()
    assert levels == ["atoms", "motifs", "units", "net", "structure"]
    assert "ths" in panel.locator(".md-net-levels").inner_text(), "hyperhoneycomb"
    for theme, same in (("false", False), ("true", True)):
        story.page.evaluate("(t) => document.body.setAttribute('data-jp-theme-light', t)", theme)
        browser.poll(lambda same=same: (picture.evaluate(drawn) == light) is same, f"the picture for light={theme}", 20)
    choose(story, "What is read out", "numbers")
    assert panel.locator(".md-numbers").is_visible() and not panel.locator(".md-net").is_visible()


def test_a_busy_cell_does_not_freeze_the_handles(story):
    """ipykernel 7 sends a comm's messages to the shell that last published on it; the desk's two wires avoid that."""
    story.page.evaluate(
        """() => { globalThis.busyCell = globalThis.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel
             .requestExecute({ code: 'import time\\ndesk.session.undo()\\ntime.sleep(6)' }).done; }"""
    )
    slider = story.page.locator(".md-slider[data-key='volume'] input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    frames = story.page.evaluate("() => globalThis.motifdesk.latest.frames.length")
    press_and_move(story, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, [(3 * k, 0) for k in range(1, 9)])
    count = "() => globalThis.motifdesk.latest.frames.length"
    began = time.monotonic()
    browser.poll(
        lambda: story.page.evaluate(count) >= frames + 2, "the cell to breathe while a notebook cell is busy", 5
    )
    assert time.monotonic() - began < 5
    story.page.mouse.up()
    story.page.evaluate("() => globalThis.busyCell.then(() => true)")
    browser.poll(lambda: steps(story)[-1] == "strain", "the volume step", 20)
    story.page.locator(".md-undo").click()
    browser.poll(lambda: steps(story)[-1] != "strain", "its undo", 20)


def test_exported_cif_is_the_design(story):
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

    story.page.locator(".md-export .md-text").fill("from-the-desk.cif")
    story.page.locator(".md-export .md-primary").click()
    said = browser.poll(lambda: story.page.locator(".md-export .md-result").inner_text(), "the export's answer", 20)
    assert "from-the-desk.cif" in said
    written = Structure.from_file(story.folder / "from-the-desk.cif")
    design = Structure.from_dict(story.value("desk.session.state.structure.as_dict()"))
    rms, farthest = StructureMatcher(primitive_cell=False, scale=False).get_rms_dist(design, written)
    assert rms < 1e-4 and farthest < 1e-3
    # a second time: one clear error in place, and the first file untouched
    content = (story.folder / "from-the-desk.cif").read_bytes()
    story.page.locator(".md-export .md-primary").click()
    browser.poll(
        lambda: "exists" in story.page.locator(".md-export .md-result").inner_text(), "the refusal to overwrite", 20
    )
    assert (story.folder / "from-the-desk.cif").read_bytes() == content


def test_arrow_keys_move_probe_and_slider_one_step_each(story):
    """Without a mouse: a rest of the keys ends the gesture, and JupyterLab's own shortcuts stay out of it."""
    count = story.value("len(desk.session.history)")
    story.page.locator(".md-probe").focus()
    for _ in range(4):
        story.page.keyboard.press("ArrowRight")
    browser.poll(lambda: story.value("len(desk.session.history)") == count + 1, "one step of the probe", 30)
    assert steps(story)[-1] == "drag"
    story.page.locator(".md-slider[data-key='volume'] input[type=range]").focus()
    for _ in range(3):
        story.page.keyboard.press("ArrowRight")
    browser.poll(lambda: story.value("len(desk.session.history)") == count + 2, "one step of the slider", 30)
    assert steps(story)[-1] == "strain"
    assert_stage_shows_session(story, "the keyboard")


def test_a_search_fades_the_map_and_a_find_is_opened_and_taken_back(story):
    before = session_positions(story)
    field = story.page.locator(".md-search")
    field.fill("Ir O Li")
    field.press("Enter")
    rows = story.page.locator(".md-find-row")
    browser.poll(lambda: rows.count() > 0, "what was found", 30)
    found = story.value("[int(i) for i in desk.map.figure.data[0].selectedpoints]")
    assert 0 < len(found) < 200 and rows.count() == min(len(found), 40)
    assert "Li2IrO3" in rows.first.inner_text().replace("\n", "")
    drawn = rows.first.locator("img").evaluate("(img) => img.complete && img.naturalWidth > 0")
    assert drawn, "its picture is drawn"
    count = story.value("len(desk.session.history)")
    rows.nth(1).locator("button", has_text="Open").click()
    browser.poll(lambda: story.value("len(desk.session.history)") == count + 1, "one step", 30)
    assert_stage_shows_session(story, "opening a known structure")
    story.page.locator(".md-undo").click()
    browser.poll(lambda: story.value("desk.session.history.current") != count, "the undo", 30)
    np.testing.assert_allclose(session_positions(story), before, atol=1e-9)
    assert_stage_shows_session(story, "the undo")
    # fitted to this structure, not to the one that was there a moment ago
    box = story.page.locator(".md-stage").bounding_box()
    at = np.array([story.screen(p) for p in story.stage()["atoms"]]) - [box["x"], box["y"]]
    filled = np.ptp(at, axis=0) / [box["width"], box["height"]]
    assert at.min() >= 0 and (at <= [box["width"], box["height"]]).all() and filled.max() > 0.55
    target = os.environ.get("MOTIFDESK_FINDS_SCREENSHOT")
    if target:
        story.page.locator(".md-frame").screenshot(path=target)
    field.fill("Ti <b>")
    field.press("Enter")
    wrong = story.page.locator(".md-find .md-wrong")
    browser.poll(lambda: "<b>" in wrong.inner_text(), "the word at fault, as text", 20)
    field.press("Escape")
    browser.poll(lambda: story.value("desk.map.figure.data[0].selectedpoints is None"), "the whole map again", 20)


def test_the_pointer_over_a_point_shows_its_card(story):
    point = story.page.evaluate(
        """() => {
          const map = globalThis.motifdesk.latest.map;
          const { x, y } = map.gd.data[0];
          const box = map.gd.querySelector(".svg-container").getBoundingClientRect();
          const probe = map.probe.getBoundingClientRect();
          for (let k = 0; k < x.length; k += 7) {
            const [px, py] = map.toPixel([x[k], y[k]]);
            const at = { x: box.left + px, y: box.top + py };
            const far = Math.hypot(at.x - probe.x, at.y - probe.y);
            if (px > 80 && py > 60 && px < box.width - 80 && py < box.height - 80 && far > 90) return at;
          }
        }"""
    )
    story.page.mouse.move(point["x"] - 3, point["y"] - 3)
    story.page.mouse.move(point["x"], point["y"])
    card = story.page.locator(".md-card")
    browser.poll(lambda: card.is_visible() and card.locator("b").inner_text(), "the card", 20)
    shown = story.value("desk._output.card")
    assert shown["id"] in card.inner_text() and str(shown["atoms"]) in card.inner_text()
    target = os.environ.get("MOTIFDESK_CARD_SCREENSHOT")
    if target:
        story.page.locator(".md-frame").screenshot(path=target)
    story.page.mouse.move(5, 5)
    browser.poll(lambda: not card.is_visible(), "the card to go", 20)


def test_every_control_has_a_name(story):
    nameless = story.page.evaluate(
        """() => [...document.querySelectorAll('.motifdesk :is(button, input, select, .md-probe)')]
             .filter((n) => !n.closest('.md-stage, .md-chart') || n.matches('.md-probe'))
             .filter((n) => !(n.getAttribute('aria-label') || n.labels?.length || n.textContent.trim()))
             .map((n) => n.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


def test_no_error_in_the_console_and_a_picture_for_those_who_ask(story):
    target = os.environ.get("MOTIFDESK_SCREENSHOT")
    if target:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        story.page.locator(".md-frame").screenshot(path=target)
    assert story.console == []
