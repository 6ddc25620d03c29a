"""The motif graph as a picture and in words, worked out while it is looked at and redrawn when a handle is let go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.desk.workers import Latest
from motifdesk.session.motif_readouts import current_graph
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.motifs import MotifGraph
    from motifdesk.session import State

_WIDTH = 400  # pixels: what the panel has room for with text of a readable size


class NetPane:
    """Shows the graph of the newest state that was asked for, while the page looks at it."""

    def __init__(self, show: Callable[[dict[str, Any]], None]) -> None:
        self._show = show
        self._loop = Latest(self._work, "motifdesk-net")
        self._looked_at = False
        self._state: State | None = None
        self._drawn: Any = None

    def ask(self, state: State) -> None:
        """The design is `state` now (never a preview)."""
        self._state = state
        if self._looked_at:
            self._loop.put(state)

    def look(self, shown: bool) -> None:
        """The page shows the graph, or has turned away."""
        self._looked_at = shown
        if shown and self._state is not None:
            self._loop.put(self._state)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until what was asked for is shown."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    def _work(self, state: State) -> None:
        graph = current_graph(state)
        if graph is not self._drawn or graph is None:
            self._drawn = graph
            self._show(describe_net(graph))


def describe_net(graph: MotifGraph | None) -> dict[str, Any]:
    """The panel of a graph: an SVG picture for light and for dark pages, and for each level from atoms to the structure
    [name, sentence, further lines]."""
    if graph is None:
        return {"svg": {}, "title": "no motifs", "levels": [["motifs", "none could be found", []]]}
    levels: list[list[Any]] = []
    pictures: dict[str, str] = {}
    try:
        levels = [[level.name, level.sentence, list(level.items)] for level in graph.levels()]
        pictures = {theme: graph.picture(width=_WIDTH, theme=theme) for theme in ("light", "dark")}
    except MotifDeskError as error:
        levels.append(["picture", str(error), []])
    return {"svg": pictures, "title": f"Motif graph of {graph!r}", "levels": levels}
