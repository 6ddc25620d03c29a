"""Sliders of the cell: its volume, and the six components of its strain against the structure as opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from motifdesk.session.cell_handles import cell_values
from motifdesk.session.ties import STRAINS, VOLUME

if TYPE_CHECKING:
    from motifdesk.session import Session, State

_REACH = 10.0  # percent


def cell_sliders(state: State, session: Session) -> list[dict[str, Any]]:
    """Volume in percent of the structure as opened, strains in percent; none for molecules."""
    values = cell_values(session.history, state)
    if not values:
        return []
    percent = values[VOLUME]
    low, high = min(85.0, percent - 5.0), max(115.0, percent + 5.0)
    sliders: list[dict[str, Any]] = [
        {
            "op": "strain",
            "key": VOLUME,
            "label": "Volume %",
            "spoken": "Volume",
            "hint": "Volume of the cell in percent of the structure as opened; fractions kept",
            "value": percent,
            "min": low,
            "max": high,
            "step": 0.1,
            "rest": 100.0,
            "unit": "%",
            "digits": 1,
        }
    ]
    for key, (i, j) in STRAINS.items():
        value = values[key]
        reach = max(_REACH, abs(value) + 2.0)
        kind = f"strain along {'xyz'[i]}" if i == j else f"shear {'xyz'[i]}{'xyz'[j]} (half the change of the angle)"
        sliders.append(
            {
                "op": "strain",
                "key": key,
                "label": f"ε {'xyz'[i]}{'xyz'[j]} %",
                "spoken": kind,
                "hint": f"{kind}, percent, Cartesian axes, against the structure as opened; fractions kept",
                "value": value,
                "min": -reach,
                "max": reach,
                "step": 0.05,
                "rest": 0.0,
                "unit": "%",
                "digits": 2,
            }
        )
    return sliders
