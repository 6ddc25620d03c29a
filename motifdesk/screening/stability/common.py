"""What phonons and elastic constants share: any calculator, signs of life, numbers that are numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays, to_arrays

from ..errors import ScreeningError

Alive = Callable[[], object]


def silent() -> None:
    """Nobody listens to the signs of life."""


def crystal(structure: Any, what: str) -> AtomArrays:
    """Arrays of anything `to_arrays` takes; ScreeningError for a molecule."""
    arrays = to_arrays(structure)
    if not arrays.is_crystal:
        raise ScreeningError(f"{what} need a crystal", where=arrays.formula, remedy="give a structure with a cell")
    return arrays


def ase_of(calculator: Any) -> Any:
    """The ASE calculator of a `motifdesk.screening` calculator, or the one given."""
    return calculator.ase() if hasattr(calculator, "ase") else calculator


class Watch:
    """Counts calls of a calculator, tells that somebody works, and ends the work after `seconds` (None: never)."""

    def __init__(self, seconds: float | None, alive: Alive, where: str) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._alive, self._where = alive, where

    def tick(self) -> None:
        """After each call. ScreeningError: over the time."""
        self._alive()
        if self._end is not None and time.monotonic() > self._end:
            raise ScreeningError("over the time limit", where=self._where, remedy="more seconds, or a smaller cell")


def finite(values: Any, what: str, where: str) -> np.ndarray:
    """float64 array; ScreeningError where the calculator said NaN or infinity."""
    found = np.asarray(values, dtype=float)
    if not np.isfinite(found).all():
        raise ScreeningError(f"the calculator's {what} are not numbers", where=where)
    return found
