"""The one error of this room that a person can mend."""

from __future__ import annotations

from motifdesk.structures.errors import MotifDeskError


class ScreeningError(MotifDeskError):
    """A plan, store, generator, check or calculator that cannot be honoured."""
