"""The edit of a relaxation: each frame a preview, the last one a step that holds its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from motifdesk.session.services import Services
from motifdesk.session.state import State, moved
from motifdesk.session.workers import Draft, Worker
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import SessionError

SPOKEN = {"chgnet": "CHGNet", "distilled": "distilled CHGNet"}
"""Calculators that come with the program, as they are called in names of steps."""


class Relax(Worker):
    """Follow a relaxation that is computed elsewhere (:class:`motifdesk.session.relaxing.Relaxation`).

    The recipe holds the resulting structure beside what made it: another machine, thread count or version of the
    model would come out at another 1e-6 Angstrom.
    """

    kind = "relax"
    quick = False

    def __init__(self, services: Services, origin: State, **recipe: Any) -> None:
        super().__init__(services, origin)
        self.recipe = recipe
        self.before: float | None = None
        """eV/atom where it began."""
        self.outcome = "stopped"
        """Why it ends if it is committed now: "converged", "not converged" or "stopped" (by hand)."""
        self.frame: Any = None

    def update(self, frame: Any) -> Draft:
        """``frame``: a :class:`motifdesk.screening.energies.relaxing.Frame` of the design's atoms."""
        if not np.array_equal(frame.arrays.numbers, self.origin.arrays.numbers):
            raise SessionError("the relaxation has other atoms", where="relax", remedy="relax the design as it is")
        if self.before is None:
            self.before = frame.per_atom
        self.frame = frame
        return Draft(moved(self.origin, frame.arrays), f"Relaxing, step {frame.step}")

    def finish(self, draft: Draft) -> Draft:
        """A new base, with the name that says what was reached."""
        if self.frame is not None:
            recipe, frame = self.recipe, self.frame
            with_ = SPOKEN.get(recipe["calculator"], recipe["calculator"].rpartition(":")[2])
            change = frame.per_atom - (self.before or 0.0)
            gained = f"{change:+.3f} eV/atom, {frame.step} step{'' if frame.step == 1 else 's'}"
            name = f"Relax with {with_}: {gained}"
            notes: tuple[str, ...] = ()
            if self.outcome != "converged":
                name = f"Not relaxed, {with_} {self.outcome}: {gained}"
                notes = (
                    f"Not relaxed: {'stopped' if self.outcome == 'stopped' else 'at the limit'} after {frame.step} "
                    f"steps with a force of {frame.force:.3f} eV/Å (relaxed: {recipe['fmax']:g}).",
                )
            parameters = {
                **recipe,
                "taken": frame.step,
                "outcome": self.outcome,
                "energy_before": self.before,
                "energy": frame.per_atom,
                "force": frame.force,
                "pressure": frame.pressure,
                "structure": {
                    "positions": frame.arrays.positions.tolist(),
                    "cell": None if frame.arrays.cell is None else frame.arrays.cell.tolist(),
                },
            }
            draft = Draft(replace(draft.state, notes=notes), name, parameters, int(recipe["seed"]))
        return super().finish(draft)

    @classmethod
    def replay(cls, services: Services, origin: State, parameters: Mapping[str, Any], seed: int) -> Draft:
        """The stored structure, on the atoms of ``origin``."""
        stored = parameters["structure"]
        arrays = AtomArrays(origin.arrays.numbers, stored["positions"], stored["cell"])
        worker = cls(services, origin)
        return worker.finish(Draft(moved(origin, arrays), "Relax", dict(parameters), seed))
