"""Numbers about a design in three tiers: "move" (while the pointer moves), "release" (after an edit), "idle" (when
there is time).

Every set is stamped with the version and node of the state it was computed from, so that a display can grey what is
stale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from motifdesk.session.contacts import contacts
from motifdesk.session.live_energy import live_rows, load_live
from motifdesk.session.manifold_readouts import manifold_rows
from motifdesk.session.motif_readouts import Row, Sheet, motif_rows, shape_rows, valence_rows
from motifdesk.session.network_readouts import cost_rows, flag_rows, neighbour_rows
from motifdesk.session.outlook import group_of
from motifdesk.session.predicted_readouts import predicted_rows
from motifdesk.session.services import Services
from motifdesk.session.state import State
from motifdesk.structures.errors import SessionError

TIERS = ("move", "release", "idle")
TOLERANCES = (0.01, 0.1)
"""Angstrom: a strict and a forgiving search; a small tilt shows as the difference of the two."""
# a point between codes need not be the code of anything: that is not the decoder's failure, but it is no exact decode
_BETWEEN = "this is near the code asked for, no structure with just that code was found"


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


def readouts(
    state: State, tier: str, services: Services, missing: str | None = None, parent: State | None = None
) -> Readouts:
    """Read-outs of ``state`` up to and including ``tier``. A number that cannot be had is left out, never NaN.

    ``missing``: why the design could not be located in the latent space, if it could not. ``parent``: the step before,
    which changed neighbours are told against.
    """
    if tier not in TIERS:
        raise SessionError(f"unknown tier {tier!r}", where="readouts", remedy=f"choose one of {', '.join(TIERS)}")
    steps: list[Callable[[Sheet, State, Services], None]] = [_move]
    if tier != "move":
        steps.append(lambda sheet, state, services: _release(sheet, state, parent))
        steps.append(lambda sheet, state, services: predicted_rows(sheet, state, services, wait=tier == "idle"))
        steps.append(lambda sheet, state, services: _landed(sheet, state))
    if tier == "idle":
        steps += [lambda sheet, state, services: manifold_rows(sheet, state, services, wait=True), _idle]
    else:
        steps.append(manifold_rows)
    sheet = Sheet()
    for step in steps:
        step(sheet, state, services)
    if missing is not None:
        sheet.text("missing", "Predictions", f"not available: {missing}", "release")
    verdict = Verdict(not sheet.reasons, tuple(sheet.reasons))
    return Readouts(state.version, state.node, state.preview, tier, tuple(sheet.rows), verdict)


def _move(sheet: Sheet, state: State, services: Services) -> None:
    count = len(state.arrays)
    sheet.text("formula", "Formula", f"{state.formula} ({count} atom{'s' * (count != 1)})", "move")
    if state.arrays.is_crystal:
        sheet.number("volume", "Volume per atom", state.arrays.volume / len(state.arrays), 2, "Å³", "move")
    found = contacts(state.arrays)
    if found.shortest is not None and found.tightest is not None:
        short = found.too_short > 0
        value = f"{found.shortest.name} {found.shortest.length:.3f}"
        sheet.rows.append(Row("contact", "Shortest contact", value, "Å", "move", found.shortest.length, short))
        if short:
            more = f" and {found.too_short - 1} more" if found.too_short > 1 else ""
            sheet.object(
                f"{found.tightest.name} {found.tightest.length:.2f} Å is {found.tightest.fraction:.2f} of the "
                f"bond radii (below {found.tightest.limit:g}){more}"
            )
    live_rows(sheet, state)
    motif_rows(sheet, state)
    flag_rows(sheet, state)
    latent = state.latent
    if latent.residual is not None:
        unsure = not latent.converged
        value = f"{latent.residual:.2g} ({latent.source})" if latent.source else f"{latent.residual:.2g}"
        sheet.rows.append(Row("residual", "Decode residual", value, "", "move", latent.residual, unsure))
        if unsure:
            words = _BETWEEN if latent.source in ("drag", "path") else "the decode has not converged"
            sheet.object(f"{words} (residual {latent.residual:.2g})")
    for note in state.notes:
        sheet.object(note)


def _release(sheet: Sheet, state: State, parent: State | None) -> None:
    if state.arrays.is_crystal:
        for tolerance in TOLERANCES:
            group = group_of(state.arrays, tolerance)
            if group is not None:  # atoms on one site have no space group; the contacts say so
                label = f"Space group within {tolerance:g} Å"
                sheet.text(f"space_group_{tolerance:g}", label, group.name, "release")
    elif (group := group_of(state.arrays)) is not None:
        sheet.text("point_group", f"Point group within {group.tolerance:g} Å", group.name, "release")
    cost_rows(sheet, state)
    shape_rows(sheet, state)
    neighbour_rows(sheet, state, parent)
    valence_rows(sheet, state)


def _landed(sheet: Sheet, state: State) -> None:
    latent = state.latent
    if not latent.stale:
        if latent.xy is not None:
            sheet.text("landed", "On the map at", f"({latent.xy[0]:.2f}, {latent.xy[1]:.2f})", "release")
            if latent.target_xy is not None:
                off = math.dist(latent.xy, latent.target_xy)
                sheet.number("off_target", "Off the point asked for by", off, 2, "map units", "release")


def _idle(sheet: Sheet, state: State, services: Services) -> None:
    load_live()
    latent = state.latent
    if latent.root is None or latent.stale or not services.atlas_loaded:
        return
    from motifdesk.codec.codes import Codes

    for k, near in enumerate(services.atlas.neighbours(Codes(root=latent.root[None]), k=3)[0]):
        value = f"{near.formula} ({near.source} {near.id}), distance {near.distance:.3g}"
        sheet.rows.append(
            Row(
                f"nearest_{k}",
                "Nearest known" if k == 0 else f"Nearest known {k + 1}",
                value,
                "",
                "idle",
                near.distance,
            )
        )
