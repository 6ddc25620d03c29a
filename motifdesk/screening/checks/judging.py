"""The order of the checks, and what they share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from motifdesk.structures import AtomArrays, from_arrays, space_group
from motifdesk.structures.errors import MotifDeskError, one_line

from ..candidate import Candidate, Verdict
from ..errors import ScreeningError
from ..options import Option, complete
from . import chemistry, geometry, wishes
from .novelty import NOVELTY, novelty
from .validating import validate


class Look:
    """One candidate as the checks see it: everything expensive is computed when first asked for and kept."""

    def __init__(self, arrays: AtomArrays, tolerance: float = 0.05) -> None:
        self.arrays = arrays
        self.tolerance = tolerance
        self.figures: dict[str, Any] = {}

    @cached_property
    def structure(self) -> Any:
        """pymatgen Structure."""
        return from_arrays(self.arrays)

    @cached_property
    def formula(self) -> str:
        """Reduced formula, pymatgen's order."""
        return str(self.structure.composition.reduced_formula)

    @cached_property
    def graph(self) -> Any:
        """`motifdesk.motifs.MotifGraph`; a MotifError passes through."""
        from motifdesk.motifs import find_motifs

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return find_motifs(self.structure, tolerance=self.tolerance, seconds=20.0)

    @cached_property
    def group(self) -> int:
        """Space group number within the tolerance; 0 where none is found."""
        try:
            return int(space_group(self.arrays, self.tolerance).number)
        except MotifDeskError:
            return 0


Check = Callable[[Look, Mapping[str, Any]], Verdict]

#: name -> (check, options), cheapest first
CHECKS: dict[str, tuple[Check, dict[str, Option]]] = {
    "size": (geometry.size, geometry.SIZE),
    "contacts": (geometry.contacts, geometry.CONTACTS),
    "density": (geometry.density, geometry.DENSITY),
    "composition": (chemistry.composition, chemistry.COMPOSITION),
    "wish_composition": (wishes.composition, wishes.COMPOSITION),
    "symmetry": (geometry.symmetry, geometry.SYMMETRY),
    "novelty": (novelty, NOVELTY),
    "motifs": (chemistry.motifs, chemistry.MOTIFS),
    "bond_valence": (chemistry.bond_valence, chemistry.BOND_VALENCE),
    "wish_motif": (wishes.motif, wishes.MOTIF),
    "wish_properties": (wishes.properties, wishes.PROPERTIES),
}
_ASKED = ("wish_composition", "wish_motif", "wish_properties")  # only when the plan asks for them
_GENERAL = {
    "skip": Option([], "checks to leave out"),
    "all": Option(False, "go on after a rejection, to have every verdict"),
    "tolerance": Option(0.05, "Angstrom, of symmetry and motifs", 1e-4, 0.5),
}


class Checks:
    """The checks of a plan's ``[checks]`` table: general options beside one table of options per check.

    Raises
    ------
    ScreeningError
        an unknown check or option.
    """

    def __init__(self, table: Mapping[str, Any] | None = None) -> None:
        given = dict(table or {})
        general = {k: v for k, v in given.items() if k in _GENERAL or k not in CHECKS}
        options = complete(general, {**_GENERAL, **{k: Option({}, "options of the check") for k in CHECKS}}, "[checks]")
        wrong = [s for s in options["skip"] if not isinstance(s, str) or s not in CHECKS]
        if wrong:
            raise ScreeningError(f"no checks {wrong}", where="[checks] skip", remedy=f"known: {', '.join(CHECKS)}")
        self._all, self._tolerance = options["all"], options["tolerance"]
        self._chosen = []
        for name, (check, known) in CHECKS.items():
            own = given.get(name, {})
            if not isinstance(own, Mapping):
                raise ScreeningError(f"{name} = {own!r} is no table", where="[checks]", remedy=f"[checks.{name}]")
            if name in options["skip"] or (name in _ASKED and name not in given):
                continue
            chosen = complete(own, known, f"[checks.{name}]")
            validate(name, chosen)
            self._chosen.append((name, check, chosen))

    @property
    def names(self) -> tuple[str, ...]:
        """The checks that run, in their order."""
        return tuple(name for name, _, _ in self._chosen)

    def __call__(self, candidate: Candidate) -> Candidate:
        """The candidate with its verdicts and figures; one without a structure comes back as it is."""
        if candidate.arrays is None:
            return candidate
        look = Look(candidate.arrays, self._tolerance)
        verdicts = []
        for name, check, options in self._chosen:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    verdict = check(look, options)
            except (MotifDeskError, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError) as error:
                # a check that fails on one structure has not judged it, and must not stop the others
                verdict = Verdict(name, None, f"could not judge: {one_line(error, 160)}")
            verdicts.append(verdict)
            if verdict.passed is False and not self._all:
                break
        return candidate.with_(verdicts=tuple(verdicts), figures={**candidate.figures, **look.figures})
