"""What a plan asks of the checks, looked at before anything runs: a wish that no structure can meet is a mistake."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motifdesk.structures import corpora
from motifdesk.structures.arrays import element_symbols

from ..errors import ScreeningError

SHARING = ("corner", "edge", "face")


def validate(name: str, options: Mapping[str, Any]) -> None:
    """Options of one check beyond their types.

    Raises
    ------
    ScreeningError
        a range that holds nothing, no element, no formula, no space group, no corpus, a path that is not there.
    """
    where = f"[checks.{name}]"
    if name == "density":
        as_range(options["packing"], "packing", where)
        as_range([options["low"], options["high"]], "low to high", where)
    elif name == "symmetry":
        groups = options["groups"]
        wrong = [g for g in groups if isinstance(g, bool) or not isinstance(g, int) or not 1 <= g <= 230]
        if wrong:
            raise ScreeningError(f"groups: {wrong[0]!r} is no space group", where=where, remedy="numbers, 1 to 230")
        if groups and max(groups) < options["at_least"]:
            said = f"at_least = {options['at_least']} leaves none of the groups"
            raise ScreeningError(said, where=where, remedy="leave out one of the two")
    elif name == "novelty":
        known = set(corpora())
        wrong = [c for c in options["corpora"] if not isinstance(c, str) or c not in known]
        if wrong:
            raise ScreeningError(f"no corpus {wrong[0]!r}", where=where, remedy=f"one of {', '.join(sorted(known))}")
        for path in options["own"]:
            if not isinstance(path, str) or not Path(os.path.expanduser(path)).exists():
                raise ScreeningError(
                    f"own: there is no {path!r}", where=where, remedy="a file or folder beside the plan"
                )
    elif name == "wish_composition":
        as_elements(options["contains"], "contains", where)
        as_elements(options["chemical_system"], "chemical_system", where)
        foreign = sorted(set(options["contains"]) - set(options["chemical_system"]))
        if options["chemical_system"] and foreign:
            said = f"contains {foreign[0]}, which is outside the chemical system"
            raise ScreeningError(said, where=where, remedy="name it in both, or leave out one of the two")
        if options["formula"]:
            as_formula(options["formula"], where)
    elif name == "wish_motif":
        parts = re.findall(r"([A-Z][a-z]?)(\d*)", str(options["formula"]))
        if not parts or "".join(a + b for a, b in parts) != options["formula"]:
            said = f"{options['formula']!r} is no motif"
            raise ScreeningError(said, where=where, remedy="centre first, then ligands: 'IrO6'")
        as_elements([a for a, _ in parts], "formula", where)
        if options["sharing"] not in ("", *SHARING):
            raise ScreeningError(f"sharing = {options['sharing']!r}", where=where, remedy="corner, edge or face")
    elif name == "wish_properties":
        for key, wanted in options.items():
            if wanted:
                as_range(wanted, key, where)


def as_range(value: Sequence[Any], name: str, where: str) -> None:
    """Two finite numbers, the lower first; ScreeningError otherwise."""
    numbers = [v for v in value if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if len(value) != 2 or len(numbers) != 2 or numbers[0] > numbers[1]:
        said = f"{name} = {list(value)!r} is no range"
        raise ScreeningError(said, where=where, remedy="two numbers, the lower first: [low, high]")


def as_elements(symbols: Sequence[Any], name: str, where: str) -> None:
    """Symbols of elements; ScreeningError otherwise."""
    known = set(element_symbols()[1:])
    for symbol in symbols:
        if not isinstance(symbol, str) or symbol not in known:
            raise ScreeningError(f"{name}: no element {symbol!r}", where=where, remedy='symbols: ["Na", "Ir", "O"]')


def as_formula(text: Any, where: str) -> None:
    """A chemical formula; ScreeningError otherwise."""
    from pymatgen.core import Composition, Element

    try:
        found = Composition(str(text)).get_el_amt_dict()
        if found and all(Element.is_valid_symbol(e) for e in found):
            return
    except (ValueError, KeyError):
        pass
    raise ScreeningError(f"{text!r} is no formula", where=where, remedy="such as 'Na2IrO3'")
