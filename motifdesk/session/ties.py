"""Handles that are locked and handles that move together: part of the document, no step of its history.

A handle is named by its key: that of a mode of a motif or of the whole crystal, a strain component ("exx" ... "exy"),
or "volume". Locks and ties belong to a stretch of the history in which the keys mean the same handles: undo of a slider
keeps them, undo past an opening brings those of the structure before back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.session.history import History
    from motifdesk.session.tree import Node

VOLUME = "volume"
STRAINS = {"exx": (0, 0), "eyy": (1, 1), "ezz": (2, 2), "eyz": (1, 2), "exz": (0, 2), "exy": (0, 1)}
"""In Voigt's order; shears are the tensor's components, half the change of the angle."""
CELL = frozenset((VOLUME, *STRAINS))
"""Keys of the handles of the cell."""

_SAME = 1e-6  # Angstrom or percent: two amplitudes are one
# of the steps that lead to another structure, this one keeps sites and motifs, and with them the keys of modes ...
_SAME_SITES = frozenset(("substitute",))
# ... and after these the cell goes on as it was
_SAME_CELL = frozenset(("supercell", "add_site", "delete_sites"))


@dataclass(frozen=True)
class Ties:
    """``locked``: keys of handles that stay as they are. ``groups``: {key: ratio} each, handles whose departures from
    rest keep the ratio (Angstrom of modes, percent of strains and of volume)."""

    locked: frozenset[str] = frozenset()
    groups: tuple[Mapping[str, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.locked or self.groups)

    def lock(self, key: str, on: bool = True) -> Ties:
        """With a handle locked, or let go."""
        return replace(self, locked=self.locked | {key} if on else self.locked - {key})

    def couple(self, a: str, b: str, ratio: float = 1.0) -> Ties:
        """With ``b`` moving ``ratio`` times as far as ``a``; what is tied to either comes along. SessionError for a
        ratio of 0 and for handles that no one gesture moves together."""
        if a == b:
            raise SessionError("one handle alone", where="couple", remedy="name two handles")
        if not np.isfinite(ratio) or not ratio:
            raise SessionError(f"a ratio of {ratio:g}", where="couple", remedy="give another one, or lock that handle")
        if (a in CELL) != (b in CELL):
            raise SessionError(
                "a strain and a mode cannot be tied",
                where="couple",
                remedy="tie strains and volume to one another, modes to modes",
            )
        first = dict(self.group_of(a)) or {a: 1.0}
        second = {} if b in first else dict(self.group_of(b))
        scale = ratio * first[a] / second.get(b, 1.0)
        joined = {**first, **{k: r * scale for k, r in (second or {b: 1.0}).items()}}
        rest = tuple(g for g in self.groups if not (set(g) & set(joined)))
        return replace(self, groups=(*rest, joined))

    def uncouple(self, key: str) -> Ties:
        """With a handle out of its group; a group of one is none."""
        left = ({k: r for k, r in group.items() if k != key} for group in self.groups)
        return replace(self, groups=tuple(group for group in left if len(group) > 1))

    def group_of(self, key: str) -> Mapping[str, float]:
        """{key: ratio} of the group a handle belongs to; empty where it moves alone."""
        return next((group for group in self.groups if key in group), {})

    def number(self, key: str) -> int:
        """The group's number from 1, 0 for none: shown beside the handle."""
        return next((k for k, group in enumerate(self.groups, 1) if key in group), 0)

    def of_cell(self) -> Ties:
        """Only what concerns strains and volume."""
        return Ties(self.locked & CELL, tuple(g for g in self.groups if set(g) <= CELL))

    def followed(
        self,
        asked: Mapping[str, float],
        now: Mapping[str, float],
        where: str = "distort",
        told: Callable[[str], str] = str,
    ) -> dict[str, float]:
        """``asked`` (departures from rest) with what is tied to it; a locked handle does not go with its group.

        What is asked of a handle that it has already (``now``; 0 by default) moves nothing. SessionError when a locked
        handle is asked to move, or two tied ones against their ratio; ``told``: words for a key.
        """
        wanted = dict(asked)
        for key, value in asked.items():
            if abs(value - now.get(key, 0.0)) <= _SAME:
                continue
            if key in self.locked:
                raise SessionError(
                    f"the handle {told(key)} is locked", where=where, remedy=f"session.unlock({key!r}) lets go of it"
                )
            group = self.group_of(key)
            for other, ratio in group.items():
                if other == key or other in self.locked:
                    continue
                follows = value * ratio / group[key]
                if abs(wanted.setdefault(other, follows) - follows) > _SAME * max(1.0, abs(follows)):
                    raise SessionError(
                        f"the handles {told(key)} and {told(other)} are tied, {group[key]:g} : {ratio:g}",
                        where=where,
                        remedy=f"move one of them, or session.uncouple({other!r})",
                    )
        return wanted

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries."""
        return {"locked": sorted(self.locked), "groups": [dict(group) for group in self.groups]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Ties:
        """Of :meth:`to_json`; ValueError, TypeError or KeyError for anything else."""
        groups = tuple({str(k): float(r) for k, r in group.items()} for group in data["groups"])
        ratios = [r for group in groups for r in group.values()]
        if any(len(g) < 2 for g in groups) or not all(np.isfinite(r) and r for r in ratios):
            raise ValueError("ties without a ratio")
        if len(ratios) != len({k for group in groups for k in group}):
            raise ValueError("a handle tied twice")
        if not all(isinstance(k, str) for k in data["locked"]):
            raise TypeError("locks that are no keys")
        return Ties(frozenset(data["locked"]), groups)


NONE = Ties()


def home(history: History, node: int | None = None) -> Node:
    """The step with which the handles of a node (default: the current one) began to mean what they mean."""
    nodes = history.nodes
    at = nodes.setting(history[history.current if node is None else node].id)
    while (parent := nodes.parent(at)) is not None and nodes[at].kind in _SAME_SITES:
        at = nodes.setting(parent)
    return nodes[at]


def ties_of(history: History, node: int | None = None) -> Ties:
    """Locks and ties in force at a node (default: the current one)."""
    if not history.ties:
        return NONE
    cell_only = False
    while True:
        here = home(history, node)
        found = history.ties.get(here.id)
        if found is not None:
            return found.of_cell() if cell_only else found
        if here.parent is None or here.kind not in _SAME_CELL:
            return NONE
        cell_only, node = True, here.parent


def ties_to_json(ties: Mapping[int, Ties]) -> dict[str, Any]:
    """{node: locks and ties} with the nodes as strings."""
    return {str(node): held.to_json() for node, held in ties.items()}


def ties_from_json(data: Any, nodes: Iterable[int]) -> dict[int, Ties]:
    """Of :func:`ties_to_json`; files from before there were any have none."""
    found = {int(node): Ties.from_json(held) for node, held in (data or {}).items()}
    if not set(found) <= set(nodes):
        raise ValueError("ties of a step that there is not")
    return found
