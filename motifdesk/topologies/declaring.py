"""What a family of topologies declares: its parameters, how a member is laid down, and what it must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.structures.errors import TopologyError

from .assembly import Assembly


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family: a slider on the desk where it is a number.

    name, default; help: what it is, in half a sentence. low, high, unit: range of a number, both ends allowed. step: of
    a slider (1 where only whole numbers go). choices: the values a text may take, () where it is free. whole: only
    whole numbers go.
    """

    name: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    step: float | None = None
    choices: tuple[str, ...] = ()
    whole: bool = False

    def __post_init__(self) -> None:
        if self.is_number and self.step is None:
            object.__setattr__(self, "step", 1.0 if self.whole else _STEPS.get(self.unit, 0.01))

    @property
    def is_number(self) -> bool:
        return self.low is not None

    @property
    def description(self) -> str:
        """The help, with the range of a number or the choices of a text."""
        if self.is_number:
            return f"{self.help} ({self.low:g} to {self.high:g} {self.unit}".rstrip() + ")"
        return f"{self.help}: {', '.join(self.choices)}" if self.choices else self.help

    @property
    def is_species(self) -> bool:
        """Whether it names an element."""
        return self.name in _SPECIES


@dataclass(frozen=True)
class Published:
    """A member that is known: its name, the parameters that give it, the space group (Hermann-Mauguin) of the ideal
    member."""

    name: str
    parameters: Mapping[str, Any]
    group: str


@dataclass(frozen=True)
class Filling:
    """Counter-ions: parameter that names the species ("" leaves the holes empty), and the coordination of the holes
    it takes."""

    parameter: str
    coordination: int


@dataclass(frozen=True)
class Family:
    """A family of topologies.

    letters: the alphabet of its words, "" where a member is no word. reverse, swap: which changes of a word leave the
    structure the same (`grammar.canonical_word`). lay: parameters -> Assembly. rule: raises where a member breaks it.
    published: known members with their parameters, for the tests and for a page to choose from. charges: oxidation
    states (the mean, where an element has several) that are meant unless others are given.
    """

    name: str
    summary: str
    source: str
    parameters: tuple[Parameter, ...]
    lay: Callable[[Mapping[str, Any]], Assembly] = field(repr=False)
    letters: str = ""
    reverse: bool = True
    swap: tuple[tuple[str, str], ...] = ()
    filling: Filling | None = None
    rule: Callable[[Assembly], None] | None = field(default=None, repr=False)
    members: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    charges: Mapping[str, float] = field(default_factory=dict, repr=False)

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Defaults with the given parameters; TopologyError for unknown names, wrong types, numbers out of range."""
        known = {p.name: p for p in self.parameters}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise TopologyError(
                f"there is no parameter {', '.join(unknown)}", where=self.name, remedy=f"choose from {', '.join(known)}"
            )
        out = {name: p.default for name, p in known.items()}
        for name, value in given.items():
            p = known[name]
            if p.is_number:
                if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
                    raise TopologyError(f"{name} = {value!r} is no number", where=self.name)
                if p.whole and float(value) != round(float(value)):
                    raise TopologyError(f"{name} = {value:g} is no whole number", where=self.name)
                if not p.low <= float(value) <= (np.inf if p.high is None else p.high):  # type: ignore[operator]
                    raise TopologyError(
                        f"{name} = {value:g} {p.unit}".rstrip(),
                        where=self.name,
                        remedy=f"choose between {p.low:g} and {p.high:g} {p.unit}".rstrip(),
                    )
                value = round(float(value)) if p.whole else float(value)
            elif isinstance(p.default, str) and not isinstance(value, str):
                raise TopologyError(f"{name} = {value!r} is no text", where=self.name)
            elif p.choices and value not in p.choices:
                raise TopologyError(
                    f"there is no {name} {value!r}", where=self.name, remedy=f"choose one of {', '.join(p.choices)}"
                )
            if name in _SPECIES:
                value = _element(value, name, self.name, empty=p.default == "")
            out[name] = value
        return out

    def __repr__(self) -> str:
        return f"Family({self.name}: {self.summary})"


_SPECIES = ("centre", "second_centre", "ligand", "filler", "second_filler", "spacer")


#: Slider step by unit.
_STEPS = {"A": 0.01, "degrees": 0.5}


def _element(value: str, name: str, where: str, *, empty: bool) -> str:
    from pymatgen.core import Element

    if empty and value == "":
        return value
    symbol = value.strip().capitalize()
    if not Element.is_valid_symbol(symbol):
        raise TopologyError(f"{name} = {value!r} is no element", where=where, remedy="give a symbol such as Ir")
    return symbol


def length(default: float, text: str) -> Parameter:
    return Parameter("a", default, text, 2.0, 12.0, "A")


def centre(default: str) -> Parameter:
    return Parameter("centre", default, "element in the motifs' centres")


def ligand(default: str) -> Parameter:
    return Parameter("ligand", default, "element of the ligands")


def filler(default: str, text: str) -> Parameter:
    return Parameter("filler", default, text)


def word(default: str, text: str) -> Parameter:
    return Parameter("word", default, text)
