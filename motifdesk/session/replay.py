"""Do every edit again from its recipe and compare with what was stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.session.engine import WORKERS
from motifdesk.session.history import History, Node, Nodes
from motifdesk.session.lean import shelved
from motifdesk.session.services import Services
from motifdesk.session.state import Reference, State, frozen_mapping, rebased
from motifdesk.session.workers import Draft
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.session.session import Session

TOLERANCE = 1e-6
"""Angstrom: the largest difference of a coordinate or cell component between stored and recomputed."""


@dataclass(frozen=True)
class Mismatch:
    """An edit that did not come out as stored. ``versions``: name -> (then, now) of everything that differs."""

    node: int
    name: str
    deviation: float | None
    reason: str
    versions: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        changed = ", ".join(f"{k} {then} -> {now}" for k, (then, now) in self.versions.items()) or "no version differs"
        return f"node {self.node} ({self.name}): {self.reason}; {changed}"


@dataclass(frozen=True)
class Replay:
    """What a replay found. ``session``: the rebuilt session (stored results where an edit did not come out the same);
    ``deviations``: node -> largest difference in Angstrom; ``mismatches``: the edits that differ by more than 1e-6
    Angstrom, or failed."""

    session: Session
    deviations: Mapping[int, float]
    mismatches: tuple[Mismatch, ...]

    @property
    def exact(self) -> bool:
        """Whether every edit came out as stored."""
        return not self.mismatches

    def __repr__(self) -> str:
        worst = max(self.deviations.values(), default=0.0)
        text = f"<Replay of {len(self.session.history)} nodes, largest difference {worst:.1e} Å"
        return text + "".join(f"; {m}" for m in self.mismatches) + ">"


def deviation(a: AtomArrays, b: AtomArrays) -> float | None:
    """Largest difference of positions and cell in Angstrom; None when the atoms are not the same."""
    if len(a.numbers) != len(b.numbers) or (a.numbers != b.numbers).any() or (a.cell is None) != (b.cell is None):
        return None
    worst = float(np.abs(a.positions - b.positions).max())
    return worst if a.cell is None else max(worst, float(np.abs(a.cell - b.cell).max()))


def other_versions(history: History, services: Services) -> Mapping[str, tuple[str, str]]:
    """Name -> (then, now) of every version behind a step that is another one now; the newest step counts."""
    found: dict[str, tuple[str, str]] = {}
    seen: set[int] = set()
    for node in history:
        if id(node.edit.versions) in seen:
            continue
        seen.add(id(node.edit.versions))
        now = services.versions(node.edit.kind)
        for name, then in node.edit.versions.items():
            if name in now and now[name] != then:
                found[name] = (then, now[name])
    return frozen_mapping(found)


def again(node: Node, origin: State, services: Services) -> Draft:
    """The draft of one edit computed from its parameters."""
    return WORKERS[node.edit.kind].replay(services, origin, node.edit.parameters, node.edit.seed)


def replay(history: History, services: Services) -> tuple[History, Mapping[int, float], tuple[Mismatch, ...]]:
    """Rebuild ``history`` from its source and recipe alone; each edit starts from the *recomputed* parent."""
    nodes = Nodes()
    deviations: dict[int, float] = {}
    mismatches: list[Mismatch] = []
    for node in history:
        stored = node.state
        difference: float | None
        reason: str | None
        if node.parent is None:
            state = replace(stored, reference=Reference(stored.arrays, stored.reference.template))
            rebase, reason, difference = True, None, 0.0
        else:
            origin = nodes[node.parent].state
            reason = None
            try:
                draft = again(node, origin, services)
                state, rebase = draft.state, draft.rebase
                difference = deviation(state.arrays, stored.arrays)
                if difference is None:
                    reason = "other atoms came out"
                elif difference > TOLERANCE:
                    reason = f"differs by {difference:.2e} Å"
            except (MotifDeskError, KeyError, TypeError, ValueError) as error:
                difference, reason = None, f"failed: {error}"
            if reason is not None:
                rebase = node.edit.kind != "distort"
                if rebase:
                    kept = rebased(origin, stored.arrays, stored.reference.template)
                    state = replace(kept, latent=stored.latent)
                else:
                    state = replace(stored, reference=origin.reference)
                state = replace(state, notes=(*stored.notes, f"replayed differently: {reason}"))
        if difference is not None:
            deviations[node.id] = difference
        if reason is not None:
            then = node.edit.versions
            now = services.versions(node.edit.kind)
            changed = {
                k: (then.get(k, "-"), now.get(k, "-"))
                for k in sorted({*then, *now})
                if then.get(k, "-") != now.get(k, "-")
            }
            mismatches.append(Mismatch(node.id, node.edit.name, difference, reason, frozen_mapping(changed)))
        base = node.id if rebase else nodes[node.parent].state.base  # type: ignore[index]
        state = replace(
            state,
            node=node.id,
            base=base,
            label=node.edit.name,
            selection=stored.selection,
            preview=False,
            version=0,
        )
        above = None if node.parent is None else nodes[node.parent].state
        nodes = nodes.added(Node(node.id, node.parent, node.edit, shelved(state, above, node.edit)))
    return replace(history, nodes=nodes.linked_as(history.nodes)), frozen_mapping(deviations), tuple(mismatches)
