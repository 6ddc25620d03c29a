"""A map of 100,000 points in a real JupyterLab (software GL): the bundled one tiled, its places and latents shaken.

``--limit N``: another number of points (with 25,012 the bundled map, to compare with).

summary:
  points
  fill_ms                   the kernel's part of showing the points
  map_ready_s               structure on the stage -> points drawn and the design placed
  search_ms, filter_ms      a search in the kernel; from Enter to the faded points on the page (median of four)
  colour_ms                 from the choice of a colouring to its legend (median of three)
  card_ms                   pointer on a point -> its card (median)
  lasso_move_ms, lasso_ms   one move of the pointer with the lasso in hand; its end -> the table
  pan_frame_p95_ms          time between the page's frames while the map is panned
  drag_frame_median_ms, drag_frame_p95_ms, drag_page_p95_ms
                            time between decoded frames, and between the page's frames, while the probe is dragged
  nearest_first_ms, nearest_ms
                            the neighbours of a code, asked for the first time and a step further on
  kernel_mb, kernel_growth_mb, page_growth_mb
                            resident memory once the map is open, and what 28 more filters and colourings add to it
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.bench_desk import HAND, _drag, _spread
from tests.browser import lab as browser

CELL = """import motifdesk as md, numpy as np, psutil, time
from motifdesk.atlas import Atlas
from motifdesk.atlas.file import AtlasData
from motifdesk.data import path
data = AtlasData.load(path("atlas", "atlas.npz"))
count, rng = COUNT, np.random.default_rng(0)
tile = lambda a: np.concatenate([a] * -(-count // len(data.xy)))[:count]
def shaken(a, size):
    out = tile(a)
    out[len(a):] += rng.normal(scale=size, size=out[len(a):].shape).astype(out.dtype)
    return out
columns = {name: tile(column) for name, column in data.columns.items()}
atlas = Atlas(AtlasData(shaken(data.xy, 0.15), shaken(data.latent, 0.05), data.mean, data.scale, data.components,
                        columns, data.info))
desk = md.Desk(md.read("beta-Li2IrO3.cif", cell="primitive"), atlas=atlas)
fills, fill = [], desk.map.fill
def timed(known):
    began = time.perf_counter()
    fill(known)
    fills.append(1000 * (time.perf_counter() - began))
desk.map.fill = timed
resident = lambda: psutil.Process().memory_info().rss / 1e6
desk"""
NEAREST = """
from motifdesk.atlas.searching import search
def took(work):
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)
codes = [desk.session.codec.encode([desk.session.state.arrays], symmetry=False)]
atlas._asked = ()
first = took(lambda: atlas.project(codes[0]))
later = sorted(took(lambda: atlas.project(codes[0])) for _ in range(9))[4]
searched = sorted(took(lambda: search(atlas, q)) for q in ("Ti O", "motif=octahedron", "gap>1", "qm9"))[2]
"""
SELECTED = "() => globalThis.motifdesk.latest.map.gd.data[0].selectedpoints?.length ?? -1"
WATCH = """() => {
  globalThis.pageFrames = [];
  const next = () => { globalThis.pageFrames.push(performance.now()); requestAnimationFrame(next); };
  next();
}"""
POINTS = """() => {
  const map = globalThis.motifdesk.latest.map, { x, y } = map.gd.data[0], box = map.gd.getBoundingClientRect();
  const found = [];
  for (let k = 0; k < x.length && found.length < 5; k += 1777) {
    const [left, top] = map.toPixel([x[k], y[k]]);
    const inside = left > 40 && top > 40 && left < box.width - 40 && top < box.height - 40;
    if (inside) found.push([box.left + left, box.top + top]);
  }
  return found;
}"""


def run(args: Any) -> dict:
    reason = browser.missing()
    if reason is not None:
        return {"skipped": reason}
    count = int(getattr(args, "limit", None) or 100_000)
    with browser.desk(CELL.replace("COUNT", str(count))) as lab:
        began = time.perf_counter()
        browser.poll(lambda: (lab.map() or {}).get("points", 0) >= count, "the points", 180, every=0.05)
        browser.poll(lambda: (lab.map() or {}).get("overlay", {}).get("landed"), "the design's place", 180, every=0.05)
        summary: dict[str, Any] = {"points": count, "map_ready_s": time.perf_counter() - began}
        lab.value("desk.settle()")
        summary["fill_ms"] = lab.value("fills[0]")
        nearest = lab.value("[first, later, searched]", NEAREST)
        summary["nearest_first_ms"], summary["nearest_ms"], summary["search_ms"] = nearest
        summary |= _filters(lab)
        summary["card_ms"] = _cards(lab)
        lab.page.evaluate(WATCH)
        summary |= _lasso(lab)
        summary["pan_frame_p95_ms"] = _pan(lab)
        probe = lab.map()["probe"]
        lab.page.evaluate("() => { globalThis.pageFrames.length = 0; }")
        path = [(35.0 * np.sin(k / 90.0), 25.0 * np.sin(k / 140.0)) for k in range(1, 481)]
        times = _drag(lab, (probe["x"], probe["y"]), path, HAND)
        summary["drag_frame_median_ms"], summary["drag_frame_p95_ms"] = _spread(times)
        summary["drag_page_p95_ms"] = _page_p95(lab)
        return summary


def _page_p95(lab: Any) -> float:
    return float(np.percentile(np.diff(lab.page.evaluate("() => globalThis.pageFrames")), 95))


def _filters(lab: Any) -> dict[str, float]:
    field, choice = lab.page.locator(".md-search"), lab.page.locator(".md-mapbar select").first
    kernel, page = lab.value("resident()"), _heap(lab)
    filters, colours = [], []
    for turn in range(5):
        for query in ("Ti O", "motif=octahedron", "gap>1", "qm9"):
            wanted = lab.value(f"int(search(atlas, {query!r}).sum())")
            began = time.perf_counter()
            field.fill(query)
            field.press("Enter")
            browser.poll(lambda n=wanted: lab.page.evaluate(SELECTED) == n, query, 60, every=0.02)
            filters.append(1000 * (time.perf_counter() - began))
        for by in ("motif", "band_gap", "source"):
            began = time.perf_counter()
            choice.select_option(by)
            shown = f"() => globalThis.motifdesk.latest.get('mapbar').by === '{by}'"
            browser.poll(lambda script=shown: lab.page.evaluate(script), by, 60, every=0.02)
            colours.append(1000 * (time.perf_counter() - began))
        if turn == 0:  # caches are filled: what comes now is growth
            kernel, page = lab.value("resident()"), _heap(lab)
    field.fill("")
    field.press("Enter")
    browser.poll(lambda: lab.page.evaluate(SELECTED) == -1, "all points", 60)
    return {
        "filter_ms": float(np.median(filters)),
        "colour_ms": float(np.median(colours)),
        "kernel_mb": kernel,
        "kernel_growth_mb": lab.value("resident()") - kernel,
        "page_growth_mb": _heap(lab) - page,
    }


def _heap(lab: Any) -> float:
    session = lab.page.context.new_cdp_session(lab.page)
    session.send("HeapProfiler.collectGarbage")
    return float(lab.page.evaluate("() => performance.memory.usedJSHeapSize / 1e6"))


def _cards(lab: Any) -> float:
    mouse, plot, times = lab.page.mouse, lab.map()["plot"], []
    card = lab.page.locator(".md-card")
    for x, y in lab.page.evaluate(POINTS):
        mouse.move(x - 30, y - 30)
        mouse.move(x - 1, y)
        began = time.perf_counter()
        mouse.move(x, y)
        browser.poll(card.is_visible, "a card", 20, every=0.01)
        times.append(1000 * (time.perf_counter() - began))
        mouse.move(plot["x"] + 3, plot["y"] + 3)
        browser.poll(lambda: not card.is_visible(), "no card", 20)
    return float(np.median(times))


def _lasso(lab: Any) -> dict[str, float]:
    button, mouse, plot = lab.page.locator(".md-find button").first, lab.page.mouse, lab.map()["plot"]
    button.click()
    browser.poll(lab.page.locator(".md-lasso-pad").is_visible, "the lasso", 30)
    x, y = plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2
    mouse.move(x + 90, y)
    mouse.down()
    began = time.perf_counter()
    for angle in np.linspace(0, 2 * np.pi, 40):
        mouse.move(x + 90 * np.cos(angle), y + 90 * np.sin(angle))
    moved = time.perf_counter()
    mouse.up()
    browser.poll(
        lambda: "in the lasso" in lab.value("desk._output.finds.get('title', '')"), "the table", 60, every=0.02
    )
    ended = time.perf_counter()
    button.click()
    lab.page.locator(".md-search").press("Escape")
    browser.poll(lambda: lab.page.evaluate(SELECTED) == -1, "all points", 60)
    return {"lasso_move_ms": 1000 * (moved - began) / 40, "lasso_ms": 1000 * (ended - moved)}


def _pan(lab: Any) -> float:
    mouse, plot = lab.page.mouse, lab.map()["plot"]
    x, y = plot["x"] + 0.3 * plot["width"], plot["y"] + 0.8 * plot["height"]
    lab.page.evaluate("() => { globalThis.pageFrames.length = 0; }")
    mouse.move(x, y)
    mouse.down()
    for k in range(40):
        mouse.move(x + 1.5 * k, y - k)
        time.sleep(0.02)
    mouse.up()
    answer = _page_p95(lab)
    time.sleep(1.0)
    return answer
