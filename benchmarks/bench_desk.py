"""The desk on the screen: how soon it is visible, and from the hand to new coordinates on the stage, in a browser.

Software GL on a machine without a GPU; JupyterLab, kernel and Chromium share its cores. ``stage_update_ratio`` compares,
on one page in one run, loading the scene anew with moving it in place; drawing the frame afterwards costs both the same
and is in neither. ``drag_frame_*`` and ``slider_frame_*`` are times between frames while the pointer moves.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.browser.lab import lab, missing, poll

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "01_first_design.ipynb"
SLIDER = ".md-slider[data-key*=':stretch:Eg:1'] input[type=range]"

_KERNEL = """
import time, numpy as np
_times = []
_key = next(m.key for m in desk.session.state.modes if ':stretch:Eg:1' in m.key)
_pick = desk.session.state.selection
for _k in range({count}):
    _t = time.perf_counter()
    desk._on_message(desk._input, dict(op='distort', n=0, key=_key, value=0.1 * np.sin(0.3 * _k), scope=_pick.scope,
                                       motif=_pick.motif), None)
    _times.append(1000 * (time.perf_counter() - _t))
desk._on_message(desk._input, dict(op='cancel', what='distort', n=0), None)
"""

_STAGE = """async (count) => {
  const pane = globalThis.motifdesk.latest.pane;
  const time = async (work) => {
    const times = [];
    for (let k = 0; k < count; k++) { const t = performance.now(); await work(); times.push(performance.now() - t); }
    return times.sort((a, b) => a - b)[Math.floor(count / 2)];
  };
  const inPlace = await time(() => pane.move());
  const anew = await time(async () => { pane.sceneId = null; await pane.load(); });
  return { inPlace, anew };
}"""


def _desk_cell() -> int:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return next(k for k, c in enumerate(cells) if c["cell_type"] == "code" and "md.Desk(" in "".join(c["source"]))


def _percentiles(values: Any) -> tuple[float, float]:
    values = np.asarray(values, dtype=float)
    if not len(values):
        return float("nan"), float("nan")
    return float(np.median(values)), float(np.percentile(values, 95))


def _hand(lab: Any, start: tuple[float, float], step: tuple[float, float], seconds: float) -> np.ndarray:
    """Press at `start`, move to and fro for `seconds`, release; ms between frames on the stage while moving."""
    mouse = lab.page.mouse
    mouse.move(*start)
    mouse.down()
    first = len(lab.frames())
    end = time.monotonic() + seconds
    k = 0
    while time.monotonic() < end:
        k += 1
        swing = np.sin(0.08 * k)
        mouse.move(start[0] + step[0] * swing, start[1] + step[1] * swing)
        time.sleep(0.02)
    frames = np.array(lab.frames()[first:])
    mouse.up()
    return np.diff(frames)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Summary of named figures; ms unless the name says otherwise."""
    if missing() is not None:
        raise RuntimeError(str(missing()))
    with lab([NOTEBOOK]) as page:
        page.open(NOTEBOOK.name)
        began = time.perf_counter()
        page.run_to(_desk_cell())
        poll(page.stage, "the structure on the stage", 60, every=0.05)
        visible = time.perf_counter() - began
        poll(lambda: ((page.map() or {}).get("overlay") or {}).get("landed"), "the design on the map", 90)
        mapped = time.perf_counter() - began
        page.python("desk.session.select(motif=8, scope='motif')")
        slider = page.page.locator(SLIDER)
        slider.wait_for(state="visible")
        stage = page.page.evaluate(_STAGE, 15)
        page.python(_KERNEL.format(count=10))
        page.python(_KERNEL.format(count=100))
        kernel = _percentiles(page.value("_times"))
        box = slider.bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        slid = _percentiles(_hand(page, middle, (0.2 * box["width"], 0.0), 5.0))
        poll(lambda: page.value("not desk.session.state.preview"), "the slider's step")
        page.python("desk.session.goto(0)")
        poll(lambda: page.value("desk._measure.settle(0) and not desk.session.state.latent.stale"), "rest", 30)
        probe = page.map()["probe"]
        gaps = _hand(page, (probe["x"], probe["y"]), (50.0, 20.0), 10.0)
        dragged = _percentiles(gaps)
        atoms = page.value("len(desk.session.state.arrays.numbers)")
        points = page.map()["points"]
        poll(lambda: page.value("not desk.session.state.preview"), "the end of the drag", 60)
    return {
        "summary": {
            "desk_visible_s": visible,
            "map_ready_s": mapped,
            "slider_kernel_median_ms": kernel[0],
            "slider_kernel_p95_ms": kernel[1],
            "slider_frame_median_ms": slid[0],
            "slider_frame_p95_ms": slid[1],
            "stage_in_place_ms": stage["inPlace"],
            "stage_anew_ms": stage["anew"],
            "stage_update_ratio": stage["anew"] / max(stage["inPlace"], 1e-3),
            "drag_frame_median_ms": dragged[0],
            "drag_frame_p95_ms": dragged[1],
            "drag_frames": len(gaps) + 1,
            "atoms": atoms,
            "map_points": points,
        }
    }
