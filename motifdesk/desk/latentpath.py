"""The way between two designs on the desk: its ends, its images decoded in the background, the slider along it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.history import listed
from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.latent_paths import COMPOSITIONS, IMAGES, LatentPath
from motifdesk.session.latent_workers import write_path
from motifdesk.session.paths import Other
from motifdesk.structures.errors import MotifDeskError, SessionError, one_line

if TYPE_CHECKING:
    from motifdesk.desk.map import MapPane
    from motifdesk.session import Change, Gesture, Session

_TELL_S = 0.15  # progress is told this often
_COUNTS = (11, 21, 41)


class PathPane(Part):
    """Two ends, the decoded path between them, a gesture along it. Publishes ``latentpath``.

    The trait: ``a``, ``b`` (what the two selects show), ``choices`` [[value, words]], ``count``, ``composition``,
    ``state`` ("none", "decoding", "ready"), ``done``, ``total``, ``line`` [[x, y]] (where the images really lie on
    the map), ``residuals``, ``percent``, ``exchange``, ``reaches``, ``at`` (the place of the design on the path, or
    None), ``note``, ``text`` and ``level`` (what came of a file), ``error``.

    Nothing of a path is shown before all its images are decoded, and nothing of an older one after its ends have
    changed.
    """

    def __init__(
        self, session: Session, pane: MapPane, publish: Callable[..., None], report: Callable[[Exception | str], None]
    ) -> None:
        self.session, self.map = session, pane
        self._publish_trait, self._report = publish, report
        self._loop = Latest(lambda job: job(), "motifdesk-path")
        self._lock = threading.RLock()
        self._ends: dict[str, Other | None] = {"a": None, "b": None}
        self._values = {"a": "", "b": ""}
        self._known: dict[str, str] = {}  # known structures that were chosen: value -> words
        self._count, self._composition = IMAGES, "follow"
        self._path: LatentPath | None = None
        self._number = 0
        self._told = 0.0
        self._gesture: Gesture | None = None
        self._t = 0.0
        self._looked_at = False
        self._described: dict[str, Any] = {}

    # ------------------------------------------------------------------------------------------------ the desk

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """Messages of the page."""
        return {"path": self._on_path, "along": self._on_along}

    def changed(self, change: Change) -> None:
        """The design moved: where it is on the path, and which steps there are to choose from."""
        if change.action in ("edit", "undo", "redo", "goto", "cancel") and (self._looked_at or self._path is not None):
            with self._lock:
                self._publish(at=self._at(), choices=self._choices())

    def hold(self) -> None:
        """Commit the image on the desk."""
        self._let_go("release")

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the path asked for is decoded."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """Stop decoding, end the thread."""
        with self._lock:
            self._number += 1
        self._loop.close()
        gesture, self._gesture = self._gesture, None
        if gesture is not None and gesture.live:
            gesture.cancel()

    # ------------------------------------------------------------------------------------------------ the page

    def _on_path(self, message: dict[str, Any]) -> None:
        if "look" in message:
            self._looked_at = bool(message["look"])
            if self._looked_at:
                with self._lock:
                    if self._ends["a"] is None and self._ends["b"] is None:
                        self._ends["a"], self._values["a"] = self._resolved("design")
                    self._publish(choices=self._choices(), **self._asked())
        elif "end" in message:
            self.choose(str(message["end"]), message["which"])
        elif "swap" in message:
            with self._lock:
                self._ends = {"a": self._ends["b"], "b": self._ends["a"]}
                self._values = {"a": self._values["b"], "b": self._values["a"]}
            self.decode()
        elif "count" in message:
            self._count = int(message["count"])
            self.decode()
        elif "composition" in message:
            self.show(composition=str(message["composition"]))
        elif "stop" in message:
            self.stop()
        elif "folder" in message:
            self.write(str(message["folder"]), str(message.get("format", "cif")))

    def _on_along(self, message: dict[str, Any]) -> None:
        if "end" in message:
            self._let_go(str(message["end"]))
        else:
            self.move(float(message["value"]))

    # ------------------------------------------------------------------------------------------------ ends

    def choose(self, end: str, which: Any) -> None:
        """Make `which` the first ("a") or second ("b") end: "design", "start", a history node (a number or its digits),
        "known:17" (a point of the map), or a path or structure."""
        if end not in self._ends:
            raise SessionError(f"a path has no end {end!r}", where="latent path", remedy="choose a or b")
        found, value = self._resolved(which)
        with self._lock:
            self._ends[end], self._values[end] = found, value
            if end == "b" and self._ends["a"] is None:
                self._ends["a"], self._values["a"] = self._resolved("design")
        self.decode()

    def show(self, a: Any = None, b: Any = None, *, n: int | None = None, composition: str | None = None) -> None:
        """Set what is given and decode the path; returns at once."""
        if composition is not None and composition not in COMPOSITIONS:
            raise SessionError(
                f"unknown composition {composition!r}", where="latent path", remedy="choose follow or keep"
            )
        found = {end: self._resolved(which) for end, which in (("a", a), ("b", b)) if which is not None}
        with self._lock:
            for end, (other, value) in found.items():
                self._ends[end], self._values[end] = other, value
            self._count = self._count if n is None else int(n)
            self._composition = composition or self._composition
        self.decode()

    def _resolved(self, which: Any) -> tuple[Other, str]:
        text = which.strip() if isinstance(which, str) else which
        if isinstance(text, str) and text.isdigit():
            text = int(text)
        if isinstance(text, str) and text.startswith("known:"):
            return self._from_map(text)
        if text == "design":
            text = self.session.history.current  # the way stays where it was laid while the design moves along it
        found = self.session.path_end(text)
        if isinstance(text, int | np.integer) and not isinstance(text, bool):
            return found, str(int(text))
        if text == "start":
            return found, "0"
        value = f"given:{one_line(found.title, 60)}"
        self._known[value] = one_line(found.title, 60)
        return found, value

    def _from_map(self, value: str) -> tuple[Other, str]:
        atlas = self.map.atlas
        digits = value.partition(":")[2]
        if atlas is None or not digits.isdigit() or int(digits) >= len(atlas):
            raise SessionError(
                "this known structure is not on the map", where="latent path", remedy="choose a point of the map"
            )
        index = int(digits)
        columns = atlas.columns
        words = f"{columns['formula'][index]} ({columns['id'][index]})"
        self._known[value] = words
        return Other(words, atlas.structure(index)), value

    def _choices(self) -> list[list[str]]:
        nodes = [[str(n.id), one_line(f"step {n.id}: {n.name}", 60)] for n in listed(self.session.history)]
        return [["design", "the design now"], *nodes, *([v, words] for v, words in self._known.items())]

    # ------------------------------------------------------------------------------------------------ decoding

    def decode(self) -> None:
        """Decode the path between the ends chosen; what is under way for other ends is given up."""
        self._let_go("cancel")
        with self._lock:
            self._number += 1
            self._path = None
            news: dict[str, Any] = {"state": "none", "line": [], "residuals": [], "at": None, "error": "", "text": ""}
            first, last = self._ends["a"], self._ends["b"]
            if first is not None and last is not None:
                number, count, composition = self._number, self._count, self._composition
                news |= {"state": "decoding", "done": 0, "total": count}
                self._loop.put(lambda: self._decode(number, first, last, count, composition))
            self._publish(**news, **self._asked(), choices=self._choices())

    def stop(self) -> None:
        """Give up what is being decoded."""
        with self._lock:
            if self._described.get("state") == "decoding":
                self._number += 1
                self._publish(state="none", error="Cancelled. Choose an end to begin again.")

    def _decode(self, number: int, first: Other, last: Other, count: int, composition: str) -> None:
        def report(done: int, total: int) -> None:
            if number != self._number:
                raise SessionError("other ends were chosen", where="latent path")
            if time.monotonic() - self._told > _TELL_S:
                self._told = time.monotonic()
                with self._lock:
                    if number == self._number:
                        self._publish(done=done, total=total)

        try:
            path = self.session.latent_path(first, last, count, composition=composition, report=report)
            news = self._ready(path)
        except MotifDeskError as error:
            path, news = None, {"state": "none", "error": str(error)}
        with self._lock:
            if number == self._number:
                self._path = path
                self._publish(**news, at=self._at())

    def _ready(self, path: LatentPath) -> dict[str, Any]:
        from motifdesk.atlas.manifold import manifold_of
        from motifdesk.codec.codes import Codes

        codes = Codes(path.roots, (), path.version)
        atlas = self.session.services.atlas if self.session.services.has_atlas else None
        line, percent = [], []
        if atlas is not None:
            line = np.asarray(atlas.project(codes), dtype=float).round(5).tolist()
            if hasattr(atlas, "embed"):
                percent = [None if np.isnan(p) else round(float(p), 1) for p in manifold_of(atlas).percentile(codes)]
        if path.exchange is not None:
            note = f"No continuous way: the atoms are exchanged at t = {path.t[path.exchange]:.2f}."
        elif not path.reaches:
            note = "The species are kept: the last image is not B, but as near to its geometry as these atoms come."
        else:
            note = f"One continuous way; no atom moves more than {np.nanmax(path.moved):.2f} Å between two images."
        return {
            "state": "ready",
            "line": line,
            "percent": percent,
            "residuals": [float(f"{r:.3g}") for r in path.residuals],
            "exchange": path.exchange,
            "reaches": path.reaches,
            "note": note,
            "error": "",
            "formulas": [path.arrays[0].formula, path.arrays[-1].formula],
        }

    # ------------------------------------------------------------------------------------------------ the slider

    def move(self, t: float) -> None:
        """Show the image at `t`; the gesture opens with the first."""
        with self._lock:
            path, first, last = self._path, self._ends["a"], self._ends["b"]
            if path is None or first is None or last is None:
                return  # a path that is being decoded has nothing to show
            gesture = self._gesture
            if gesture is None or not gesture.live:
                gesture = self._gesture = self.session.gesture("along")
            try:
                gesture.update(
                    t,
                    last.structure,
                    first.structure,
                    towards=last.title,
                    leaving=first.title,
                    n=len(path),
                    composition=path.composition,
                )
                self._t = float(t)
            except MotifDeskError:
                if gesture.draft is None:
                    self._let_go("cancel")
                raise

    def _let_go(self, how: str) -> None:
        with self._lock:
            gesture, self._gesture = self._gesture, None
            if gesture is None or not gesture.live:
                return
            # the design's own place on the path is no step
            gesture.cancel() if how == "cancel" or self._t == self._at() else gesture.commit()

    def _at(self) -> float | None:
        """The place of the committed design on the path; None where it is elsewhere."""
        if self._path is None:
            return None
        node = self.session.history[self.session.history.current]
        if self._values["a"] == str(node.id):
            return 0.0
        if self._values["b"] == str(node.id):
            return 1.0
        edit = node.edit
        if edit.kind == "along" and edit.parameters.get("n") == len(self._path):
            from motifdesk.session.map_workers import code_to_text

            if edit.parameters.get("codes") == [code_to_text(root) for root in self._path.ends]:
                return float(edit.parameters["t"])
        return None

    # ------------------------------------------------------------------------------------------------ files

    def write(self, folder: str, format: str) -> None:
        """Write the images into `folder`; what came of it is said in the panel."""
        self._loop.put(lambda: self._write(folder.strip(), format))

    def _write(self, folder: str, format: str) -> None:
        with self._lock:
            path, first, last = self._path, self._ends["a"], self._ends["b"]
        text, level = "", "good"
        try:
            if path is None or first is None or last is None:
                raise SessionError("there is no path yet", where="latent path", remedy="choose two ends")
            if not folder:
                raise SessionError("no folder", where="images", remedy="give the folder a name")
            paths = write_path(path, folder, format, False, self.session.provenance(), (first.title, last.title))
            text = f"Written: {len(paths)} images, {paths[0]} to {paths[-1].name}"
        except MotifDeskError as error:
            text, level = str(error).replace("overwrite=True", "empty this one"), "bad"
        with self._lock:
            self._publish(text=text, level=level)

    # ------------------------------------------------------------------------------------------------ inner workings

    def _asked(self) -> dict[str, Any]:
        return {**self._values, "count": self._count, "counts": list(_COUNTS), "composition": self._composition}

    def _publish(self, **news: Any) -> None:
        self._described = {**self._described, **news}
        self._publish_trait(latentpath=self._described)


__all__ = ["PathPane"]
