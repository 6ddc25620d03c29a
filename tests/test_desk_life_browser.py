"""A desk's life in a real JupyterLab: two steps side by side, saved by itself, reloaded, shown twice, run again,
linked, edited without end, and a kernel that restarts. One browser, one story, in order.
"""

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

CELLS = [
    """import motifdesk as md
desk = md.Desk(md.read("BaTiO3-orthorhombic.cif", cell="primitive"), codec=None, atlas=None)
desk""",
]
# every WebGL context that the page asks for, whoever holds it
COUNT_CONTEXTS = """(() => {
  globalThis.glContexts = [];
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const context = get.call(this, kind, ...rest);
    if (/webgl/.test(kind) && context && !globalThis.glContexts.includes(context)) globalThis.glContexts.push(context);
    return context;
  };
})()"""
LIVE = "() => globalThis.glContexts.filter((c) => !c.isContextLost()).length"


@pytest.fixture(scope="module")
def story():
    """A notebook whose first cell shows a desk; the kernel fills the other cells when their chapter comes."""
    import nbformat

    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    cells = [
        nbformat.v4.new_code_cell(CELLS[0]),
        nbformat.v4.new_code_cell("desk if 'twice' in globals() else None"),
        nbformat.v4.new_code_cell("other if 'other' in globals() else None"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    with browser.lab([]) as lab:
        nbformat.write(notebook, lab.folder / "study.ipynb")
        lab.page.add_init_script(COUNT_CONTEXTS)
        lab.open("study.ipynb")
        run(lab, 0)
        browser.poll(lab.stage, "the structure on the stage", 90)
        show(lab)
        yield lab


def run(lab, cell: int) -> None:
    """Run one cell, as a click into it and Ctrl+Enter do; back when it has run."""
    lab.page.evaluate(
        """(cell) => {
          const { commands, shell } = globalThis.jupyterapp;
          shell.currentWidget.content.activeCellIndex = cell;
          return commands.execute('notebook:run-cell').then(() => true);
        }""",
        cell,
    )


def show(lab) -> None:
    lab.page.locator(".md-frame").first.evaluate("(el) => el.scrollIntoView({ block: 'start' })")


def names(lab) -> list[str]:
    return lab.value("[n.edit.name for n in desk.session.history.path()]")


def on_stage(lab) -> None:
    """The stage shows the session's positions."""
    now = np.array(lab.value("desk.session.state.arrays.positions.tolist()"))

    def same():
        stage = lab.stage()
        return stage and stage["count"] == len(now) and np.abs(np.array(stage["atoms"])[: len(now)] - now).max() < 1e-3

    browser.poll(same, "the design on the stage", 30)


def turn_volume(lab, presses: int = 3) -> None:
    """The volume handle by keyboard; one step of the history."""
    count = lab.value("len(desk.session.history)")
    slider = lab.page.locator(".md-slider[data-key='volume'] input[type=range]").first
    slider.focus()
    for _ in range(presses):
        lab.page.keyboard.press("ArrowRight")
    browser.poll(lambda: lab.value("len(desk.session.history)") == count + 1, "one step made by hand", 30)


def saved_count(lab) -> int:
    """Steps in the file that the desk saved by itself."""
    return (
        lab.value("len(md.Session.load(desk.saved_as, codec=None).history)") if lab.value("bool(desk.saved_as)") else 0
    )


def picture(lab, name: str) -> None:
    folder = os.environ.get("MOTIFDESK_LIFE_SCREENSHOTS")
    if folder:
        lab.page.screenshot(path=f"{folder}/{name}.png")


def test_two_branches_are_put_side_by_side_turned_together_and_one_is_taken(story):
    story.python(
        "s = desk.session; m = next(m for m in s.state.graph.motifs if m.formula == 'TiO6')\n"
        "s.select(m, scope='motif'); keys = [x.key for x in s.state.modes if ':T1u:' in x.key]\n"
        "s.distort({keys[0]: 0.15}); s.undo(); s.distort({keys[1]: -0.2}); s.strain(volume=1.03)"
    )
    page = story.page
    browser.poll(lambda: page.locator(".md-step-row").count() == 4, "the steps", 20)
    before = page.evaluate(LIVE)
    page.locator(".md-compare-open").click()
    panel = page.locator(".md-compare.md-open")
    browser.poll(panel.count, "the comparison", 20)
    drawn = browser.poll(
        lambda: (r := page.evaluate("() => document.querySelector('.md-compare').report()"))["b"] and r, "drawings", 20
    )
    assert drawn["a"]["atoms"] >= 5 and drawn["b"]["atoms"] >= 5
    assert page.evaluate(LIVE) == before, "no second WebGL context"
    assert [p.get_attribute("aria-pressed") for p in page.locator("[data-node='1'] .md-side-pill").all()] == [
        "true",
        "false",
    ]
    painted = panel.locator("canvas").first.evaluate(
        "(c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let k = 3; k < d.length; k += 4) n += d[k] > 0; return n / (d.length / 4); }"
    )
    assert painted > 0.1, "the structure fills a part of the picture"
    shown = panel.locator(".md-compare-table").inner_text()
    assert "Cell a" in shown and "RMS displacement" in panel.locator(".md-compare-head").inner_text()
    picture(story, "compare")
    # turned with the mouse on one side and with the keys on the other: both through one camera
    rotation = drawn["rotation"]
    box = panel.locator("canvas").nth(1).bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 100, steps=4)
    page.mouse.up()
    panel.locator("canvas").first.focus()
    page.keyboard.press("ArrowLeft")
    turned = np.array(page.evaluate("() => document.querySelector('.md-compare').report().rotation"))
    assert np.abs(turned - rotation).max() > 0.05 and np.abs(turned @ turned.T - np.eye(3)).max() < 1e-9
    # another pair: the start on side A, by keyboard
    pill = page.locator("[data-node='0'] .md-side-pill").first
    pill.focus()
    page.keyboard.press("Enter")
    browser.poll(lambda: story.value("desk._output.compare['a']['node']") == 0, "the start on side A", 20)
    panel.locator("select").first.select_option("1")
    browser.poll(lambda: story.value("desk._output.compare['a']['node']") == 1, "branch 1 on side A", 20)
    panel.get_by_role("button", name="Go on with side A").click()
    browser.poll(lambda: story.value("desk.session.state.node") == 1, "the branch taken", 20)
    browser.poll(lambda: not page.locator(".md-compare.md-open").count(), "the comparison closed", 20)
    # Escape ends it wherever the keyboard is on the desk, here still on the button that began it
    page.locator(".md-compare-open").click()
    browser.poll(panel.count, "the comparison again", 20)
    page.keyboard.press("Escape")
    browser.poll(lambda: not panel.count(), "the comparison closed by key", 20)
    on_stage(story)


def test_a_branch_is_named_by_keyboard_and_text_stays_text(story):
    assert not list(story.folder.glob("*.motifdesk.json")), "what cells do is not saved"
    step = story.page.locator("[data-node='3'] .md-step")
    step.focus()
    story.page.keyboard.press("F2")
    field = story.page.locator(".md-step-field")
    field.fill("<b>polar</b> along x")
    field.press("Enter")
    called = story.page.locator("[data-node='3'] .md-step-called")
    browser.poll(lambda: called.count() and called.inner_text() == "<b>polar</b> along x", "the name", 20)
    assert story.value("dict(desk.session.history.names)") == {"3": "<b>polar</b> along x"}
    story.page.locator("[data-node='3'] .md-step").click()
    browser.poll(lambda: story.value("desk.session.state.node") == 3, "the named step", 20)


def test_a_step_by_hand_is_saved_next_to_the_notebook_and_the_desk_says_so(story):
    turn_volume(story)
    mark = story.page.locator(".md-saved").first
    browser.poll(lambda: mark.inner_text().startswith("saved "), "the word that it is saved", 30)
    assert [p.name for p in story.folder.glob("*.motifdesk.json")] == ["study-BaTiO3.motifdesk.json"]
    # an earlier word may stand until the new step is written
    browser.poll(lambda: saved_count(story) == story.value("len(desk.session.history)"), "the step in the file", 30)
    assert str(story.folder / "study-BaTiO3.motifdesk.json") in mark.get_attribute("title")


def test_a_reloaded_page_brings_the_desk_back_and_it_works(story):
    before = names(story)
    story.page.evaluate("() => globalThis.jupyterapp.commands.execute('docmanager:save').then(() => true)")
    story.page.reload(wait_until="domcontentloaded")
    browser.poll(story.stage, "the structure on the stage after the reload", 90)
    show(story)
    assert names(story) == before
    on_stage(story)
    assert story.page.locator(".md-step-row").count() == story.value("len(desk.session.history)")
    turn_volume(story)
    on_stage(story)
    story.page.locator(".md-undo").first.click()
    browser.poll(lambda: names(story) == before, "undo after the reload", 20)
    assert story.page.evaluate(LIVE) == 1


def test_a_desk_shown_twice_lives_in_the_newer_place_with_one_webgl_context(story):
    story.python("twice = True")
    run(story, 1)
    browser.poll(lambda: story.page.locator(".md-frame").count() == 2, "a second display", 30)
    browser.poll(lambda: story.page.locator(".md-still-note").count() == 1, "the note in the older one", 30)
    browser.poll(lambda: story.page.evaluate(LIVE) == 1, "one context", 30)
    assert story.page.locator(".md-frame").first.locator(".md-still-note").count() == 1
    story.python("desk.session.strain(volume=1.01)")
    on_stage(story)
    story.python("del twice")
    run(story, 1)
    run(story, 0)  # the cell that makes the desk, again


def test_a_cell_run_again_offers_what_was_made_and_goes_on_with_it(story):
    browser.poll(lambda: story.page.locator(".md-frame").count() == 1, "one desk", 30)
    browser.poll(lambda: (story.stage() or {}).get("count"), "the structure", 60)
    assert len(names(story)) == 1, "the cell gives what the cell says"
    offer = story.page.locator(".md-offer")
    browser.poll(lambda: "step" in offer.inner_text(), "the offer", 30)
    picture(story, "offer")
    browser.poll(lambda: story.page.evaluate(LIVE) == 1, "the old desk's context given back", 30)
    offer.locator("button", has_text="Continue").click()
    browser.poll(lambda: len(names(story)) > 2, "the saved steps", 30)
    on_stage(story)
    assert not offer.inner_text() and story.page.locator(".md-step-called").count() == 1
    turn_volume(story)
    browser.poll(lambda: saved_count(story) == story.value("len(desk.session.history)"), "the same file goes on", 30)
    assert len(list(story.folder.glob("*.motifdesk.json"))) == 1


def test_linked_desks_turn_together_and_a_closed_one_gives_its_context_back(story):
    story.python("other = md.Desk(desk.session); from motifdesk.desk import link; linked = link(desk, other)")
    run(story, 2)
    panes = "() => [...globalThis.motifdesk.desks.values()].map((d) => d.live?.pane).filter((p) => p?.component)"
    browser.poll(lambda: story.page.evaluate(f"() => ({panes})().length") == 2, "two desks", 60)
    assert story.page.evaluate(LIVE) == 2
    angle = "(p) => Array.from(p.stage.viewerControls.getOrientation().elements)"
    turn = f"() => {{ const [a] = ({panes})(); a.stage.viewerControls.spin(a.stage.viewer.camera.up, 0.6); }}"
    both = f"() => ({panes})().map({angle})"
    before = np.array(story.page.evaluate(both))
    browser.poll(
        lambda: story.page.evaluate(f"() => ({panes})().every((p) => p.cameraTold !== undefined)"),
        "cameras watched",
        20,
    )
    story.page.evaluate(turn)

    def together():
        now = np.array(story.page.evaluate(both))
        return np.abs(now[0] - before[0]).max() > 0.1 and np.abs(now[0] - now[1]).max() < 1e-3

    browser.poll(together, "the other camera to follow", 20)
    story.python("linked.close()")
    browser.poll(
        lambda: not story.page.evaluate(f"() => ({panes})().some((p) => p.link.get('cameras').length)"), "unlinked"
    )
    # edited from either: the second desk's undo is the first one's
    count = len(names(story))
    story.page.locator(".md-frame").nth(1).locator(".md-undo").click()
    browser.poll(lambda: len(names(story)) == count - 1, "undo from the other desk", 20)
    story.python("other.close()")
    browser.poll(lambda: story.page.evaluate(LIVE) == 1, "its context given back", 20)
    run(story, 2)
    show(story)


def test_three_hundred_edits_leave_page_and_kernel_as_they_were(story):
    counts = """() => {
      const l = globalThis.motifdesk.latest, s = l.pane.stage, all = globalThis.glContexts;
      return {
        live: all.filter((c) => !c.isContextLost()).length, made: all.length, components: s.compList.length,
        steps: document.querySelectorAll('.md-step-row').length,
        nodes: document.querySelectorAll('.motifdesk *').length,
        geometries: s.viewer.renderer.info.memory.geometries, frames: l.frames.length,
      };
    }"""
    kernel = "[len(ipywidgets.widgets.widget._instances), len(gc.get_objects()) // 100000, threading.active_count()]"
    setup = "import ipywidgets, gc, threading; gc.collect()"
    story.python(
        "keys = [m.key for m in desk.session.state.modes if ':T1u:' in m.key]\n"
        "def some(n):\n"
        "    for k in range(n):\n"
        "        desk.session.distort({keys[k % len(keys)]: 0.01 * (k % 5 + 1)})\n"
        "some(100)\nprint(desk.settle(60))",
        120,
    )
    on_stage(story)
    page_before, kernel_before = story.page.evaluate(counts), story.value(kernel, setup)
    story.python("some(300)\nprint(desk.settle(60))", 200)
    on_stage(story)
    page_after, kernel_after = story.page.evaluate(counts), story.value(kernel, setup)
    assert story.value("len(desk.session.history)") > 400
    for same in ("live", "made", "components"):
        assert page_after[same] == page_before[same], same
    assert page_after["steps"] < 200 and page_after["nodes"] < page_before["nodes"] + 400
    assert page_after["geometries"] <= page_before["geometries"] + 5 and page_after["frames"] <= 4000
    assert kernel_after[0] == kernel_before[0] and kernel_after[2] <= kernel_before[2] + 1
    assert kernel_after[1] <= kernel_before[1] + 1, "objects: a step is a few"


def test_a_kernel_that_restarts_is_told_plainly_and_nothing_is_lost(story):
    turn_volume(story)
    steps, design = names(story), np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    browser.poll(lambda: saved_count(story) == story.value("len(desk.session.history)"), "everything saved", 60)
    kernel = "globalThis.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
    story.page.evaluate(f"() => {kernel}.restart().then(() => true)")
    note = story.page.locator(".md-dead-note").first
    browser.poll(lambda: "restarted" in note.inner_text(), "the word that the kernel is gone", 30)
    assert "study-BaTiO3.motifdesk.json" in note.inner_text()
    assert story.page.locator(".md-undo").first.is_disabled()
    picture(story, "restarted")
    story.page.wait_for_function(f"() => {kernel}.status === 'idle'", timeout=60_000)
    run(story, 0)
    offer = story.page.locator(".md-offer")
    browser.poll(lambda: offer.count() and "step" in offer.inner_text(), "the offer of the new kernel", 90)
    browser.poll(lambda: (story.stage() or {}).get("count"), "the structure", 60)
    offer.locator("button", has_text="Continue").click()
    browser.poll(lambda: len(names(story)) == len(steps), "all steps", 60)
    assert names(story) == steps
    np.testing.assert_array_equal(story.value("desk.session.state.arrays.positions.tolist()"), design)
    on_stage(story)
    turn_volume(story)
    browser.poll(lambda: saved_count(story) == story.value("len(desk.session.history)"), "the file goes on", 60)
    assert len(list(story.folder.glob("*.motifdesk.json"))) == 1


def test_a_closed_tab_loses_nothing_neither_with_its_kernel_nor_without(story):
    """What the kernel does while nobody looks is there when the notebook is opened again; a kernel that was shut down
    meanwhile leaves what the hand has made, for a new one to continue."""
    story.page.evaluate("() => globalThis.jupyterapp.commands.execute('docmanager:save').then(() => true)")
    count = len(names(story))
    # ten further steps, of which the last ones come when the tab is closed
    story.python(
        "import threading, time\n"
        "def further():\n"
        "    for k in range(10):\n"
        "        time.sleep(0.2)\n"
        "        desk.session.strain(volume=1.001)\n"
        "threading.Thread(target=further, daemon=True).start()"
    )
    story.close_tab()
    story.new_tab(COUNT_CONTEXTS)
    story.open("study.ipynb")
    browser.poll(story.stage, "the structure on the stage of the new tab", 90)
    browser.poll(lambda: len(names(story)) == count + 10, "the steps made while no page was open", 30)
    show(story)
    on_stage(story)
    turn_volume(story)
    on_stage(story)
    assert story.page.evaluate(LIVE) == 1
    steps, design = names(story), np.array(story.value("desk.session.state.arrays.positions.tolist()"))
    browser.poll(lambda: saved_count(story) == story.value("len(desk.session.history)"), "everything saved", 60)

    story.close_tab()
    for kernel in story.server("GET", "/api/kernels"):
        story.server("DELETE", f"/api/kernels/{kernel['id']}")
    story.new_tab(COUNT_CONTEXTS)
    story.open("study.ipynb")
    run(story, 0)
    offer = story.page.locator(".md-offer")
    browser.poll(lambda: offer.count() and "step" in offer.inner_text(), "the offer of the new kernel", 90)
    offer.locator("button", has_text="Continue").click()
    browser.poll(lambda: len(names(story)) == len(steps), "all steps", 60)
    assert names(story) == steps
    np.testing.assert_array_equal(story.value("desk.session.state.arrays.positions.tolist()"), design)
    browser.poll(lambda: (story.stage() or {}).get("count"), "the structure", 60)
    on_stage(story)
    # Jupyter's own word for the saved output of the kernel that is gone, before the cell is run
    story.console[:] = [said for said in story.console if "widget model not found" not in said]


def test_no_error_in_the_console(story):
    assert story.console == []
