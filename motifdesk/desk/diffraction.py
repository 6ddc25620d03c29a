"""The XRD tab: the powder pattern of the design against that of another structure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from motifdesk.desk.history import listed
from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.session import Change, Session
    from motifdesk.session.diffraction import Pattern

_REST_S = 0.3  # what a release asks of the read-outs goes first
_MOST_PEAKS = 600
_FAINT = 0.05  # percent below which a peak is neither drawn nor listed: a pixel is more


class DiffractionPart(Part):
    """Two powder patterns, computed while the page looks at them and the design rests.

    Publishes the trait ``diffraction``: ``{"design", "against": {"title", "peaks": [[2 theta, d, intensity, hkl,
    multiplicity], ...]} or None, "radiations", "radiation", "wavelength", "range", "choices", "beside", "text",
    "stale"}``.
    """

    def __init__(self, session: Session, output: Output) -> None:
        self.session = session
        self._output = output
        self._loop = Latest(self._work, "motifdesk-diffraction")
        self._lock = threading.RLock()
        self._described: dict[str, Any] = {}
        self._looked_at = False
        self._radiation = "CuKa"
        self._range = (5.0, 90.0)
        self._beside: str | int = "previous"

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """One message, "diffraction": looked at or not, and what to show."""
        return {"diffraction": self._on_message}

    def changed(self, change: Change) -> None:
        """What is drawn is of the design as it was; a committed one is computed anew."""
        if change.action in ("select", "locate", "ties") or not self._looked_at:
            return
        with self._lock:
            if not self._described.get("stale"):
                self._publish(stale=True)
        if not change.state.preview:
            self._loop.put(None)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the patterns are drawn."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    def _on_message(self, message: dict[str, Any]) -> None:
        if "shown" in message:
            self._looked_at = bool(message["shown"])
        if "radiation" in message:
            self._radiation = str(message["radiation"])
        if "highest" in message:
            self._range = (5.0, min(max(float(message["highest"]), 10.0), 170.0))
        if "beside" in message:
            which = str(message["beside"])
            if which.isdigit():
                self._beside = self.session.history[int(which)].id
            elif which in ("previous", "start", "none"):
                self._beside = which
            else:
                raise SessionError(f"no structure is called {which!r}", where="diffraction", remedy="choose a step")
        if self._looked_at:
            self._loop.put(None)

    def _publish(self, **news: Any) -> None:
        self._described = {**self._described, **news}
        self._output.publish(diffraction=self._described)

    def _node(self) -> int | None:
        """The history node that the design is compared with."""
        history = self.session.history
        if self._beside == "previous":
            return history[history.current].parent
        if self._beside == "start":
            return 0
        return None if self._beside == "none" else int(self._beside)

    def _work(self, _: Any) -> None:
        from motifdesk.session.diffraction import RADIATIONS

        if not self._loop.sleep(_REST_S):
            return
        history = self.session.history
        here, beside = history.current, self._node()
        news: dict[str, Any] = {
            "design": None,
            "against": None,
            "text": "",
            "radiations": [list(pair) for pair in RADIATIONS.items()],
            "radiation": self._radiation,
            "range": list(self._range),
            "beside": str(self._beside),
            "choices": [
                ["previous", "the step before"],
                ["start", "the start"],
                *[
                    [str(n.id), f"step {n.id}: {n.name}"]
                    for n in listed(history, here if beside is None else beside)
                    if n.id != here
                ],
                ["none", "nothing"],
            ],
        }
        options: dict[str, Any] = {"wavelength": self._radiation, "two_theta": self._range}
        try:
            pattern = self.session.diffraction(here, **options)
            news["design"], news["wavelength"] = described(pattern), f"{pattern.wavelength:.4f} Å"
            if beside is not None and beside != here:
                news["against"] = described(self.session.diffraction(beside, **options))
            elif self._beside != "none":
                news["text"] = "The design is the start: there is no step before it."
        except MotifDeskError as error:
            news["text"] = str(error)
        with self._lock:
            if not self._loop.waiting():
                now = self.session.state
                self._publish(**news, stale=now.preview or self.session.history.current != here)


def described(pattern: Pattern) -> dict[str, Any]:
    """A pattern for the page: its title and the strongest peaks in the order of their angles."""
    seen = [p for p in pattern.peaks if p.intensity >= _FAINT]
    kept = sorted(sorted(seen, key=lambda p: -p.intensity)[:_MOST_PEAKS], key=lambda p: p.two_theta)
    peaks = [[round(p.two_theta, 3), round(p.d, 4), round(p.intensity, 2), p.label, sum(p.multiplicity)] for p in kept]
    return {"title": pattern.title, "peaks": peaks}
