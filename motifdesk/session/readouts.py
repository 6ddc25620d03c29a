"""Numbers about a design in three tiers: "move" (while the pointer moves), "release" (after an edit), "idle" (when
there is time).

Every set is stamped with the version and node of the state it was computed from, so that a display can grey what is
stale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from motifdesk.session.contacts import TOO_SHORT, contacts
from motifdesk.session.services import Services
from motifdesk.session.state import State
from motifdesk.structures.errors import MotifDeskError, SessionError

TIERS = ("move", "release", "idle")
TOLERANCES = (0.01, 0.1)
"""Angstrom: a strict and a forgiving search; a small tilt shows as the difference of the two."""
VALENCE_OFF = 0.5
"""Valence units by which a bond-valence sum may miss the oxidation state before the verdict mentions it."""


@dataclass(frozen=True)
class Row:
    """One line of the read-outs. ``number`` is the bare value where there is one; ``warn`` marks what the verdict
    objects to."""

    key: str
    label: str
    value: str
    unit: str
    tier: str
    number: float | None = None
    warn: bool = False


@dataclass(frozen=True)
class Verdict:
    """One line: is the thing sane. ``reasons`` are sentences, worst first."""

    sane: bool
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "Looks sane" if self.sane else "Check: " + "; ".join(self.reasons)


@dataclass(frozen=True)
class Readouts:
    """Rows computed from one state, with the stamp of that state."""

    version: int
    node: int
    preview: bool
    tier: str
    rows: tuple[Row, ...]
    verdict: Verdict

    def as_rows(self) -> list[tuple[str, str, str, str]]:
        """(label, value, unit, tier) for display."""
        return [(r.label, r.value, r.unit, r.tier) for r in self.rows]

    def __getitem__(self, key: str) -> Row:
        for row in self.rows:
            if row.key == key:
                return row
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return any(r.key == key for r in self.rows)

    def is_stale(self, state: State) -> bool:
        """Whether ``state`` is another one than these numbers were computed from."""
        return state.version != self.version

    def __str__(self) -> str:
        lines = [f"{r.label}: {r.value} {r.unit}".rstrip() for r in self.rows]
        return "\n".join([*lines, str(self.verdict)])


class _Sheet:
    """Collects rows and objections; what is not a finite number is left out."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.reasons: list[str] = []

    def text(self, key: str, label: str, value: str, tier: str, warn: bool = False) -> None:
        self.rows.append(Row(key, label, value, "", tier, None, warn))

    def number(
        self, key: str, label: str, value: float | None, digits: int, unit: str, tier: str, warn: bool = False
    ) -> None:
        if value is not None and math.isfinite(value):
            self.rows.append(Row(key, label, f"{value:.{digits}f}", unit, tier, float(value), warn))

    def object(self, reason: str) -> None:
        self.reasons.append(reason)


def readouts(state: State, tier: str, services: Services) -> Readouts:
    """Read-outs of ``state`` up to and including ``tier``. A number that cannot be had is left out, never NaN."""
    if tier not in TIERS:
        raise SessionError(f"unknown tier {tier!r}", where="readouts", remedy=f"choose one of {', '.join(TIERS)}")
    steps: list[Callable[[_Sheet, State, Services], None]] = [_move]
    if tier != "move":
        steps.append(_release)
    if tier == "idle":
        steps.append(_idle)
    sheet = _Sheet()
    for step in steps:
        step(sheet, state, services)
    verdict = Verdict(not sheet.reasons, tuple(sheet.reasons))
    return Readouts(state.version, state.node, state.preview, tier, tuple(sheet.rows), verdict)


def _move(sheet: _Sheet, state: State, services: Services) -> None:
    sheet.text("formula", "Formula", f"{state.formula} ({len(state.arrays)} atoms)", "move")
    if state.arrays.is_crystal:
        sheet.number("volume", "Volume per atom", state.arrays.volume / len(state.arrays), 2, "Å³", "move")
    found = contacts(state.arrays)
    if found.shortest is not None and found.tightest is not None:
        short = found.too_short > 0
        sheet.rows.append(
            Row("contact", "Shortest contact", str(found.shortest)[:-2], "Å", "move", found.shortest.length, short)
        )
        if short:
            more = f" and {found.too_short - 1} more" if found.too_short > 1 else ""
            sheet.object(f"{found.tightest} is {found.tightest.fraction:.2f} of the bond radii (< {TOO_SHORT}){more}")
    latent = state.latent
    if latent.residual is not None:
        # a moved structure is no longer what was decoded
        if not (latent.stale and state.amplitudes):
            sheet.rows.append(
                Row(
                    "residual",
                    "Decode residual",
                    f"{latent.residual:.1e}",
                    "",
                    "move",
                    latent.residual,
                    not latent.converged,
                )
            )
            if not latent.converged:
                sheet.object(f"the decode has not converged (residual {latent.residual:.1e})")
    for note in state.notes:
        sheet.object(note)


def _release(sheet: _Sheet, state: State, services: Services) -> None:
    if state.arrays.is_crystal:
        from motifdesk.structures.symmetry import space_group

        for tolerance in TOLERANCES:
            try:
                group = space_group(state.arrays, tolerance)
            except MotifDeskError:
                continue
            label = f"Space group within {tolerance:g} Å"
            sheet.text(f"space_group_{tolerance:g}", label, f"{group.symbol} ({group.number})", "release")


def _idle(sheet: _Sheet, state: State, services: Services) -> None:
    np.asarray(0)
