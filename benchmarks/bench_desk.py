"""The desk in a real JupyterLab in headless Chromium (software GL): what a hand waits for.

summary:
  desk_visible_s            one cell (import, read, open the desk) -> the structure on the stage; warm files
  map_ready_s               the same cell -> the map drawn and the design placed on it
  slider_kernel_median_ms, slider_kernel_p95_ms
                            one live slider message in the kernel: solve, new state, publish (`slider_atoms`: SrTiO3,
                            5 x 4 x 2 cells, 200 atoms)
  slider_kernel_cpu_median_ms, slider_kernel_cpu_p95_ms
                            what of it is the processor's time of the thread: the browser draws on the same cores
  slider_kernel_median_ms_24_atoms, slider_kernel_p95_ms_24_atoms
                            the same of beta-Li2IrO3
  slider_frame_median_ms, slider_frame_p95_ms
                            time between new coordinates on the stage while the pointer drags the slider, 24 atoms;
                            ``..._200_atoms``: of the 200
  stage_update_ms, stage_recreate_ms, stage_update_ratio
                            moving what is drawn in place, against loading the scene anew, in the same page, of the 200
                            atoms; ``..._24_atoms``: of the 24
  drag_frame_median_ms, drag_frame_p95_ms, drag_frames
                            time between decoded frames on the stage while the pointer drags the probe (24 atoms), its
                            moves made in the page, 60 a second, as a hand would
  memory_growth_mb_per_1000_edits
                            growth of the kernel's resident memory, after a collection and with what malloc holds given
                            back, while edits go on without end (24 atoms: distortions, undo and redo, strains, and a
                            slider dragged in the page after every part): a straight line through it after a warm-up of
                            a tenth; 10,000 of them (--limit N: so many), in the desk that the figures above were taken
                            from. After each part the page has caught up before anything is counted
  kernel_objects_growth_per_1000_edits
                            the same straight line through the number of Python's objects
  endurance_edits, endurance_edit_ms, endurance_first_edit_ms, endurance_s
                            how many, what one takes in the last and the first part, and all of it with the waiting
  page_heap_growth_mb_per_1000_edits
                            the same straight line through the page's heap after a collection
  messages_per_edit, messages_per_edit_first, published_bytes_per_edit, published_bytes_per_edit_first
                            what an edit sends to the page in the last and the first part
  page_nodes_growth, webgl_contexts, webgl_contexts_made, stage_components, widgets_growth
                            what page and kernel hold more at the end; contexts alive, and asked for since the page was
                            opened
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import numpy as np

from tests.browser import lab as browser

CELL = """import motifdesk as md
desk = md.Desk(md.read("beta-Li2IrO3.cif", cell="primitive"))
desk"""
LARGE = """import motifdesk as md
whole = md.read("SrTiO3.cif", cell="primitive")
whole.make_supercell([5, 4, 2])
desk = md.Desk(whole)
desk"""
# every WebGL context that the page asks for
CONTEXTS = """(() => {
  globalThis.glContexts = [];
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const context = get.call(this, kind, ...rest);
    if (/webgl/.test(kind) && context && !globalThis.glContexts.includes(context)) globalThis.glContexts.push(context);
    return context;
  };
})()"""
COUNTS = """() => ({
  nodes: document.querySelectorAll('.motifdesk *').length,
  contexts: globalThis.glContexts.filter((c) => !c.isContextLost()).length,
  made: globalThis.glContexts.length,
  components: globalThis.motifdesk.latest.pane.stage.compList.length,
})"""
ENDURE = """
import ctypes, gc, os, time, ipywidgets
import numpy as np
def memory():
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another system's malloc
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
sent = [0, 0]
def counted(widget, content, buffers=None, was=ipywidgets.Widget._send):
    sent[0] += len(str(content)) + sum(len(b) for b in buffers or ())
    sent[1] += 1
    was(widget, content, buffers)
ipywidgets.Widget._send = counted
session = desk.session
session.goto(0)
session.select(next(m.index for m in session.state.graph.motifs if m.formula == "IrO6"), scope="motif")
endure_keys = [m.key for m in session.state.modes]
def endure(first, last):
    began, out = time.perf_counter(), list(sent)
    for k in range(first, last):
        if k % 10 == 7 or k == first:  # the crystal is whole again: a strain makes what is turned on the new base
            session.distort({key: 0.0 for key in endure_keys})
        elif k % 10 < 8:
            session.distort({endure_keys[k % len(endure_keys)]: 0.02 * float(np.sin(k))})
        elif k % 10 == 8:
            session.undo(); session.redo()
        else:
            session.strain(volume=1.001 if (k // 10) % 2 else 1 / 1.001)
    took = time.perf_counter() - began
    desk.settle(120)
    n = last - first
    return [last, memory(), 1000 * took / n, (sent[0] - out[0]) / n, (sent[1] - out[1]) / n,
            len(ipywidgets.widgets.widget._instances), len(gc.get_objects())]
"""
HAND = """async (path) => {
  const probe = globalThis.motifdesk.latest.map.probe;
  for (const [clientX, clientY] of path) {
    probe.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY, pointerId: 1, bubbles: true, buttons: 1 }));
    await new Promise((done) => setTimeout(done, 16));
  }
}"""
FRAMES = "() => globalThis.motifdesk.latest.frames"
KERNEL = """
import time
modes = [m.key for m in desk.session.state.modes if ':stretch:Eg:1' in m.key]
pick = desk.session.state.selection
times, processor = [], []
for k in range(80):
    message = dict(op="distort", key=modes[0], value=0.002 * k, scope=pick.scope, motif=pick.motif, n=0)
    began, own = time.perf_counter(), time.thread_time()
    desk._on_message(None, message)
    times.append(1000 * (time.perf_counter() - began))
    processor.append(1000 * (time.thread_time() - own))
    time.sleep(0.02)
desk._on_message(None, dict(op="release", what="distort", n=0))
desk.session.undo()
"""
STAGE = """async () => {
  const pane = globalThis.motifdesk.latest.pane;
  const best = async (times, work) => {
    const all = [];
    for (let k = 0; k < times; k++) {
      const t = performance.now();
      await work();
      pane.stage.viewer.render();
      all.push(performance.now() - t);
    }
    return all.sort((a, b) => a - b)[Math.floor(times / 2)];
  };
  const inPlace = await best(40, () => pane.move());
  const anew = await best(8, async () => { pane.sceneId = null; await pane.load(); });
  return [inPlace, anew];
}"""


def _spread(times: list[float]) -> tuple[float, float]:
    return float(np.median(times)), float(np.percentile(times, 95))


def run(args: Any) -> dict:
    reason = browser.missing()
    if reason is not None:
        return {"skipped": reason}
    with TemporaryDirectory() as folder:
        path, large = (_notebook(Path(folder) / name, cell) for name, cell in (("bench", CELL), ("large", LARGE)))
        with browser.lab([path]) as lab:
            _story(lab, path.name)  # a first time, so that files are in the cache
        with browser.lab([path, large]) as lab:
            lab.page.add_init_script(CONTEXTS)
            summary = _story(lab, path.name)
            summary |= _endurance(lab, getattr(args, "limit", None) or 10_000)
            return summary | _large(lab, large.name)


def _notebook(path: Path, cell: str) -> Path:
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)], metadata={"kernelspec": kernel})
    path = path.with_suffix(".ipynb")
    nbformat.write(notebook, path)
    return path


def _story(lab: Any, name: str) -> dict:
    lab.open(name)
    began = time.perf_counter()
    lab.run_all()
    browser.poll(lab.stage, "the structure", 90, every=0.02)
    summary: dict[str, Any] = {"desk_visible_s": time.perf_counter() - began}
    browser.poll(lambda: (lab.map() or {}).get("overlay", {}).get("landed"), "the design's place on the map", 90)
    summary["map_ready_s"] = time.perf_counter() - began
    small = _handle(lab, "IrO6")
    summary |= {key if key.startswith("slider_frame") else f"{key}_24_atoms": value for key, value in small.items()}

    probe = lab.map()["probe"]
    path = [(35.0 * np.sin(k / 90.0), 25.0 * np.sin(k / 140.0)) for k in range(1, 481)]
    times = _drag(lab, (probe["x"], probe["y"]), path, HAND)
    summary["drag_frame_median_ms"], summary["drag_frame_p95_ms"] = _spread(times)
    summary["drag_frames"] = len(times)
    return summary


def _handle(lab: Any, formula: str) -> dict:
    """One slider of a motif in the kernel and in the page, and what the stage takes."""
    lab.page.locator(".md-frame").first.evaluate("(el) => el.scrollIntoView({ block: 'start' })")
    motif = lab.value(f"[m.index for m in desk.session.state.graph.motifs if m.formula == {formula!r}][0]")
    lab.python(f"desk.session.select(motif={motif}, scope='motif')")
    kernel, processor = lab.value("[times, processor]", KERNEL)
    summary: dict[str, Any] = {}
    summary["slider_kernel_median_ms"], summary["slider_kernel_p95_ms"] = _spread(kernel[10:])
    # the rest of the time the browser, which draws without a GPU, has the cores
    summary["slider_kernel_cpu_median_ms"], summary["slider_kernel_cpu_p95_ms"] = _spread(processor[10:])
    summary["slider_frame_median_ms"], summary["slider_frame_p95_ms"] = _spread(_slide(lab))
    in_place, anew = lab.page.evaluate(STAGE)
    return summary | {"stage_update_ms": in_place, "stage_recreate_ms": anew, "stage_update_ratio": anew / in_place}


def _slide(lab: Any, moves: int = 120) -> list[float]:
    """Milliseconds between frames while the pointer drags a stretch slider; one edit."""
    slider = lab.page.locator(".md-slider[data-key*=':stretch:Eg:1'] input[type=range]").first
    browser.poll(slider.count, "the slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return _drag(lab, (x, y), [(0.4 * box["width"] * np.sin(k / 20.0), 0.0) for k in range(1, moves + 1)])


def _large(lab: Any, name: str) -> dict:
    """The slider and the stage of 200 atoms."""
    lab.open(name)
    lab.run_all()
    browser.poll(lambda: (lab.stage() or {}).get("count", 0) >= 200, "the 200 atoms", 120)
    assert lab.python("print(desk.settle(120))").strip() == "True"
    found = _handle(lab, "TiO6")
    atoms = lab.value("len(desk.session.state.arrays)")
    summary = {f"{key}_200_atoms" if key.startswith("slider_frame") else key: value for key, value in found.items()}
    return summary | {"slider_atoms": atoms}


def _drag(lab: Any, start: tuple[float, float], path: list[tuple[float, float]], hand: str = "") -> list[float]:
    """Milliseconds between frames on the stage while the pointer moves.

    The driver's moves wait for the page, about ten a second on two cores; `hand` makes them in the page, 60 a second.
    """
    mouse = lab.page.mouse
    mouse.move(*start)
    mouse.down()
    before = len(lab.page.evaluate(FRAMES))
    if hand:
        lab.page.evaluate(hand, [[float(a + b) for a, b in zip(start, step, strict=True)] for step in path])
    for dx, dy in [] if hand else path:
        mouse.move(start[0] + dx, start[1] + dy)
        time.sleep(0.02)
    frames = lab.page.evaluate(FRAMES)[before:]
    mouse.up()
    version = lab.value("desk.session.state.preview")
    browser.poll(lambda: not version or not lab.value("desk.session.state.preview"), "the release", 30)
    return np.diff(frames).tolist()[2:]


def _endurance(lab: Any, edits: int) -> dict:
    """Edits without end in the desk that is open: what grows. The first tenth warms up."""
    devtools = lab.page.context.new_cdp_session(lab.page)
    began = time.perf_counter()

    def heap() -> float:
        devtools.send("HeapProfiler.collectGarbage")
        return lab.page.evaluate("() => performance.memory.usedJSHeapSize") / 1e6

    lab.python(ENDURE)
    warm, part = max(edits // 10, 1), max(edits // 20, 1)

    def endure(first: int, last: int) -> list[float]:
        _slide(lab, 20)
        found = json.loads(lab.python(f"import json\nprint(json.dumps(endure({first}, {last})))", 600.0))
        shown = "() => globalThis.motifdesk.latest.pane.link.get('frame')"
        browser.poll(lambda: lab.page.evaluate(shown) == lab.value("desk._output.frame"), "the page to follow", 60)
        row = [*found, heap()]
        said = f"{last} of {edits} edits, {time.perf_counter() - began:.0f} s: kernel {row[1]:.1f} MB, "
        print(f"{said}page {row[-1]:.1f} MB, {row[2]:.1f} ms and {row[4]:.1f} messages an edit", file=sys.stderr)
        return row

    endure(0, warm)
    before = lab.page.evaluate(COUNTS)
    rows = [endure(k, min(k + part, edits)) for k in range(warm, edits, part)]
    after = lab.page.evaluate(COUNTS)
    table = np.array(rows)

    def slope(column: int) -> float | None:
        """Growth per 1000 edits."""
        return 1000.0 * float(np.polyfit(table[:, 0], table[:, column], 1)[0]) if len(rows) > 1 else None

    return {
        "memory_growth_mb_per_1000_edits": slope(1),
        "kernel_objects_growth_per_1000_edits": slope(6),
        "endurance_edits": edits,
        "endurance_first_edit_ms": rows[0][2],
        "endurance_edit_ms": rows[-1][2],
        "endurance_s": time.perf_counter() - began,
        "published_bytes_per_edit_first": rows[0][3],
        "published_bytes_per_edit": rows[-1][3],
        "messages_per_edit_first": rows[0][4],
        "messages_per_edit": rows[-1][4],
        "widgets_growth": rows[-1][5] - rows[0][5],
        "page_heap_growth_mb_per_1000_edits": slope(7),
        "page_nodes_growth": after["nodes"] - before["nodes"],
        "webgl_contexts": after["contexts"],
        "webgl_contexts_made": after["made"],
        "stage_components": after["components"] - before["components"],
    }
