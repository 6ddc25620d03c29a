"""What a part of the desk may do: hear of changes, answer messages of the page, be waited for, end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motifdesk.session import Change


class Part:
    """A part of a desk with its own threads and messages; the desk calls these, and nothing else of it.

    Parts publish through ``Output.publish``; the page's half is a JavaScript module that reads those traits.
    """

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """Name of a message of the page -> what it does (may raise MotifDeskError: it becomes a message)."""
        return {}

    def heard(self, message: Mapping[str, Any]) -> None:
        """The page says something, whoever answers it. Quick."""

    def changed(self, change: Change) -> None:
        """The session's state was replaced (see :class:`motifdesk.session.Change`). Quick: drags wait for it."""

    def rested(self) -> None:
        """The hand has rested on a committed design, and slower work may begin. On the read-outs' thread."""

    def hold(self) -> None:
        """Commit what is held by a live gesture: undo, export and edits mean the design as it is shown."""

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until what was asked for is done. False if it took longer."""
        return True

    def close(self) -> None:
        """End threads and gestures."""


__all__ = ["Part"]
