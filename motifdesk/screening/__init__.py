"""Screening: from one design to thousands, and back to the few worth computing.

>>> campaign = Campaign("plan.toml"); campaign.run()
>>> best = campaign.store.candidates("status = 'passed' AND duplicate_of IS NULL", order="above_hull", limit=10)

Names resolve on first use: importing this room imports neither torch nor pymatgen.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Campaign": "campaign",
    "Candidate": "candidate",
    "Checks": "checks",
    "Energy": "candidate",
    "Generator": "generators",
    "Plan": "plan",
    "ScreeningError": "errors",
    "Store": "store",
    "Verdict": "candidate",
    "make_calculator": "energies",
    "make_generator": "generators",
    "relax": "energies",
}

__all__ = [
    "Campaign",
    "Candidate",
    "Checks",
    "Energy",
    "Generator",
    "Plan",
    "ScreeningError",
    "Store",
    "Verdict",
    "make_calculator",
    "make_generator",
    "relax",
]

if TYPE_CHECKING:
    from .campaign import Campaign as Campaign
    from .candidate import Candidate as Candidate
    from .candidate import Energy as Energy
    from .candidate import Verdict as Verdict
    from .checks import Checks as Checks
    from .energies import make_calculator as make_calculator
    from .energies import relax as relax
    from .errors import ScreeningError as ScreeningError
    from .generators import Generator as Generator
    from .generators import make_generator as make_generator
    from .plan import Plan as Plan
    from .store import Store as Store


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
