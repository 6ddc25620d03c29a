"""Tools over the structure pane: measuring, arrows, colourings, pictures and films of the scene."""

from __future__ import annotations

import io
import itertools
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.colouring import COLOURINGS
from motifdesk.session.measuring import KINDS, Measure, label, located, measure, parse
from motifdesk.structures.errors import MotifDeskError, SessionError
from motifdesk.structures.write import replace_file

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.desk.forces import ForceArrows
    from motifdesk.desk.viewer import Viewer
    from motifdesk.session import Session, State

SMALLEST_ARROW = 0.01
"""Angstrom: atoms that moved less get no arrow."""
_VISIBLE = 1.2  # Angstrom that the longest arrow is drawn with
_FRAMES = 24
_FRAME_MS = 70
_MOST_BYTES = 200_000_000
ARROWS = {"start": "from start", "forces": "forces"}
"""What arrows show -> words of the choice: how atoms moved since the design was opened, or the forces on them."""
PICTURES = {"png": ["png", "picture (PNG)", ".png"], "gif": ["gif", "film from the start (GIF)", ".gif"]}
"""Formats of the export panel that show the scene rather than hold the design."""


@dataclass
class _Shot:
    """A picture or film asked of the page and not yet come back."""

    kind: str
    name: str
    target: Path | None
    done: threading.Event = field(default_factory=threading.Event)
    error: MotifDeskError | None = None


class StageTools:
    """What is measured, which arrows are drawn, and pictures on their way. Publishes through ``output`` alone."""

    def __init__(self, session: Session, output: Output, viewer: Viewer) -> None:
        self.session, self.output, self.viewer = session, output, viewer
        self.measuring = False
        self.arrows = False
        self.arrows_of = "start"
        self.forces: ForceArrows | None = None
        self.points: list[tuple[int, int, int, int]] = []
        self._shots: dict[int, _Shot] = {}
        self._numbers = itertools.count(1)
        self._note = ""

    # -------------------------------------------------------------------------------------------------- publishing

    def traits(self, state: State) -> dict[str, Any]:
        """What the page needs beside scene and positions."""
        count = len(state.arrays.numbers)
        if any(p[0] >= count for p in self.points):
            self.points = []
        described: dict[str, Any] = {
            "colouring": self.viewer.colouring,
            "colourings": [[name, words] for name, words in COLOURINGS.items()],
            "legend": self.viewer.legend,
            "measuring": self.measuring,
            "points": [list(p) for p in self.points],
            "labels": [label(state, p) for p in self.points],
            "figure": self._figure(state),
            "arrows": self.arrows,
            "arrows_of": self.arrows_of,
            "arrow_choices": [[name, words] for name, words in ARROWS.items()],
            "scale": 0.0,
            "arrow_note": "",
            "stale": False,
        }
        shifts = b""
        if self.arrows and self.arrows_of == "forces" and self.forces is not None:
            shifts, news = self.forces.shown(state)
            described |= news
        elif self.arrows:
            moved, described["arrow_note"] = displacements(state, self.session)
            if moved is not None:
                longest = float(np.linalg.norm(moved, axis=1).max(initial=0.0))
                described["scale"] = 1.0 if longest < SMALLEST_ARROW else max(1.0, _VISIBLE / longest)
                shifts = moved.astype("<f4").tobytes()
        return {"tools": described, "shifts": shifts}

    def _figure(self, state: State) -> str:
        if self._note:
            return self._note
        if len(self.points) not in KINDS:
            return ""
        try:
            return str(measure(state, self.points))
        except MotifDeskError as error:
            return str(error)

    def show(self) -> None:
        """Publish what changed here (the scene, too, where its colours did)."""
        with self.output.gate:
            state = self.session.state
            self.output.publish(**{**self.viewer.traits(state), **self.traits(state)})

    def choose_arrows(self, shown: bool, of: str | None = None) -> None:
        """Show arrows or none, and of what: one of `ARROWS`, None as before."""
        if of is not None and of not in tuple(ARROWS):  # whatever a message holds
            raise SessionError(f"no arrows of {of!r}", where="arrows", remedy=f"choose one of {', '.join(ARROWS)}")
        self.arrows, self.arrows_of = bool(shown), of or self.arrows_of
        self.show()
        if self.forces is not None:
            self.forces.ask()

    # -------------------------------------------------------------------------------------------------- measuring

    def measure(self, points: Sequence[int | Sequence[int]]) -> Measure:
        """Show the distance, angle or dihedral of these atoms on the stage; the figure."""
        state = self.session.state
        found = measure(state, points)
        self.points, self.measuring, self._note = list(found.points), True, ""
        self.show()
        return found

    def on_measure(self, message: dict[str, Any]) -> None:
        """A message of the page: switch measuring on or off, take an atom, name atoms, forget them."""
        state = self.session.state
        self._note = ""
        if "on" in message:
            self.measuring = bool(message["on"])
            self.points = self.points if self.measuring else []
        elif "text" in message:
            self.measuring = True
            try:
                sites = parse(state, str(message["text"]))
                self.points = located(state, sites) if not sites else list(measure(state, sites).points)
            except SessionError as error:
                self._note = str(error)
        elif message.get("clear"):
            self.points = []
        else:
            point = located(state, [[int(message["site"]), *(int(v) for v in message["image"])]])[0]
            if point in self.points:
                self.points = [p for p in self.points if p != point]
            else:
                # a fifth atom begins the next measurement
                self.points = [*self.points, point] if len(self.points) < max(KINDS) else [point]
        self.show()

    # -------------------------------------------------------------------------------------------------- pictures

    def on_shot(self, message: dict[str, Any], buffers: Sequence[Any]) -> tuple[str, str] | None:
        """A picture (or the frames of a film) has come from the page: write it. The words for the export panel."""
        shot = self._shots.pop(int(message.get("id", 0)), None)
        if shot is None:
            return None
        try:
            if message.get("error") or not buffers:
                raise SessionError(
                    f"the page could not draw it: {str(message.get('error') or 'no picture came')[:200]}",
                    where=shot.name,
                    remedy="show the desk and try again",
                )
            if sum(len(b) for b in buffers) > _MOST_BYTES:
                raise SessionError("the film is too large", where=shot.name, remedy="make the window smaller")
            data = bytes(buffers[0]) if shot.kind == "png" else film([bytes(b) for b in buffers])
            if shot.target is None:
                self.output.publish(download={"id": 1_000_000 + next(self._numbers), "name": shot.name, "data": data})
                return f"Downloaded: {shot.name}", "good"
            _write(shot.target, data)
            return f"Written: {shot.target}", "good"
        except MotifDeskError as error:
            shot.error = error
            return str(error), "bad"
        finally:
            shot.done.set()

    def shoot(self, kind: str, name: str, *, write: bool, overwrite: bool, frames: int = _FRAMES) -> _Shot:
        """Ask the page for a picture ("png") or a film ("gif") of the scene; it comes back as ``on_shot``."""
        name = name.strip()
        if not name:
            raise SessionError("no file name", where="export", remedy="give the file a name")
        target = Path(name).expanduser() if write else None
        if target is not None and target.exists() and not overwrite:
            raise SessionError("the file exists already", where=name, remedy='give another name, or tick "replace"')
        if target is not None and not target.parent.is_dir():
            raise SessionError("there is no such folder", where=str(target.parent), remedy="make the folder first")
        request: dict[str, Any] = {"id": next(self._numbers), "kind": kind}
        if kind == "gif":
            request["frames"] = self._frames(frames)
            request["count"] = frames
        shot = _Shot(kind, Path(name).name if target is None else name, target)
        self._shots[request["id"]] = shot
        while len(self._shots) > 4:  # a page that never answered
            self._shots.pop(next(iter(self._shots)))
        self.output.publish(shoot=request)
        return shot

    def save(self, kind: str, path: str | os.PathLike[str], overwrite: bool, timeout: float, frames: int) -> Path:
        """As ``shoot``, from Python: waits until the file is written."""
        shot = self.shoot(kind, os.fspath(path), write=True, overwrite=overwrite, frames=frames)
        if not shot.done.wait(timeout):
            raise SessionError(
                f"no page answered within {timeout:g} s",
                where=str(path),
                remedy="show the desk in JupyterLab and call again (the file is written as soon as a page answers)",
            )
        if shot.error is not None:
            raise shot.error
        return Path(path)

    def _frames(self, count: int) -> bytes:
        """Positions then cell, float32 [count, 3 N + 9], from the parent to the design as it is."""
        state = self.session.state
        moved, why = displacements(state, self.session, drift=True)
        if moved is None:
            raise SessionError(why, where="film", remedy="a film needs the same atoms at its two ends")
        parent = parent_of(self.session)
        now = np.asarray(state.arrays.positions, dtype=float)
        cells = [
            np.zeros((3, 3)) if a.cell is None else np.asarray(a.cell, float) for a in (parent.arrays, state.arrays)
        ]
        if state.arrays.cell is not None:
            inverse = np.linalg.inv(cells[1])
            end, start = now @ inverse, (now - moved) @ inverse
        frames = []
        for t in np.linspace(0.0, 1.0, max(2, count)):
            s = 0.5 - 0.5 * np.cos(np.pi * t)  # begins and ends at rest
            cell = (1 - s) * cells[0] + s * cells[1]
            at = now - (1 - s) * moved if state.arrays.cell is None else ((1 - s) * start + s * end) @ cell
            frames.append(np.concatenate([at.ravel(), cell.ravel()]))
        return np.array(frames, dtype="<f4").tobytes()


def parent_of(session: Session) -> State:
    """The state that arrows and films start from: the design as it was opened."""
    return session.history[0].state


def displacements(state: State, session: Session, *, drift: bool = False) -> tuple[np.ndarray | None, str]:
    """Displacements [N, 3] in Angstrom from the structure as opened, in the frame of the cell as it is now, or None and
    the reason. A common translation (the median) is left out unless ``drift``; what remains of each atom is taken to
    its nearest image."""
    parent = parent_of(session).arrays
    now = state.arrays
    if len(parent.numbers) != len(now.numbers) or (parent.cell is None) != (now.cell is None):
        return None, "the design has other atoms than at the start"
    start, end = np.asarray(parent.positions, dtype=float), np.asarray(now.positions, dtype=float)
    if now.cell is None:
        moved, common = end - start, _middle(end - start)
        moved = moved - common
    else:
        cell = np.asarray(now.cell, dtype=float)
        step = end @ np.linalg.inv(cell) - start @ np.linalg.inv(np.asarray(parent.cell, dtype=float))
        common = _middle(step)
        moved = step - common
        moved = (moved - np.rint(moved)) @ cell
        common = common @ cell
    if drift:
        moved = moved + common
    longest = float(np.linalg.norm(moved, axis=1).max(initial=0.0))
    return moved, "nothing has moved" if longest < SMALLEST_ARROW else f"longest {longest:.2f} Å"


def _middle(steps: np.ndarray) -> np.ndarray:
    """A median [3] that is a member of each column: a mean of two would lie between an atom and its image."""
    return np.sort(steps, axis=0)[len(steps) // 2]


def film(frames: Sequence[bytes]) -> bytes:
    """An endless GIF that runs the PNG ``frames`` forth and back, resting at both ends."""
    from PIL import Image

    images = []
    for data in frames:
        if not data.startswith(b"\x89PNG"):
            raise SessionError("a frame is no picture", where="film", remedy="show the desk and try again")
        with Image.open(io.BytesIO(data)) as picture:
            images.append(picture.convert("RGB").quantize(128, dither=Image.Dither.NONE))
    run = [*images, *images[-2:0:-1]]
    times = [_FRAME_MS] * len(run)
    times[0] = times[len(images) - 1] = 600
    out = io.BytesIO()
    run[0].save(out, "GIF", save_all=True, append_images=run[1:], duration=times, loop=0)
    return out.getvalue()


def _write(target: Path, data: bytes) -> None:
    """Atomically: a half-written picture never replaces a whole one."""
    try:
        replace_file(target, data)
    except OSError as error:
        raise SessionError(
            f"cannot be written: {error.strerror}", where=str(target), remedy="give another name or folder"
        ) from None
