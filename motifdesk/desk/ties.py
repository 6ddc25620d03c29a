"""Handles that are locked, and handles that move together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from motifdesk.structures.errors import SessionError


class Ties:
    """Locks and couplings of mode handles, by key. A locked handle keeps its amplitude when others are moved or reset;
    coupled handles keep the ratio of their amplitudes."""

    def __init__(self) -> None:
        self.locked: set[str] = set()
        self._groups: list[dict[str, float]] = []

    def lock(self, key: str, on: bool = True) -> None:
        """Lock a handle, or let go of it."""
        (self.locked.add if on else self.locked.discard)(key)

    def couple(self, ratios: Mapping[str, float] | Iterable[str]) -> None:
        """Tie handles: {key: ratio}, or keys that move alike. A handle belongs to one group; None of them may be 0."""
        group = dict(ratios) if isinstance(ratios, Mapping) else dict.fromkeys(ratios, 1.0)
        if len(group) < 2:
            raise SessionError("one handle alone", where="couple", remedy="name two handles or more")
        if any(not r for r in group.values()):
            raise SessionError("a ratio of 0", where="couple", remedy="give ratios other than 0, or lock that handle")
        for key in group:
            self.uncouple(key)
        self._groups.append({key: float(r) for key, r in group.items()})

    def uncouple(self, key: str) -> None:
        """Take a handle out of its group; a group of one is none."""
        for group in self._groups:
            group.pop(key, None)
        self._groups = [group for group in self._groups if len(group) > 1]

    def group_of(self, key: str) -> dict[str, float]:
        """{key: ratio} of the group a handle belongs to; empty where it moves alone."""
        return next((group for group in self._groups if key in group), {})

    def number(self, key: str) -> int:
        """The group's number from 1, 0 for none: shown beside the handle."""
        return next((k for k, group in enumerate(self._groups, 1) if key in group), 0)

    def moved(self, key: str, value: float) -> dict[str, float]:
        """Amplitudes to set when ``key`` is moved to ``value``: its group's with it, the locked ones not."""
        group = self.group_of(key)
        if not group:
            return {key: value}
        return {k: value * r / group[key] for k, r in group.items() if k == key or k not in self.locked}
