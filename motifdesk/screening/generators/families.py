"""Families of topologies, every word of them, with the species and sizes asked for."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from motifdesk.structures.errors import TopologyError
from motifdesk.topologies import families, member
from motifdesk.topologies.grammar import words

from ..errors import ScreeningError
from ..options import Option
from .base import Generator


class FamilyGenerator(Generator):
    """Members of one family: the product of its words (or `members`) and of the lists given for its parameters.

    Shortest words first, the species varying fastest. A member that breaks a rule of the family (ports that clash, no
    neutral charges) is a candidate with an error that says which.
    """

    OPTIONS: ClassVar = {
        "family": Option("", "name of a family, see motifdesk.topologies.families()", needed=True),
        "max_length": Option(4, "longest word", 1, 12),
        "words": Option([], "these words instead of all up to max_length"),
        "parameters": Option({}, "parameter = value or list of values, such as centre = ['Ir', 'Ru']"),
        "neutral": Option(True, "leave out members without known neutral oxidation states"),
    }

    def prepare(self) -> None:
        where = f"generator {self.name}"
        try:
            self._family = families()[self.options["family"]]
        except KeyError:
            raise ScreeningError(
                f"there is no family {self.options['family']!r}", where=where, remedy=f"one of {', '.join(families())}"
            ) from None
        f = self._family
        axes = {}
        if f.letters:
            axes["word"] = list(self.options["words"]) or list(
                words(f.letters, self.options["max_length"], reverse=f.reverse, swap=f.swap)
            )
        for name, value in self.options["parameters"].items():
            values = list(value) if isinstance(value, list | tuple) else [value]
            if not values:
                raise ScreeningError(f"{name} has no values", where=f"{where}, parameters", remedy="give at least one")
            try:
                for v in values:
                    f.complete({name: v})
            except TopologyError as error:
                raise ScreeningError(error.what, where=f"{where}, {name}", remedy=error.remedy) from error
            axes[name] = values
        self._names = list(axes)
        self._axes = list(axes.values())
        self._total = 1
        for values in self._axes:
            self._total *= len(values)

    def most(self) -> int:
        return self._total

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        places = np.unravel_index(index, [len(values) for values in self._axes]) if self._axes else ()
        chosen = [values[int(k)] for values, k in zip(self._axes, places, strict=True)]
        made = member(self._family.name, neutral=self.options["neutral"], **dict(zip(self._names, chosen, strict=True)))
        return made.structure, {"kind": "family", **made.recipe}
