"""A campaign's candidates on the desk: points on the map beside the corpora, a table, stars, and the way to the design.

Publishes the trait ``candidates``; its page half is ``campaign.js``. Columns are read once (`screening.Listing`),
structures only of the rows that are shown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.campaignlayer import BY, paint
from motifdesk.desk.parts import Part
from motifdesk.desk.sketch import sketch
from motifdesk.desk.workers import Latest
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.desk.map import MapPane
    from motifdesk.screening.listing import Listing
    from motifdesk.session import Session

PAGE = 40
_SORTS = ("starred", "formula", "status", "energy_per_atom", "above_hull", "natoms", "generator")


class CampaignPane(Part):
    """What a campaign proposed: shown by :meth:`show`, closed by :meth:`hide`.

    Parameters
    ----------
    session, pane : of the desk
    publish, report : of the desk, for the trait and for messages
    """

    def __init__(
        self,
        session: Session,
        pane: MapPane,
        publish: Callable[..., None],
        report: Callable[[Exception | str], None],
    ) -> None:
        self.session, self.pane = session, pane
        self._publish, self._report = publish, report
        self._lock = threading.RLock()
        self._slow = Latest(lambda work: work(), "motifdesk-candidates")
        self._listing: Listing | None = None
        self._placed: np.ndarray = np.zeros(0, dtype=int)  # rows of the layer's points
        self._found = np.zeros(0, dtype=int)
        self._lasso: np.ndarray | None = None
        self._query, self._by, self._sort, self._descending, self._page = "", "above_hull", "above_hull", False, 0
        self._legend: list[list[str]] = []
        self._said, self._error, self._waiting, self._map_over = "", "", False, False
        self._sketches = lru_cache(maxsize=400)(self._sketch)
        self._about = lru_cache(maxsize=400)(self._stability)
        self._show()

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        return {"campaign": self._on}

    def map_opened(self) -> None:
        """The map's own points are there, or will never be: ours may follow."""
        with self._lock:
            self._map_over = True
            if self._waiting:
                self._waiting = False
                self._draw()
                self._show()

    def settle(self, timeout: float = 60.0) -> bool:
        return self._slow.settle(timeout)

    def close(self) -> None:
        self._slow.close()
        with self._lock:
            if self._listing is not None:
                self._listing.close()
                self._listing = None

    # ------------------------------------------------------------------------------------------------ from Python

    def show(self, source: Any) -> int:
        """Put the candidates of a store (its path, a `Store` or a `Campaign`) on the map and in the table; how many.

        ScreeningError: no such store. What was shown before stays then.
        """
        from motifdesk.screening.listing import Listing

        made = Listing(source)
        with self._lock:
            before, self._listing = self._listing, made
            if before is not None and before.store is not made.store:
                before.close()
            self._query, self._lasso, self._page, self._said, self._error = "", None, 0, "", ""
            self._sort, self._descending = "above_hull", False
            known = np.isfinite(made.columns["above_hull"]).any()
            self._by = "above_hull" if known else "status"
            self._forget()
            self._search()
            self._draw()
            self._show()
        return len(made)

    def hide(self) -> None:
        """Take the campaign off the desk; its store stays as it is."""
        with self._lock:
            if self._listing is not None:
                self._listing.close()
            self._listing, self._found, self._lasso = None, np.zeros(0, dtype=int), None
            self._draw()
            self._show()

    @property
    def listing(self) -> Listing:
        """The columns that are shown. SessionError when there is no campaign on the desk."""
        if self._listing is None:
            raise SessionError(
                "no campaign is on the desk", where="candidates", remedy="desk.show_campaign('campaign.sqlite')"
            )
        return self._listing

    def search(self, query: str) -> int:
        """Show the candidates that answer to a query (words of `Listing.search`), on the map and in the table."""
        with self._lock:
            _ = self.listing.search(query)  # a word at fault leaves what is shown
            self._query, self._lasso, self._page, self._error = query.strip(), None, 0, ""
            self._search()
            self._draw()
            self._show()
            return len(self._found)

    def open(self, row: int) -> None:
        """Put a candidate (its row of the listing) on the desk: one edit that undo takes back, with its provenance in
        the recipe."""
        candidate = self.listing.candidate(int(row))
        structure = candidate.final
        self.session.set_structure(structure, name=f"{structure.composition.reduced_formula} {candidate.id}")
        self._tell(f"{candidate.id} is on the desk")

    def star(self, row: int, on: bool) -> None:
        """Mark a candidate for the shortlist, or take the mark off; kept in the store."""
        with self._lock:
            self.listing.star(int(row), on)
            self._show()

    def export(self, folder: str) -> Path:
        """The starred candidates as CIFs with a table, recipes and hand-overs (`screening.exporting`)."""
        from motifdesk.screening.listing import export_starred

        written = export_starred(self.listing.store, Path(folder).expanduser())
        self._tell(f"{int(self.listing.starred.sum())} candidates written to {written}")
        return written

    def refresh(self) -> None:
        """Read the store again: a campaign that runs has more."""
        with self._lock:
            count = self.listing.refresh()
            self._forget()
            self._lasso = None
            self._search()
            self._draw()
            self._show()
        self._tell(f"{count:,} candidates read")

    # ------------------------------------------------------------------------------------------------ from the page

    def _on(self, message: dict[str, Any]) -> None:
        what = str(message.get("what"))
        if what == "open":
            self.open(int(message["row"]))
        elif what == "star":
            self.star(int(message["row"]), bool(message["on"]))
        elif what == "hide":
            self.hide()
        else:
            self._slow.put(lambda: self._try(what, message))

    def _try(self, what: str, message: dict[str, Any]) -> None:
        """Slower wishes, on a thread of their own; a refusal is said where it was asked for."""
        try:
            if what == "show":
                self.show(str(message["path"]))
            elif what == "search":
                self.search(str(message["query"]))
            elif what == "refresh":
                self.refresh()
            elif what == "export":
                self.export(str(message["folder"]))
            elif what == "colour":
                self.colour_by(str(message["by"]))
            elif what == "sort":
                self.sort(str(message["by"]), bool(message["descending"]))
            elif what == "page":
                self.turn(int(message["page"]))
        except (MotifDeskError, OSError) as error:
            with self._lock:
                self._error, self._said = str(error), ""
                self._show()

    def colour_by(self, by: str) -> None:
        """Colour the points by "above_hull", "energy_per_atom", "density", "status" or "generator"."""
        if by not in BY:
            raise SessionError(f"no colouring {by!r}", where="candidates", remedy=f"one of {', '.join(BY)}")
        with self._lock:
            self._by = by
            self._draw()
            self._show()

    def sort(self, by: str, descending: bool = False) -> None:
        """Sort the table by a column; what is unknown comes last."""
        if by not in _SORTS:
            raise SessionError(f"cannot be sorted by {by!r}", where="candidates", remedy=f"one of {', '.join(_SORTS)}")
        with self._lock:
            self._sort, self._descending, self._page = by, descending, 0
            self._search()
            self._show()

    def turn(self, page: int) -> None:
        """Show another page of the table."""
        with self._lock:
            self._page = min(max(0, page), max(0, (len(self._found) - 1) // PAGE))
            self._show()

    # ------------------------------------------------------------------------------------------------ the map

    def _draw(self) -> None:
        """The candidates found, as a layer of the map; those without a place are counted and said."""
        listing = self._listing
        if self.session.services.has_atlas and not self._map_over:
            self._waiting = listing is not None  # after the big trace: a figure is not given two at once while it opens
            return
        layer = self.pane.layer("campaign", "candidates", card=self._card, opened=self._open_point, lassoed=self._take)
        if listing is None:
            layer.clear()
            self._placed, self._legend = np.zeros(0, dtype=int), []
            return
        c = listing.columns
        rows = self._found[np.isfinite(c["x"][self._found]) & np.isfinite(c["y"][self._found])]
        self._placed = np.sort(rows)
        self._legend = paint(layer, c, self._placed, self._by)

    def _card(self, point: int) -> dict[str, Any]:
        row = self._row(int(self._placed[point]))
        facts = [row["status"] + (f": {row['reason']}" if row["reason"] else "")]
        if row["energy"]:
            facts.append(f"{row['energy']} eV/atom" + (f", {row['above']} above the hull" if row["above"] else ""))
        return {
            **{k: row[k] for k in ("formula", "group", "atoms", "picture")},
            "facts": [*facts, "double click: to the desk"],
            "id": row["id"],
        }

    def _open_point(self, point: int) -> None:
        self.open(int(self._placed[point]))

    def _take(self, points: np.ndarray) -> None:
        """A lasso on the map: its candidates are the table."""
        with self._lock:
            self._lasso = self._placed[np.asarray(points, dtype=int)] if len(points) else None
            self._page = 0
            self._search()
            self._show()

    # ------------------------------------------------------------------------------------------------ the table

    def _search(self) -> None:
        found = self.listing.search(self._query, self._sort, self._descending)
        if self._lasso is not None:
            found = found[np.isin(found, self._lasso)]
        self._found = found

    def _tell(self, text: str) -> None:
        with self._lock:
            self._said, self._error = text, ""
            self._show()

    def _forget(self) -> None:
        self._sketches.cache_clear()
        self._about.cache_clear()

    def _show(self) -> None:
        listing = self._listing
        if listing is None:
            self._publish(candidates={"open": False, "error": self._error, "rows": []})
            return
        rows = [self._row(int(k)) for k in self._found[self._page * PAGE : (self._page + 1) * PAGE]]
        total, unplaced = len(listing), int((~np.isfinite(listing.columns["x"][self._found])).sum())
        text = f"{len(self._found):,} of {total:,} candidates" + (" in the lasso" if self._lasso is not None else "")
        if unplaced:
            text += f"; {unplaced:,} not on the map"
        self._publish(
            candidates={
                "open": True,
                "name": listing.name,
                "file": listing.store.path.name,
                "text": text,
                "said": self._said,
                "error": self._error,
                "rows": rows,
                "page": self._page,
                "pages": max(1, -(-len(self._found) // PAGE)),
                "sort": self._sort,
                "descending": self._descending,
                "query": self._query,
                "by": self._by,
                "options": [[k, v] for k, v in BY.items()],
                "legend": self._legend,
                "starred": int(listing.starred.sum()),
            }
        )

    def _row(self, row: int) -> dict[str, Any]:
        from motifdesk.atlas.searching import space_group_symbols

        listing = self.listing
        c = listing.columns
        group = c["spacegroup"][row]
        said = str(c["reason"][row] or "") or self._about(row)
        if c["duplicate_of"][row]:
            said = f"same as {c['duplicate_of'][row]}" + (f"; {said}" if said else "")
        if c["converged"][row] == 0:
            said = "not converged" + (f"; {said}" if said else "")
        return {
            "row": row,
            "id": str(c["id"][row]),
            "formula": str(c["formula"][row] or ""),
            "group": space_group_symbols()[int(group)] if np.isfinite(group) and 0 < group < 231 else "",
            "atoms": int(c["natoms"][row]) if np.isfinite(c["natoms"][row]) else 0,
            "status": str(c["status"][row]),
            "energy": _number(c["energy_per_atom"][row]),
            "above": _number(c["above_hull"][row]),
            "generator": str(c["generator"][row]),
            "reason": said,
            "new": bool(c["novel"][row] == 1),
            "star": bool(listing.starred[row]),
            "picture": self._sketches(row),
        }

    def _sketch(self, row: int) -> str:
        try:
            candidate = self.listing.candidate(row)
            arrays = candidate.arrays if candidate.relaxed is None else candidate.relaxed
            return "" if arrays is None else sketch(arrays)
        except MotifDeskError:
            return ""

    def _stability(self, row: int) -> str:
        from motifdesk.screening.stability.keeping import said_of

        return said_of(self.listing.store, self.listing.key(row))


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else ""


__all__ = ["PAGE", "CampaignPane"]
