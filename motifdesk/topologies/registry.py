"""Families by name: their parameters, how a member is laid down, and what it must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.structures.errors import TopologyError

from .assembly import Assembly
from .families import honeycomb, layered, packings, perovskite, polytypes


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family: a slider on the desk where it is a number (`low` to `high`, `unit`)."""

    name: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""

    @property
    def is_number(self) -> bool:
        return self.low is not None


@dataclass(frozen=True)
class Filling:
    """Counter-ions: parameter that names the species, and the coordination of the holes it takes."""

    parameter: str
    coordination: int


@dataclass(frozen=True)
class Family:
    """A family of topologies.

    letters: the alphabet of its words, "" where a member is no word. reverse, swap: which changes of a word leave the
    structure the same (`grammar.canonical_word`). lay: parameters -> Assembly. rule: raises where a member breaks it.
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
                if not (p.low or 0.0) <= float(value) <= (p.high or np.inf):
                    raise TopologyError(
                        f"{name} = {value:g} {p.unit}".rstrip(),
                        where=self.name,
                        remedy=f"choose between {p.low:g} and {p.high:g} {p.unit}".rstrip(),
                    )
                value = float(value)
            elif isinstance(p.default, str) and not isinstance(value, str):
                raise TopologyError(f"{name} = {value!r} is no text", where=self.name)
            if name in _SPECIES:
                value = _element(value, name, self.name)
            out[name] = value
        return out

    def __repr__(self) -> str:
        return f"Family({self.name}: {self.summary})"


_SPECIES = ("centre", "second_centre", "ligand", "filler", "second_filler", "spacer")


def _element(value: str, name: str, where: str) -> str:
    from pymatgen.core import Element

    if name.startswith("second") and value == "":
        return value
    if not Element.is_valid_symbol(value):
        raise TopologyError(f"{name} = {value!r} is no element", where=where, remedy="give a symbol such as Ir")
    return value


def _length(default: float, text: str) -> Parameter:
    return Parameter("a", default, text, 2.0, 12.0, "A")


def _centre(default: str) -> Parameter:
    return Parameter("centre", default, "element in the motifs' centres")


def _ligand(default: str) -> Parameter:
    return Parameter("ligand", default, "element of the ligands")


def _filler(default: str, text: str) -> Parameter:
    return Parameter("filler", default, text)


def _word(default: str, text: str) -> Parameter:
    return Parameter("word", default, text)


def _perovskite(p: Mapping[str, Any]) -> Assembly:
    centres = (p["centre"],) if not p["second_centre"] else (p["centre"], p["second_centre"])
    fillers = (p["filler"],) if not p["second_filler"] else (p["filler"], p["second_filler"])
    angles = tuple(p[f"angle_{k}"] for k in (1, 2, 3))
    return perovskite.assembly(p["a"], centres, p["ligand"], fillers, p["tilts"], angles, p["order"])


def _packing(p: Mapping[str, Any]) -> Assembly:
    centres = (p["centre"],) if not p["second_centre"] else (p["centre"], p["second_centre"])
    return packings.octahedra(p["a"], centres, p["ligand"], p["word"], p["pattern"])


_ALL = (
    Family(
        "harmonic-honeycomb",
        "edge-sharing octahedra with three neighbours each, stacked by a word in + and -",
        "K. A. Modic et al., Nat. Commun. 5, 4203 (2014)",
        (
            _word("+-", "'+' keeps, '-' flips the chains' orientation: + alpha, +- beta, ++-- gamma"),
            _length(4.20, "edge of the rock-salt cell; metal-ligand distance a/2"),
            _centre("Ir"),
            _ligand("O"),
            _filler("Li", "counter-ion in every other octahedral hole"),
        ),
        lambda p: honeycomb.grammar(p["a"], p["centre"], p["ligand"]).assemble(p["word"]),
        letters=honeycomb.LETTERS,
        swap=(("+", "-"),),
        filling=Filling("filler", 6),
        rule=honeycomb.check,
        members=("+", "+-", "++--", "+++---"),
    ),
    Family(
        "polytype",
        "tetrahedra in double layers, stacked by a word of steps",
        "A. R. Verma, P. Krishna, Polymorphism and Polytypism in Crystals, Wiley (1966)",
        (
            _word("++--", "Hagg's signs: + 3C, +- 2H, ++-- 4H, +++--- 6H, ++- 9R"),
            _length(3.08, "edge of the triangular net; bonds are a sqrt(3/8)"),
            _centre("Si"),
            _ligand("C"),
        ),
        lambda p: polytypes.grammar(p["a"], p["centre"], p["ligand"]).assemble(p["word"]),
        letters=polytypes.LETTERS,
        swap=(("+", "-"),),
        members=("+", "+-", "++--", "+++---", "++-"),
    ),
    Family(
        "layered-perovskite",
        "sheets of corner-sharing octahedra: P perovskite, R rock salt, D Dion-Jacobson, B Aurivillius",
        "S. N. Ruddlesden, P. Popper, Acta Cryst. 11, 54 (1958); B. Aurivillius, Ark. Kemi 1, 463 (1949)",
        (
            _word("PR", "how each sheet goes on: R n = 1, PR n = 2, PPR n = 3 Ruddlesden-Popper"),
            _length(3.90, "edge of the square net"),
            _centre("Ti"),
            _ligand("O"),
            _filler("Sr", "cation in the cages and rock-salt layers"),
            Parameter("spacer", "Cs", "cation of the letter D"),
            Parameter("gap", 0.62, "height of the rock-salt layer over a", 0.4, 0.9),
        ),
        lambda p: layered.grammar(
            p["a"], p["centre"], p["ligand"], p["filler"], gap=p["gap"] * p["a"], spacer=p["spacer"]
        ).assemble(p["word"]),
        letters=layered.LETTERS,
        members=("R", "PR", "PPR"),
    ),
    Family(
        "perovskite",
        "corner-sharing octahedra with Glazer tilts and ordered cations, 2 x 2 x 2",
        "C. J. Howard, H. T. Stokes, Acta Cryst. B 54, 782 (1998)",
        (
            Parameter("tilts", "a-a-c+", "Glazer's notation"),
            _length(3.90, "edge of the cubic cell before tilting; metal-ligand distance a/2"),
            Parameter("angle_1", 9.0, "tilt of the first letter", 0.0, 25.0, "degrees"),
            Parameter("angle_2", 6.0, "tilt of the second letter", 0.0, 25.0, "degrees"),
            Parameter("angle_3", 4.0, "tilt of the third letter", 0.0, 25.0, "degrees"),
            _centre("Ti"),
            Parameter("second_centre", "", "second element in the centres, ordered"),
            Parameter("order", "none", f"order of two centres: {', '.join(perovskite.ORDERS)}"),
            _ligand("O"),
            _filler("Sr", "cation in the cages"),
            Parameter("second_filler", "", "second cation, in rock-salt order"),
        ),
        _perovskite,
        members=perovskite.SYSTEMS,
    ),
    Family(
        "close-packing",
        "close-packed ligands with filled octahedral holes",
        "A. F. Wells, Structural Inorganic Chemistry, 5th ed., Oxford (1984), chapter 4",
        (
            _word("+", "stacking of the ligand layers: + cubic, +- hexagonal"),
            Parameter("pattern", "all", f"which holes are filled: {', '.join(packings.PATTERNS)}"),
            _length(2.80, "distance of neighbouring ligands"),
            _centre("Mg"),
            Parameter("second_centre", "", "second element, in every other layer (ilmenite)"),
            _ligand("O"),
        ),
        _packing,
        letters="+-",
        swap=(("+", "-"),),
        members=("+", "+-"),
    ),
    Family(
        "spinel",
        "AB2X4: tetrahedra and edge-sharing octahedra in cubic close packing",
        "W. H. Bragg, Philos. Mag. 30, 305 (1915)",
        (
            _length(8.08, "cubic edge"),
            _centre("Mg"),
            Parameter("second_centre", "Al", "element in the octahedra"),
            _ligand("O"),
        ),
        lambda p: packings.spinel(p["a"], (p["centre"], p["second_centre"]), p["ligand"]),
    ),
    Family(
        "fluorite",
        "MX2: edge-sharing cubes",
        "W. H. Bragg, Proc. R. Soc. Lond. A 89, 468 (1914)",
        (_length(5.46, "cubic edge"), _centre("Ca"), _ligand("F")),
        lambda p: packings.fluorite(p["a"], p["centre"], p["ligand"]),
    ),
)
FAMILIES = {family.name: family for family in _ALL}


def family(name: str) -> Family:
    """A family by its name; TopologyError with the known names otherwise."""
    try:
        return FAMILIES[name]
    except (KeyError, TypeError):
        raise TopologyError(
            f"there is no family {name!r}", where="build", remedy=f"choose one of {', '.join(FAMILIES)}"
        ) from None
