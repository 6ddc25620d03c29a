"""The registry: every family by its name."""

from __future__ import annotations

from motifdesk.structures.errors import TopologyError

from . import frameworks, stackings
from .declaring import Family, Filling, Parameter, Published

__all__ = ["FAMILIES", "Family", "Filling", "Parameter", "Published", "family"]

FAMILIES = {family.name: family for family in (*stackings.ALL, *frameworks.ALL)}


def family(name: str) -> Family:
    """A family by its name; TopologyError with the known names otherwise."""
    try:
        return FAMILIES[name]
    except (KeyError, TypeError):
        raise TopologyError(
            f"there is no family {name!r}", where="build", remedy=f"choose one of {', '.join(FAMILIES)}"
        ) from None
