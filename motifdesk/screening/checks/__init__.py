"""Checks: each looks at one candidate and says passed, rejected or could not judge, with the reason.

>>> judge = Checks({"contacts": {"shortest": 0.7}})
>>> candidate = judge(candidate); candidate.verdicts

Cheap checks come first and the first rejection ends the judging. Motifs, space group and composition are computed once
per candidate, when a check asks for them, and shared.
"""

from .judging import CHECKS, Checks, Look

__all__ = ["CHECKS", "Checks", "Look"]
