"""What the document itself costs in the kernel: the slider, the commit, a frame of a map drag. No browser.

Primitive beta-Li2IrO3 (24 atoms), one IrO6 octahedron picked, its first stretch mode that is not the breathing.

summary: slider_kernel_median_ms, slider_kernel_p95_ms (one preview of a distortion: solve, new state, observers
told), readouts_move_median_ms (read-outs of the "move" tier), commit_ms (median; the preview made one edit), undo_ms,
release_readouts_ms, the same slider on the 2x2x2 supercell (``..._192_atoms``), drag_step_median_ms, drag_step_p95_ms
(warm frames of a drag over the map, composition kept; null with a reason in ``drag_note`` when no codec or map is
bundled), drag_commit_ms.
"""

from __future__ import annotations

import statistics
import time

import numpy as np


def _p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def _ms(call) -> float:
    began = time.perf_counter()
    call()
    return 1000.0 * (time.perf_counter() - began)


def _mode(session):
    modes = session.state.modes
    stretch = [m for m in modes if m.block == "stretch"]
    return (stretch[1:] or stretch or list(modes))[0]


def slider(session, sweeps: int = 4, ticks: int = 40) -> dict:
    """Sweep a slider there and back, commit after each sweep."""
    session.select(motif=next(m.index for m in session.state.graph.motifs if m.formula.startswith("Ir")), scope="orbit")
    mode = _mode(session)
    session.preview("distort", {mode.key: 0.01})  # the distorter is built once, when the handle is first touched
    session.cancel()
    told = []
    stop = session.observe(lambda change: told.append(change.state.version))
    previews, readouts, commits, undos = [], [], [], []
    for _ in range(sweeps):
        for amplitude in np.sin(np.linspace(0, 2 * np.pi, ticks)) * 0.15:
            wanted = {mode.key: float(amplitude)}
            previews.append(_ms(lambda w=wanted: session.preview("distort", w)))
            readouts.append(_ms(lambda: session.readouts("move")))
        session.preview("distort", {mode.key: 0.1})
        commits.append(_ms(session.commit))
        undos.append(_ms(session.undo))
    session.redo()
    release = [_ms(lambda: session.readouts("release")) for _ in range(3)]
    stop()
    return {
        "slider_kernel_median_ms": statistics.median(previews),
        "slider_kernel_p95_ms": _p95(previews),
        "readouts_move_median_ms": statistics.median(readouts),
        "readouts_move_p95_ms": _p95(readouts),
        "commit_ms": statistics.median(commits),
        "undo_ms": statistics.median(undos),
        "release_readouts_ms": statistics.median(release),
        "slider_atoms": len(session.state.arrays),
        "slider_mode": mode.key,
    }


def drag(session, frames: int = 30) -> dict:
    """Drag the probe from where the design lies along an arc, one warm frame a pointer event."""
    from motifdesk.structures.errors import MotifDeskError

    empty = {"drag_step_median_ms": None, "drag_step_p95_ms": None, "drag_commit_ms": None}
    try:
        x, y = session.locate().latent.xy
    except (MotifDeskError, ImportError) as error:
        return {**empty, "drag_note": str(error)}
    steps = []
    gesture = session.gesture("drag")
    for k in range(frames + 3):
        angle = 2 * np.pi * k / frames
        point = (x + 0.3 * np.sin(angle), y + 0.3 * (1 - np.cos(angle)))
        took = _ms(lambda p=point: gesture.update(p))
        if k >= 3:  # the first frames start the follower
            steps.append(took)
    return {
        "drag_step_median_ms": statistics.median(steps),
        "drag_step_p95_ms": _p95(steps),
        "drag_commit_ms": _ms(gesture.commit),
        "drag_atoms": len(session.state.arrays),
    }


def run(args) -> dict:
    """The flat summary described above. ``args.quick`` (optional) makes fewer frames."""
    from motifdesk.session import Session
    from motifdesk.structures import read

    quick = bool(getattr(args, "quick", False))
    session = Session(read("beta-Li2IrO3.cif", cell="primitive"), name="beta-Li2IrO3")
    summary = {"open_and_motifs_ms": _ms(lambda: session.state.graph)}
    summary.update(slider(session, *((1, 12) if quick else (4, 40))))
    big = read("beta-Li2IrO3.cif", cell="primitive")
    big.make_supercell([2, 2, 2])
    large = slider(Session(big, codec=None, atlas=None), 1, 12 if quick else 24)
    summary.update({f"{key}_192_atoms": large[key] for key in ("slider_kernel_median_ms", "slider_kernel_p95_ms")})
    session.goto(0)
    summary.update(drag(session, 8 if quick else 30))
    return summary
