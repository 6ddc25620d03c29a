"""Known structures on the desk: a search or a lasso on the map, a table of what was found, the pointer's card."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from motifdesk.desk.sketch import sketch
from motifdesk.desk.workers import Latest
from motifdesk.structures.errors import AtlasError, MotifDeskError

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.desk.map import MapPane
    from motifdesk.session import Session

MOST_ROWS = 40
_MATERIALS_PROJECT = "https://next-gen.materialsproject.org/materials/"


class Finds:
    """What was searched for or lassoed on the map. Publishes ``finds`` and ``card``; filters the map's big trace."""

    def __init__(self, session: Session, output: Output, pane: MapPane) -> None:
        self.session, self.output, self.pane = session, output, pane
        self._lock = threading.RLock()
        self._sketches = lru_cache(maxsize=256)(self._sketch)
        self._slow = Latest(lambda work: work(), "motifdesk-finds")
        self._cards = Latest(self._card, "motifdesk-card")
        self._listed = False
        self._query = ""  # the search that is in force, and the points that answered to it
        self._asked: np.ndarray = np.zeros(0, dtype=int)
        self._chosen: np.ndarray | None = None  # indices of the search or lasso; None: the neighbours of the design

    # ------------------------------------------------------------------------------------------ from the page

    def on_find(self, message: dict[str, Any]) -> None:
        """A message of the page: a search, a lasso, the list looked at or left, a point hovered over, one opened."""
        if "query" in message:
            query = str(message["query"])
            self._slow.put(lambda: self._try(query))
        elif "polygon" in message:
            polygon = message["polygon"]
            self._slow.put(lambda: self._lasso(polygon))
        elif "lasso" in message:
            indices = [int(i) for i in message["lasso"]]
            self._slow.put(lambda: self.take(indices))
        elif "listed" in message:
            self._listed = bool(message["listed"])
            self.ask()
        elif "hover" in message:
            point = None if message["hover"] is None else (int(message.get("curve", 0)), int(message["hover"]))
            self._cards.put(point)
        elif "open" in message:
            self.open(int(message["open"]), int(message.get("curve", 0)))

    def ask(self) -> None:
        """The design has come to rest: bring the list up to date if somebody looks at it."""
        if self._listed and self.pane.atlas is not None:
            self._slow.put(self.refresh)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until what was asked for is shown."""
        return self._slow.settle(timeout) and self._cards.settle(timeout)

    def close(self) -> None:
        """End the threads."""
        self._slow.close()
        self._cards.close()

    def _try(self, query: str) -> None:
        try:
            self.search(query)
        except AtlasError as error:
            # what was found before stays
            self.output.publish(finds={**self.output.finds, "error": str(error), "query": query})

    def _lasso(self, polygon: Any) -> None:
        try:
            found = self.pane.lassoed(polygon)
        except AtlasError as error:
            self.output.publish(finds={**self.output.finds, "error": str(error)})
            return
        with self._lock:
            if self._query:
                found = np.intersect1d(found, self._asked)  # what the search has faded is not meant
        self.take(found)

    # ------------------------------------------------------------------------------------------ what is found

    def search(self, query: str) -> int:
        """Show on the map, and list, the known structures that answer to ``query``; how many. "" shows all again.

        The words are those of :func:`motifdesk.atlas.searching.search`. Raises AtlasError naming the word at fault.
        """
        from motifdesk.atlas.searching import search

        atlas = self._atlas()
        query = query.strip()
        with self._lock:
            self._query = ""
            if not query:
                self._chosen = None
                self.pane.emphasise(None)
                self._publish("", query)
                return len(atlas)
            found = np.flatnonzero(search(atlas, query))
            self._chosen = self._asked = found
            self._query = query
            self.pane.emphasise(found)
            self._publish(f"{len(found)} of {len(atlas)} answer to “{query}”", query)
            return len(found)

    def take(self, indices: Iterable[int]) -> int:
        """List these points of the map (a lasso); how many they are."""
        atlas = self._atlas()
        chosen = np.unique(np.asarray(indices if isinstance(indices, np.ndarray) else list(indices), dtype=int))
        chosen = chosen[(chosen >= 0) & (chosen < len(atlas))]
        with self._lock:
            self._chosen = chosen if len(chosen) else None
            self.pane.emphasise(self._chosen)
            self._publish(f"{len(chosen)} in the lasso" if len(chosen) else "nothing in the lasso", None)
            return len(chosen)

    def refresh(self) -> None:
        """The design has come to rest elsewhere: the order of the list, or its nearest neighbours, follow."""
        with self._lock:
            if self.pane.atlas is not None:
                self._publish(None, None)

    def open(self, index: int, curve: int = 0) -> None:
        """Put a known structure on the desk, as one step that can be undone; a point of a layer is the layer's to
        open."""
        layer = self.pane.layer_of(curve)
        if layer is not None:
            if layer.opened is not None and index < len(layer.xy):
                layer.opened(int(index))
            return
        columns = self._atlas().columns
        known, formula = str(columns["id"][int(index)]), str(columns["formula"][int(index)])
        name = known if "." in known else f"{known} {formula}"  # a file is called after its formula already
        self.session.set_structure(self._atlas().structure(int(index)), name=name)

    def _card(self, point: tuple[int, int] | None) -> None:
        """The card of the point under the pointer, or none."""
        card: dict[str, Any] = {}
        if point is not None:
            curve, index = point
            layer = self.pane.layer_of(curve)
            try:
                if layer is not None:
                    card = dict(layer.card(index)) if layer.card is not None and index < len(layer.xy) else {}
                elif self.pane.atlas is not None and 0 <= index < len(self.pane.atlas):
                    card = {**self._row(index, None), "facts": self._facts(index)}
            except MotifDeskError:
                card = {}
            card = card and {**card, "index": index, "curve": curve}
        self.output.publish(card=card)

    # ------------------------------------------------------------------------------------------ rows

    def _publish(self, title: str | None, query: str | None) -> None:
        before = self.output.finds
        refreshed = title is None
        latent = self.session.state.latent
        rows = []
        if self._chosen is not None:
            order = self._chosen
            gaps = self._distances(order)
            if gaps is not None:
                rank = np.argsort(gaps, kind="stable")
                order, gaps = order[rank], gaps[rank]
            rows = [
                self._row(int(i), None if gaps is None else float(gaps[k])) for k, i in enumerate(order[:MOST_ROWS])
            ]
        elif latent.root is not None:
            title = "nearest to the design in the latent space"
            near = self._atlas().neighbours(self._code(), 12)[0]
            rows = [self._row(n.index, n.distance) for n in near]
        else:
            title = "the design has no place on the map yet"
        total = len(rows) if self._chosen is None else len(self._chosen)
        self.output.publish(
            finds={
                "title": before.get("title", "") if title is None else title,
                "more": max(0, total - len(rows)),
                "rows": rows,
                "query": before.get("query", "") if query is None else query,
                "error": before.get("error", "") if refreshed else "",
            }
        )

    def _distances(self, indices: np.ndarray) -> np.ndarray | None:
        """Latent distance of these points to the design, or None before it has a code."""
        code = self._code()
        return None if code is None else self._atlas().distances(code, indices)[0]

    def _code(self) -> Any:
        from motifdesk.codec import Codes

        root = self.session.state.latent.root
        return None if root is None else Codes(root=root[None])

    def _row(self, index: int, distance: float | None) -> dict[str, Any]:
        from motifdesk.atlas.searching import space_group_symbols

        columns = self._atlas().columns
        source, identifier = str(columns["source"][index]), str(columns["id"][index])
        group = int(columns["spacegroup"][index]) if "spacegroup" in columns else 0
        return {
            "index": index,
            "formula": str(columns["formula"][index]),
            "group": space_group_symbols()[group],
            "source": source,
            "id": identifier,
            "atoms": int(columns["natoms"][index]),
            "distance": None if distance is None else round(distance, 2),
            "link": _MATERIALS_PROJECT + quote(identifier, safe="") if identifier.startswith("mp-") else "",
            "picture": self._sketches(index),
        }

    def _facts(self, index: int) -> list[str]:
        columns = self._atlas().columns
        facts = []
        for name, words, unit in (
            ("formation_energy", "formation energy", "eV/atom"),
            ("energy_above_hull", "above the hull", "eV/atom"),
            ("band_gap", "band gap", "eV"),
        ):
            value = float(columns[name][index]) if name in columns else float("nan")
            if np.isfinite(value):
                facts.append(f"{words} {value:.2f} {unit}")
        return facts

    def _sketch(self, index: int) -> str:
        try:
            return sketch(self._atlas().arrays(index))
        except MotifDeskError:
            return ""

    def _atlas(self) -> Any:
        if self.pane.atlas is None:
            raise AtlasError("the map is not open yet", where="map search", remedy="wait until its points are drawn")
        return self.pane.atlas
