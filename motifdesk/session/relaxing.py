"""Energies and relaxation of the design, by a calculator in a process of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from motifdesk.session.engine import Engine
from motifdesk.session.paths import other
from motifdesk.session.relax_worker import SPOKEN, Relax
from motifdesk.session.state import State
from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.screening.energies.relaxing import Evaluation, Frame
    from motifdesk.session.gesture import Gesture

PATIENCE = 300.0
"""Seconds of silence within one step after which a calculator is taken to hang."""
_FRAME_S = 0.05  # previews come no faster: a pair potential makes a thousand steps a second


class Relaxation:
    """A relaxation under way. Every frame is a preview of one gesture ``relax``, so observers and the desk follow.

    Made by ``Session.relaxation``, run by :meth:`run` in the thread that calls it; :meth:`keep` and :meth:`cancel` may
    come from any other. A newer gesture or edit ends it (newest wins) and the design is then as that edit makes it;
    what had been reached is not lost: :meth:`keep` then puts the last frame into the history as a branch of its own.

    Attributes
    ----------
    frames
        (step, eV/atom, largest force in eV/A) of every step so far, the start (0) first.
    frame
        The newest `Frame`, None before the first.
    state
        "waiting", "starting", "running", "converged", "not converged", "stopped", "cancelled", "ended" (by another
        edit; `reason` names it) or "failed".
    """

    def __init__(self, session: Engine, recipe: Mapping[str, Any], patience: float) -> None:
        self.session = session
        self.recipe = dict(recipe)
        self.patience = patience
        self.frames: list[tuple[int, float, float]] = []
        self.frame: Frame | None = None
        self.state = "waiting"
        self.reason = ""
        self.origin: State = session.committed
        self._gesture: Gesture | None = None
        self._lock = threading.RLock()
        self._given_up = False

    @property
    def over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state not in ("waiting", "starting", "running")

    def run(self, progress: Callable[[Frame], Any] | None = None) -> State:
        """Relax, and commit the end as one edit. Blocks; ``progress`` is called with every frame that is shown.

        Raises
        ------
        SessionError, ScreeningError
            It was cancelled, another edit ended it, or the calculator failed. The design is then as it was, or as the
            other edit made it.
        """
        from motifdesk.screening.energies.process import Abandoned

        with self._lock:
            if self.state != "waiting":
                raise SessionError("this relaxation has been run", where="relax", remedy="begin a new one")
            self.state = "cancelled" if self._given_up else "starting"
            if not self._given_up:
                self._gesture = self.session.gesture("relax", **self.recipe)
                self.origin = self._gesture.worker.origin
        if self._gesture is None:
            raise self._over()
        try:
            self._follow(self._gesture, progress)
        except Abandoned:
            pass
        except BaseException as error:
            if self._gesture.live:
                self.state, self.reason = "failed", str(error)
                self._gesture.cancel()
                raise
            if not isinstance(error, SessionError):  # ended by hand while the calculator failed: the hand counts
                self.reason = str(error)
        return self._settled()

    def keep(self) -> State:
        """Stop here: the frame shown becomes the step (named "Not relaxed"). When another edit has ended the
        relaxation, its last frame becomes a branch of the step it began from. At the start, the same as cancel."""
        gesture, frame = self._gesture, self.frame
        if gesture is None or frame is None or frame.step == 0:
            return self.cancel()
        if gesture.live:
            gesture.commit()
        elif self.state == "ended":
            self.session.goto(self.origin.node)
            again = self.session.gesture("relax", **self.recipe)
            assert isinstance(again.worker, Relax) and isinstance(gesture.worker, Relax)
            again.worker.before = gesture.worker.before
            again.update(frame)
            again.commit()
            self.state = "stopped"
        return self.session.state

    def cancel(self) -> State:
        """Stop here: the design is what it was before the relaxation."""
        with self._lock:
            self._given_up = True
            gesture = self._gesture
        return self.session.state if gesture is None or not gesture.live else gesture.cancel()

    # ------------------------------------------------------------------------------------------------ inner workings

    def _follow(self, gesture: Gesture, progress: Callable[[Frame], Any] | None) -> None:
        from motifdesk.screening.energies.relaxing import Frame, shaken

        recipe, worker = self.recipe, gesture.worker
        assert isinstance(worker, Relax)
        arrays = shaken(self.origin.arrays, recipe["rattle"], recipe["seed"])
        options = {k: recipe[k] for k in ("fmax", "steps", "cell", "optimiser")}
        with self.session.services.calculators.lend(recipe, self.patience) as process:
            shown = 0.0
            for news in process.relax(arrays, **options, wanted=lambda: gesture.live):
                if not isinstance(news, Frame):
                    worker.outcome = "converged" if news.converged else "not converged"
                    break
                worker.recipe = self.recipe = {**recipe, "model": process.name, "with": process.versions}
                self.frame, self.state = news, "running"
                self.frames.append((news.step, news.per_atom, news.force))
                if process.behind and time.monotonic() - shown < _FRAME_S:
                    continue  # a newer one is there
                gesture.update(news)
                if not gesture.live:
                    return
                if progress is not None:
                    progress(news)
                shown = time.monotonic()
        if gesture.live and self.frame is not None:
            if worker.frame is not self.frame:
                gesture.update(self.frame)
            gesture.commit()

    def _settled(self) -> State:
        gesture = self._gesture
        assert gesture is not None and isinstance(gesture.worker, Relax)
        if gesture.ended == "committed":
            self.state = gesture.worker.outcome
            return self.session.state
        raise self._over()

    def _over(self) -> SessionError:
        why = "cancelled" if self._gesture is None else self._gesture.ended
        if why == "cancelled":
            self.state = "cancelled"
            return SessionError("the relaxation was cancelled", where="relax", remedy="the design is as it was")
        self.state, self.reason = "ended", str(why)
        return SessionError(
            f"the relaxation was ended by {why}", where="relax", remedy="the design is as that left it; relax again"
        )


class Relaxing(Engine):
    """The verbs of a session that ask a calculator."""

    def energy(
        self,
        which: Any = None,
        *,
        calculator: str = "chgnet",
        arguments: Mapping[str, Any] | None = None,
        patience: float = PATIENCE,
    ) -> Evaluation:
        """Energy (eV/atom), forces [N, 3] (eV/A) and stress [3, 3] (eV/A^3) of the committed design; no edit.

        ``which``: another structure instead: "start", a history node, or anything ``motifdesk.read`` accepts.
        ``calculator``: "chgnet" (extra ``screen``), "distilled" (the bundled fast potential), or "module:Class" of any
        ASE calculator with its ``arguments``, as in ``motifdesk.screening``; it runs in a process of its own, which
        stays for the next question. Naming a module runs its code. Energies of different calculators are never to be
        compared. Raises ScreeningError when it cannot be made, throws, returns NaN, dies, or says nothing for
        ``patience`` seconds.
        """
        options = calculator_options(calculator, arguments)
        arrays = self.committed.arrays if which is None else to_arrays(other(self.history, which).structure)
        return self.evaluate(arrays, options, patience=patience)

    def evaluate(
        self,
        arrays: AtomArrays,
        options: Mapping[str, Any],
        *,
        patience: float = PATIENCE,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Evaluation:
        """What the calculator of ``options`` says of a structure, from memory where it was asked before."""
        refuse_molecules(arrays, options)
        known = self.services.calculators.known(options, arrays)
        if known is None:
            with self.services.calculators.lend(options, patience) as process:
                known = process.evaluate(arrays, wanted)
            self.services.calculators.remember(options, arrays, known)
        return known

    def relax(
        self,
        *,
        calculator: str = "chgnet",
        arguments: Mapping[str, Any] | None = None,
        fmax: float = 0.05,
        steps: int = 200,
        cell: bool = True,
        rattle: float = 0.0,
        seed: int = 0,
        optimiser: str = "bfgs",
        patience: float = PATIENCE,
        progress: Callable[[Frame], Any] | None = None,
    ) -> State:
        """Relax the committed design until the largest force is below ``fmax`` (eV/A), as one edit.

        Frames are previews that observers see as they come; ``progress`` is called with each `Frame`. ``steps``: at
        most; what is not converged then is committed under a name that says so. ``cell``: relax the cell too.
        ``rattle``: Angstrom by which atoms are first moved at random (``seed``), off a symmetric saddle point.
        ``optimiser``: "bfgs" (a quasi-Newton method) or "fire". ``calculator``, ``arguments``, ``patience``: as in
        :meth:`energy`.

        Takes seconds to minutes; ``session.commit()`` from another thread keeps the frame shown, ``session.cancel()``
        goes back, any other edit ends it (and this call then raises SessionError). The edit stores the structure
        found, so that a replay gives it back exactly.
        """
        options = {"calculator": calculator, "arguments": arguments, "fmax": fmax, "steps": steps, "cell": cell}
        options |= {"rattle": rattle, "seed": seed, "optimiser": optimiser}
        return self.relaxation(patience=patience, **options).run(progress)

    def relaxation(self, *, patience: float = PATIENCE, **options: Any) -> Relaxation:
        """The live form of :meth:`relax`: nothing happens before its ``run``. Wrong options raise here."""
        recipe = relax_options(options)
        refuse_molecules(self.committed.arrays, recipe)
        return Relaxation(self, recipe, patience)


def relax_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a relaxation with their defaults; one error for an unknown name, a wrong type or range."""
    from motifdesk.screening.energies.relaxing import OPTIMISERS
    from motifdesk.screening.options import Option, complete

    known = {
        "fmax": Option(0.05, "eV/Å, the largest force left where it ends", 1e-4, 10.0),
        "steps": Option(200, "at most", 1, 10000),
        "cell": Option(True, "whether the cell relaxes too"),
        "rattle": Option(0.0, "Å by which atoms are first moved at random", 0.0, 0.5),
        "optimiser": Option("bfgs", "bfgs or fire"),
        "seed": Option(0, "of the random moves", 0, 2**31),
    }
    rest = {k: v for k, v in given.items() if k not in ("calculator", "arguments")}
    options = calculator_options(given.get("calculator", "chgnet"), given.get("arguments"))
    found = {**options, **complete(rest, known, "relax")}
    if found["optimiser"] not in OPTIMISERS:
        raise SessionError(
            f"there is no optimiser {found['optimiser']!r}", where="relax", remedy=f"choose {' or '.join(OPTIMISERS)}"
        )
    return found


def calculator_options(calculator: Any, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """{"calculator", "arguments"} as JSON types, or one SessionError."""
    import json

    if not isinstance(calculator, str) or not (calculator in SPOKEN or ":" in calculator):
        raise SessionError(
            f"no calculator is called {calculator!r}" if isinstance(calculator, str) else "a calculator has a name",
            where="calculator",
            remedy='give "chgnet", "distilled", or "module:Class" of an ASE calculator with its arguments',
        )
    try:
        plain = json.loads(json.dumps(dict(arguments or {}), allow_nan=False))
    except (TypeError, ValueError):
        raise SessionError(
            "the arguments are not plain values", where=f"calculator {calculator}", remedy="give numbers and strings"
        ) from None
    return {"calculator": calculator, "arguments": plain}


def refuse_molecules(arrays: AtomArrays, options: Mapping[str, Any]) -> None:
    """CHGNet and what is distilled from it know crystals alone."""
    if not arrays.is_crystal and options["calculator"] in SPOKEN:
        raise SessionError(
            f"{SPOKEN[options['calculator']]} was trained on crystals and says nothing of a molecule",
            where=arrays.formula,
            remedy="open a crystal, or name another calculator",
        )


__all__ = ["Relaxation", "Relaxing", "relax_options"]
