"""A live gesture: many previews, one named edit at the end, and nothing at all when it is cancelled."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from motifdesk.session.state import State
from motifdesk.session.workers import Draft, Worker
from motifdesk.structures.checks import refuse_collapse
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session.engine import Engine


class Gesture:
    """A slider drag, a probe drag, or any other change that is shown while it is made.

    ``update`` computes and shows a preview; ``commit`` turns the last preview into one edit of the history;
    ``cancel`` returns to the committed state exactly. As a context manager it commits on leaving, and cancels when an
    exception passes through.

    Only one gesture is live in a session: a newer gesture, edit or undo ends it (newest wins). Updates may come from
    several threads; one that has been overtaken by a newer one before it began is dropped.
    """

    def __init__(self, session: Engine, worker: Worker) -> None:
        self._session = session
        self.worker = worker
        self.kind = worker.kind
        self.draft: Draft | None = None
        self.ended: str | None = None
        """None while live; then "committed", "cancelled", or what ended it."""
        self._work = threading.RLock()
        self._tickets = 0
        self._ticket_lock = threading.Lock()

    @property
    def live(self) -> bool:
        """Whether updates still reach the design."""
        return self.ended is None

    def compute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Draft | None:
        """Run the worker (None when overtaken by a newer update). Foreign exceptions become one SessionError."""
        with self._ticket_lock:
            self._tickets += 1
            ticket = self._tickets
        with self._work:
            if ticket < self._tickets or not self.live:
                return None
            try:
                draft = self.worker.update(*args, **kwargs)
            except MotifDeskError:
                raise
            except Exception as error:
                raise SessionError(
                    f"{self.kind} failed ({type(error).__name__}: {error})",
                    where=repr(self._session.name),
                    remedy="the design is unchanged; try other parameters",
                ) from error
            refuse_collapse(draft.state.arrays, self.kind)
            self.draft = draft
            return draft

    def update(self, *args: Any, **kwargs: Any) -> State:
        """Preview with these parameters (those of the session method of the same name). Returns the state now on the
        desk.

        Raises a MotifDeskError and leaves the state as it was when the parameters cannot be followed.
        """
        draft = self.compute(args, kwargs)
        return self._session.state if draft is None else self._session._show(self, draft)

    def commit(self) -> State:
        """Make the last preview one edit; without one, nothing. SessionError when something else ended the gesture."""
        return self._session._commit(self)

    def cancel(self) -> State:
        """Back to the committed state; a cold decode that is still running stops at its next progress report."""
        return self._session._cancel(self)

    def __enter__(self) -> Gesture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        elif self.ended not in ("committed", "cancelled"):
            self.commit()
