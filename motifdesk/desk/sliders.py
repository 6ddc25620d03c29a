"""What the page needs of a slider that turns a mode on."""

from __future__ import annotations

from typing import Any


def amplitude(value: float, reach: float, **words: str) -> dict[str, Any]:
    """A slider of an amplitude in Angstrom, from -``reach`` to ``reach`` around 0.

    ``words``: key, label, irrep, hint and what else the page says of it."""
    return {
        "op": "distort",
        **words,
        "value": float(value),
        "min": -reach,
        "max": reach,
        "step": 0.005,
        "rest": 0.0,
        "unit": "Å",
        "digits": 3,
    }
