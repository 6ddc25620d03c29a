"""Options of generators, checks and calculators as a plan writes them: names, types, ranges, one clear refusal."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ScreeningError


@dataclass(frozen=True)
class Option:
    """One option: its default (whose type it must have, unless that is None), a range of numbers, and what it means.

    kinds: the types allowed where the default does not say; "text", "number", "whole", "flag", "list", "table", "any".
    """

    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    kind: str = ""
    needed: bool = False


def complete(given: Mapping[str, Any], options: Mapping[str, Option], where: str) -> dict[str, Any]:
    """`given` with the defaults; ScreeningError for an unknown name (with the nearest known one), type or range."""
    for name in given:
        if name not in options:
            near = difflib.get_close_matches(str(name), options, 1)
            known = ", ".join(options) or "none"
            remedy = f"did you mean {near[0]!r}?" if near else f"known: {known}"
            raise ScreeningError(f"there is no option {name!r}", where=where, remedy=remedy)
    out = {}
    for name, option in options.items():
        if name not in given:
            if option.needed:
                raise ScreeningError(f"{name} is missing", where=where, remedy=f"{name}: {option.help}")
            out[name] = option.default
            continue
        out[name] = _checked(name, given[name], option, where)
    return out


def _checked(name: str, value: Any, option: Option, where: str) -> Any:
    kind = option.kind or _kind(option.default)
    if not _fits(value, kind):
        raise ScreeningError(f"{name} = {value!r} is no {_WORDS[kind]}", where=where, remedy=f"{name}: {option.help}")
    if kind in ("number", "whole"):
        low = -math.inf if option.low is None else option.low
        high = math.inf if option.high is None else option.high
        if not low <= value <= high:
            raise ScreeningError(f"{name} = {value}", where=where, remedy=f"choose from {low:g} to {high:g}")
        return int(value) if kind == "whole" else float(value)
    return value


def _kind(default: Any) -> str:
    kinds = ((bool, "flag"), (int, "whole"), (float, "number"), (str, "text"), ((list, tuple), "list"))
    return next((k for t, k in kinds if isinstance(default, t)), "table" if isinstance(default, Mapping) else "any")


_WORDS = {
    "flag": "true or false",
    "whole": "whole number",
    "number": "finite number",
    "text": "text",
    "list": "list",
    "table": "table",
    "any": "value",
}


def _fits(value: Any, kind: str) -> bool:
    if kind == "any":
        return True
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "whole":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind == "text":
        return isinstance(value, str) and bool(value.strip())
    return isinstance(value, list | tuple) if kind == "list" else isinstance(value, Mapping)
