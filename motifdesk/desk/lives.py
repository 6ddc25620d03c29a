"""A desk's life in its notebook: following and being followed, callbacks, comparison, and making room for its successor
when its cell is run again.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motifdesk.desk.linking import watched
from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.desk.autosave import Autosave
    from motifdesk.desk.channels import Output
    from motifdesk.desk.comparing import ComparePane
    from motifdesk.session import Change, Comparison, Session

_BY_CELL: dict[str, list[weakref.ref[Any]]] = {}


class Lives:
    """The desk's half that lasts. Mixed into :class:`motifdesk.desk.Desk`."""

    session: Session
    _output: Output
    _autosave: Autosave
    _compare: ComparePane
    _callbacks: list[Callable[[], None]]
    _cell: str | None
    _run: int
    _shown_by: set[str | None]

    if TYPE_CHECKING:

        def _report(self, error: Exception | str, level: str = "error") -> None: ...
        def close(self) -> None: ...

    @property
    def key(self) -> str:
        """The name of this desk in its page."""
        return str(self._output.key)

    def on_change(self, callback: Callable[[Change], Any], *, previews: bool = False) -> Callable[[], None]:
        """Call ``callback(change)`` after every change of the design; returns a function that ends it.

        ``change`` (:class:`motifdesk.session.Change`) has the state before and now, the edit that was committed, and
        the action. ``previews``: also while a handle is held. Called in the thread that edits, one change at a time; an
        exception becomes a message on the desk. ``desk.observe`` stays what it is for every widget (traits).
        """
        end = self.session.observe(watched(callback, previews, self._report))
        self._callbacks.append(end)
        return end

    def compare(self, a: int | None = None, b: int | None = None) -> Comparison | None:
        """Show two steps of the history side by side over structure and map; how they differ. No arguments: end."""
        if a is None and b is None:
            self._compare.end()
            return None
        if a is None or b is None:
            raise SessionError("one step alone", where="compare", remedy="give two steps, such as desk.compare(2, 5)")
        return self._compare.compare(a, b)

    @property
    def autosave(self) -> bool:
        """Whether the desk saves its session by itself. May be set."""
        return self._autosave.on

    @autosave.setter
    def autosave(self, on: bool) -> None:
        self._autosave.switch(bool(on))

    @property
    def saved_as(self) -> Path | None:
        """The file the session was last saved to by itself; None before."""
        return self._autosave.keeper.path

    def follow_cameras(self, keys: Iterable[str], follow: bool = True) -> None:
        """Let the camera follow those of the desks with these keys (see :func:`motifdesk.desk.link`), or no longer."""
        with self._output.gate:
            now = set(self._output.cameras)
            self._output.publish(cameras=sorted(now | set(keys) if follow else now - set(keys)))

    def _begin_life(self) -> None:
        self._callbacks = []
        self._cell = running_cell()
        self._shown_by = set()
        make_room(self)

    def _end_life(self) -> None:
        while self._callbacks:
            self._callbacks.pop()()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self._shown_by.add(running_cell())
        return super()._repr_mimebundle_(**options)  # type: ignore[misc]


def running_cell() -> str | None:
    """The notebook cell that is being run, as far as its front end says (JupyterLab, Notebook 7); else None."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    kernel = getattr(get_ipython(), "kernel", None)
    try:
        return str(kernel.get_parent("shell")["metadata"]["cellId"]) if kernel is not None else None
    except (AttributeError, KeyError, TypeError):
        return None


def run_number() -> int:
    """Which execution of the kernel this is."""
    from IPython import get_ipython

    return int(getattr(get_ipython(), "execution_count", 0))


def notebook_name() -> str | None:
    """The stem of the notebook that this kernel runs, as far as its server says (Jupyter, VS Code); else None."""
    path = os.environ.get("JPY_SESSION_NAME")
    if not path:
        try:
            from IPython import get_ipython
        except ImportError:
            return None
        shell = get_ipython()
        path = None if shell is None else shell.user_ns.get("__vsc_ipynb_file__")
    return Path(str(path)).stem if path and str(path).endswith(".ipynb") else None


def a_page_is_there() -> bool:
    """Whether a notebook's kernel runs this, whose page a person may look at; not in scripts and tests, nor behind
    Voila, where visitors of a published page are no owners of its folder."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    if os.environ.get("SERVER_SOFTWARE", "").lower().startswith("voila"):
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def make_room(desk: Any) -> None:
    """A desk from an earlier run of the same cell, shown nowhere else, is closed: its page is gone, and widgets,
    threads and map would stay for good. Its session lives on (and is saved)."""
    cell, run = desk._cell, run_number()
    if cell is None:
        return
    desk._run = run
    stay = []
    for reference in _BY_CELL.get(cell, []):
        old = reference()
        if old is None or old._closed:
            continue
        if old._run != run and old._shown_by <= {cell}:
            old.close()
        else:
            stay.append(reference)
    _BY_CELL[cell] = [*stay, weakref.ref(desk)]
