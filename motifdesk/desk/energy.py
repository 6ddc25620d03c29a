"""The Energy tab: what a calculator says of the design, and the relaxation that the stage follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.diffraction import DiffractionPart
from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.structures.errors import MotifDeskError, SessionError, one_line

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.screening.energies.relaxing import Evaluation, Frame
    from motifdesk.session import Change, Session, State
    from motifdesk.session.relaxing import Relaxation
    from motifdesk.structures import AtomArrays

_MOST_POINTS = 240  # of the chart; more would only thicken its lines
_SAID = {
    "converged": ("Relaxed", "good"),
    "not converged": ("Not relaxed: the limit of steps came first", "warn"),
    "stopped": ("Not relaxed: stopped by hand", "warn"),
    "cancelled": ("Cancelled: the design is as it was", ""),
}

_KEPT = ("converged", "not converged", "stopped")


class EnergyPart(Part):
    """Energies and relaxations on a thread that waits for a calculator in its own process.

    Publishes the trait ``energy``: ``{"busy": "" | "energy" | "relax", "phase", "text", "level", "rows": [{"label",
    "value", "title"}], "stale", "chart": {"step", "energy", "force", "fmax"}, "past", "step", "steps", "keep"}``; the
    chart's energies are meV/atom from its first step, and it is `past` when the design has gone on since.
    """

    def __init__(self, session: Session, output: Output, settle: Callable[[], None]) -> None:
        self.session = session
        self._output = output
        self._settle_hands = settle
        self._loop = Latest(lambda errand: errand(), "motifdesk-energy")
        self._lock = threading.RLock()
        self._described: dict[str, Any] = {}
        self._options: dict[str, Any] = {"calculator": "chgnet", "arguments": {}}
        self._about: Any = None  # arrays that the figures are of
        self._run: Relaxation | None = None
        self._asked = 0
        self.found: Evaluation | None = None
        """What the figures shown are made of (forces among it), None while there are none or they are of a frame."""
        self.when_found: Callable[[], None] = lambda: None
        """Called when a calculator has answered."""

    # ------------------------------------------------------------------------------------------------ from the desk

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """One message, "energy", with `what` to do."""
        return {"energy": self._on_energy}

    def changed(self, change: Change) -> None:
        """Figures of another structure are stale; those of one that was asked about before are shown again."""
        if change.action in ("select", "locate", "ties") or self._about is None:
            return
        run = self._run
        if run is not None and not run.over and change.state.preview:
            return  # our own frame
        with self._lock:
            if same_arrays(self._about, change.state.arrays):
                if self._described.get("stale"):
                    self._publish(stale=False)
                return
            told = {} if self._described.get("busy") else {"text": "", "level": "", "past": True}
            known = None
            if not change.state.preview and not self._described.get("busy"):
                known = self.session.services.calculators.known(self._options, change.state.arrays)
            if known is not None:
                self._show_figures(change.state, known, **told)
            elif not self._described.get("stale"):
                self._publish(stale=True, **told)

    def hold(self) -> None:
        """Undo, export and edits mean the design as it is shown: the frame becomes the step."""
        run = self._run
        if run is not None and not run.over:
            run.keep()

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the relaxation has ended and the figures are there."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End what is under way, its process and the thread."""
        run = self._run
        if run is not None:
            run.cancel()
        self._asked += 1
        self._loop.close()
        self.session.services.calculators.close()

    # ------------------------------------------------------------------------------------------------ what it does

    def evaluate(self, **options: Any) -> None:
        """Ask for the energy of the committed design; returns at once."""
        from motifdesk.session.relaxing import calculator_options, refuse_molecules

        self._refuse_if_busy()
        self._settle_hands()
        self._options = calculator_options(options.get("calculator", "chgnet"), options.get("arguments"))
        state = self.session.committed
        refuse_molecules(state.arrays, self._options)
        self._begin("energy")
        self._loop.put(lambda: self._evaluate(state))

    def known(self, arrays: AtomArrays) -> Evaluation | None:
        """What the calculator asked last has said of exactly this structure."""
        return self.session.services.calculators.known(self._options, arrays)

    def relax(self, **options: Any) -> Relaxation:
        """Relax the committed design; returns at once. What is wrong with the options is raised here."""
        self._refuse_if_busy()
        self._settle_hands()
        run = self.session.relaxation(**options)
        self._options = {k: run.recipe[k] for k in ("calculator", "arguments")}
        with self._lock:
            self._run = run
            self._begin("relax", steps=run.recipe["steps"], step=0, chart={}, keep=False)
        self._loop.put(lambda: self._relax(run))
        return run

    def _on_energy(self, message: dict[str, Any]) -> None:
        what = message.get("what")
        run = self._run
        if what in ("keep", "cancel"):
            if run is not None and what == "keep":
                self._keep(run)
            elif run is not None and not run.over:
                run.cancel()
            else:
                self._asked += 1  # an energy that is no longer wanted
            return
        asked = {k: message[k] for k in ("calculator", "fmax", "steps", "cell", "rattle") if k in message}
        try:
            if what == "relax":
                self.relax(**asked)
            elif what == "evaluate":
                self.evaluate(**asked)
        except MotifDeskError as error:
            with self._lock:
                self._publish(text=str(error), level="bad")

    def _keep(self, run: Relaxation) -> None:
        ended = run.state == "ended"
        run.keep()
        if ended:  # the running one tells of its end by itself
            with self._lock:
                node = self.session.history.current
                self._publish(keep=False, text=f"The frame is step {node} now, a branch of its own.", level="")

    def _refuse_if_busy(self) -> None:
        busy = self._described.get("busy")
        if busy:
            doing = "a relaxation is under way" if busy == "relax" else "an energy is being computed"
            raise SessionError(doing, where="energy", remedy="wait for it, or cancel it")

    def _begin(self, what: str, **news: Any) -> None:
        with self._lock:
            self._asked += 1
            self._publish(
                **{
                    "busy": what,
                    "phase": "starting the calculator …",
                    "text": "",
                    "level": "",
                    "keep": False,
                    "past": False,
                    "since": time.time(),
                    **news,
                }
            )

    def _evaluate(self, state: State) -> None:
        number = self._asked
        self._figures(state, lambda: self._asked == number, self._asked)

    def _figures(self, state: State, wanted: Callable[[], bool], number: int) -> None:
        """Ask about the design, the step before and the start, and show it."""
        from motifdesk.screening.energies.process import Abandoned

        text, level = "", ""
        try:
            found = self.session.evaluate(state.arrays, self._options, wanted=wanted)
            with self._lock:
                if wanted():
                    self._show_figures(state, found, phase="comparing …")
            for other in self._others(state):
                self.session.evaluate(other.arrays, self._options, wanted=wanted)
        except Abandoned:
            text = "Cancelled."
        except MotifDeskError as error:
            text, level = str(error), "bad"
        except Exception as error:  # a defect must not leave the tab waiting for ever
            text, level = f"{type(error).__name__}: {one_line(error)}", "bad"
            raise
        finally:
            with self._lock:
                news: dict[str, Any] = {"busy": "", "phase": ""}
                if text:
                    news |= {"text": text, "level": level}
                self._publish(**news)
                known = self.session.services.calculators.known(self._options, state.arrays)
                if known is not None:
                    self._show_figures(state, known)

    def _relax(self, run: Relaxation) -> None:
        text, level = "", ""
        try:
            run.run(lambda frame: self._show_frame(run, frame))
        except MotifDeskError as error:
            text, level = str(error), "bad" if run.state == "failed" else "warn"
        except Exception as error:
            text, level = f"The relaxation failed: {type(error).__name__}: {one_line(error)}", "bad"
            raise
        finally:
            with self._lock:
                self._end(run, text, level)
        if run.state in _KEPT:
            number = self._asked
            with self._lock:
                self._publish(busy="energy", phase="comparing …")
            self._figures(self.session.committed, lambda: self._asked == number, number)

    def _end(self, run: Relaxation, text: str, level: str) -> None:
        news: dict[str, Any] = {"busy": "", "phase": "", "keep": False}
        if run.state in _SAID:
            text, level = _SAID[run.state]
            if run.frame is not None and run.state != "cancelled":
                text += f" after {run.frame.step} steps, largest force {run.frame.force:.3f} eV/Å"
            text += "."
        elif run.state == "ended":
            frame = "" if run.frame is None else f" at step {run.frame.step}"
            text, level = f"Ended{frame} by {run.reason}; the design is as that made it.", "warn"
            news["keep"] = run.frame is not None and run.frame.step > 0
        # what was kept may have been undone since
        kept = run.state in _KEPT and run.frame is not None and same_arrays(run.frame.arrays, self.session.state.arrays)
        self._publish(
            **news, text=text, level=level, chart=_chart(run), **({} if kept else {"stale": True, "past": True})
        )

    # ------------------------------------------------------------------------------------------------ what is shown

    def _publish(self, **news: Any) -> None:
        self._described = {**self._described, **news}
        self._output.publish(energy=self._described)

    def _show_frame(self, run: Relaxation, frame: Frame) -> None:
        with self._lock:
            if run.over:
                return
            start = run.frames[0][1]
            rows = [
                _row("Energy", f"{frame.per_atom:.4f} eV/atom"),
                _row("since it began", f"{1000 * (frame.per_atom - start):+.1f} meV/atom"),
                _row("Largest force", f"{frame.force:.3f} eV/Å", "the cell's generalised force included"),
            ]
            if frame.pressure is not None:
                rows.append(_row("Pressure", f"{frame.pressure:.2f} GPa"))
            self.found, self._about = None, frame.arrays
            self._publish(
                rows=rows, chart=_chart(run), step=frame.step, keep=frame.step > 0, stale=False, phase="relaxing …"
            )

    def _others(self, state: State) -> list[State]:
        """The step before and the start, where they have the atoms of `state`: others have another zero of energy."""
        history = self.session.history
        above = history[state.node].parent if state.node in history.nodes else None
        found = [] if above is None else [history[above].state, history[0].state]
        return [s for s in found if _composition(s) == _composition(state)]

    def _show_figures(self, state: State, found: Evaluation, **news: Any) -> None:
        """Rows of `found`, which is of `state`, and `news` with them. Under the lock."""
        known = self.session.services.calculators.known
        rows = [_row("Energy", f"{found.per_atom:.4f} eV/atom")]
        history = self.session.history
        above = history[state.node].parent if state.node in history.nodes else None
        before: list[tuple[str, int]] = [] if above is None else [("against the step before", above)]
        if above:
            before.append(("against the start", 0))
        for label, node in before:
            other = history[node].state
            title = f"step {node}: {history[node].name}"
            if _composition(other) != _composition(state):
                rows.append(_row(label, "another composition", title))
                continue
            its = known(self._options, other.arrays)
            if its is not None:
                change = 1000 * (found.per_atom - its.per_atom)
                rows.append(_row(label, f"{change:+.1f} meV/atom", title, "good" if change < -0.05 else ""))
        rows.append(_row("Largest force on an atom", f"{found.largest_force:.3f} eV/Å"))
        if found.stress is not None and found.pressure is not None:
            from motifdesk.screening.energies.relaxing import GPA

            shear = found.stress + np.eye(3) * found.pressure / GPA
            largest = GPA * float(np.abs(np.linalg.eigvalsh(shear)).max())
            words = "pressure: minus a third of the trace; deviatoric: the largest principal value of the rest"
            rows.append(_row("Stress", f"pressure {found.pressure:.2f}, deviatoric {largest:.2f} GPa", words))
        rows.append(_row("Calculator", found.calculator, "energies of different calculators are not to be compared"))
        self.found, self._about = found, state.arrays
        stale = not same_arrays(state.arrays, self.session.state.arrays)
        self._publish(rows=rows, stale=stale, **news)
        self.when_found()


class Relaxes:
    """Energies and relaxation from Python. Mixed into :class:`motifdesk.desk.Desk`."""

    session: Session
    _output: Output
    _energy: EnergyPart

    if TYPE_CHECKING:

        def _settle_hands(self) -> None: ...

    def _energy_parts(self) -> tuple[Part, ...]:
        """The parts behind the tabs Energy and XRD."""
        self._energy = EnergyPart(self.session, self._output, self._settle_hands)
        return (self._energy, DiffractionPart(self.session, self._output))

    def relax(self, **options: Any) -> Relaxation:
        """Relax the committed design; returns at once, the stage follows frame by frame, ``settle`` waits.

        ``options``: those of :meth:`motifdesk.session.Session.relax` but ``progress``. The relaxation returned can be
        kept at the frame shown (``.keep()``) or cancelled (``.cancel()``). What goes wrong is said in the Energy tab.
        """
        return self._energy.relax(**options)


def _row(label: str, value: str, title: str = "", level: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "title": title or label, "level": level}


def _chart(run: Relaxation) -> dict[str, Any]:
    """Energies in meV/atom from the first, forces in eV/A, at no more than `_MOST_POINTS` steps."""
    frames = list(run.frames)
    if len(frames) < 1:
        return {}
    every = max(1, -(-len(frames) // _MOST_POINTS))
    kept = frames[::every]
    if kept[-1] is not frames[-1]:
        kept.append(frames[-1])
    return {
        "step": [f[0] for f in kept],
        "energy": [round(1000 * (f[1] - frames[0][1]), 4) for f in kept],
        "force": [float(f"{f[2]:.4g}") for f in kept],
        "fmax": run.recipe["fmax"],
    }


def same_arrays(a: Any, b: Any) -> bool:
    """Whether two structures are the same to the last digit."""
    if a is b:
        return True
    if a is None or b is None or a.is_crystal != b.is_crystal or not np.array_equal(a.numbers, b.numbers):
        return False
    return np.array_equal(a.positions, b.positions) and (a.cell is None or np.array_equal(a.cell, b.cell))


def _composition(state: State) -> tuple[tuple[int, float], ...]:
    """Shares of the elements: energies per atom of the same shares may be compared."""
    z, n = np.unique(state.arrays.numbers, return_counts=True)
    return tuple((int(a), round(float(b) / float(n.sum()), 9)) for a, b in zip(z, n, strict=True))
