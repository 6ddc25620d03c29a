"""Candidates: what a generator proposes, with the verdicts of the checks and the energies that came later.

A candidate is named by (generator, seed, index) and made from these alone: made again, on another machine or after a
kill, it is the same. So is a campaign resumed without counting anything twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays

from .errors import ScreeningError

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Verdict:
    """What one check said: its name, whether the candidate passed (None: it could not be judged), why, and a value.

    `value` is the check's own figure (Angstrom, g/cm^3, ...; see each check), None where there is none.
    """

    check: str
    passed: bool | None
    reason: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Energy:
    """What a calculator said.

    per_atom: eV/atom of the structure as proposed (relax = False) or of the relaxed one. converged: the largest force
    fell below the limit within the steps allowed; None without relaxation. fmax: eV/A, of the last step. steps: of the
    relaxation. above_hull: eV/atom over the competing phases, filled in by the campaign; None where it is unknown,
    with the reason in `note`.
    """

    calculator: str
    per_atom: float
    converged: bool | None = None
    fmax: float | None = None
    steps: int = 0
    above_hull: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A proposed structure with its provenance, verdicts and energies.

    generator, seed, index: its name. recipe: what it was made from, enough for a person to make it again. arrays: as
    proposed. relaxed: after relaxation, None without. verdicts: of the checks that ran, in their order. error: why
    there is no structure, or why the calculator failed; "" otherwise. figures: plain numbers and names for the table
    (spacegroup, motif, density, map coordinates x and y, ...). seconds: spent on it.
    """

    generator: str
    seed: int
    index: int
    recipe: Mapping[str, Any] = field(default_factory=dict)
    arrays: AtomArrays | None = None
    relaxed: AtomArrays | None = None
    verdicts: tuple[Verdict, ...] = ()
    energy: Energy | None = None
    error: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """``"generator/seed/index"``."""
        return f"{self.generator}/{self.seed}/{self.index}"

    @property
    def status(self) -> str:
        """ "error": no structure, or a calculator that failed; "rejected": a check said no; "passed"."""
        if self.error or self.arrays is None:
            return "error"
        return "rejected" if any(v.passed is False for v in self.verdicts) else "passed"

    @property
    def reason(self) -> str:
        """One line: the error, or the first check that said no and why; "" for one that passed."""
        if self.error:
            return self.error
        return next((f"{v.check}: {v.reason}" for v in self.verdicts if v.passed is False), "")

    @property
    def structure(self) -> Structure:
        """As proposed, with the id and recipe in ``properties["motifdesk"]``; ScreeningError if there is none."""
        return self._dress(self.arrays)

    @property
    def final(self) -> Structure:
        """The relaxed structure, or as proposed where it was not relaxed."""
        return self._dress(self.arrays if self.relaxed is None else self.relaxed)

    def _dress(self, arrays: AtomArrays | None) -> Any:
        if arrays is None:
            raise ScreeningError("this candidate has no structure", where=self.id, remedy=self.error or None)
        made = from_arrays(arrays)
        made.properties["motifdesk"] = {"source": self.id, "recipe": dict(self.recipe)}
        return made

    def with_(self, **changes: Any) -> Candidate:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    # ---------------------------------------------------------------------------------------------- as plain JSON

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; floats keep every digit, so a structure comes back bit for bit."""
        return {
            "generator": self.generator,
            "seed": self.seed,
            "index": self.index,
            "recipe": plain(self.recipe),
            "arrays": arrays_to_dict(self.arrays),
            "relaxed": arrays_to_dict(self.relaxed),
            "verdicts": [[v.check, v.passed, v.reason, plain(v.value)] for v in self.verdicts],
            "energy": None if self.energy is None else plain(vars(self.energy)),
            "error": self.error,
            "figures": plain(self.figures),
            "seconds": float(self.seconds),
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Candidate:
        """The inverse of `to_dict`."""
        return cls(
            d["generator"],
            int(d["seed"]),
            int(d["index"]),
            d["recipe"],
            arrays_from_dict(d["arrays"]),
            arrays_from_dict(d["relaxed"]),
            tuple(Verdict(*v) for v in d["verdicts"]),
            None if d["energy"] is None else Energy(**d["energy"]),
            d["error"],
            d["figures"],
            float(d["seconds"]),
        )


def arrays_to_dict(arrays: Any) -> dict[str, Any] | None:
    """Numbers, Cartesian positions and cell (rows, Angstrom) as lists."""
    if arrays is None:
        return None
    a = to_arrays(arrays)
    return {
        "numbers": a.numbers.tolist(),
        "positions": a.positions.tolist(),
        "cell": None if a.cell is None else a.cell.tolist(),
    }


def arrays_from_dict(d: Mapping[str, Any] | None) -> AtomArrays | None:
    """The inverse of `arrays_to_dict`."""
    return None if d is None else AtomArrays(d["numbers"], d["positions"], d["cell"])


def plain(value: Any) -> Any:
    """`value` in JSON's own types; numbers that are not finite become None, what JSON does not know becomes text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def dumps(value: Any) -> str:
    """Compact JSON of `plain(value)`."""
    return json.dumps(plain(value), separators=(",", ":"), allow_nan=False)
