"""The sites of the design as a list: picked by words, moved by hand or by numbers, and new ones added; and the ties
of handles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk import palette
from motifdesk.desk.handles import Hands
from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.moving import KEEPS, operations_on_sites
from motifdesk.session.site_query import coordination, find_sites, fractional, orbits, wyckoff
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.session import Change, Gesture, Session, State

MOST_ROWS = 300


def moved_sites(state: State) -> tuple[int, ...]:
    """What a hand takes hold of: the picked atoms, or else the picked motif, centre and ligands, as one."""
    pick, graph = state.selection, state.graph
    if pick.atoms or pick.motif is None or graph is None or pick.motif >= len(graph.motifs):
        return tuple(pick.atoms)
    motif = graph.motifs[pick.motif]
    return tuple(sorted({motif.centre, *(ligand.site for ligand in motif.ligands)}))


def _number(typed: Any) -> float:
    """A coordinate as typed, with a point or a comma. SessionError where it is no finite number."""
    try:
        value = float(str(typed).strip().replace(",", "."))
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise SessionError(f"{str(typed)[:20]!r} is no number", where="coordinate", remedy="type one such as 0.25")
    return value


class SitesPane(Part):
    """Publishes ``sites``: rows while the page looks at them, what is picked, and what could not be done."""

    def __init__(self, session: Session, hands: Hands, output: Output, settle_hands: Callable[[], None]) -> None:
        self.session, self.hands, self.output = session, hands, output
        self._settle_hands = settle_hands
        self._rows = Latest(self._list, "motifdesk-sites")
        self._ready = Latest(self._prepare, "motifdesk-symmetry")
        self._lock = threading.RLock()
        self._gesture: Gesture | None = None
        self._looked_at = False
        self.keep = "free"

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """What the page asks."""
        return {
            "sites": self._on_sites,
            "move_sites": self._on_move,
            "end_sites": lambda m: self._end(str(m.get("how"))),
            "shift_sites": self._told(self._on_shift),
            "place_site": self._told(self._on_place),
            "add_atom": self._told(self._on_add),
            "lock": self._on_lock,
            "couple": self._on_couple,
        }

    # ------------------------------------------------------------------------------------------ picking

    def _on_sites(self, message: dict[str, Any]) -> None:
        if "shown" in message:
            self._looked_at = bool(message["shown"])
        if "keep" in message and message["keep"] in KEEPS:
            self.keep = str(message["keep"])
            self._foresee()
        if "query" in message:
            query = str(message["query"]).strip()
            try:
                found = find_sites(self.session.state, query)
            except MotifDeskError as error:
                self._publish(error=str(error), query=query)
                return
            self._pick(found)
            self._publish(error="" if found or not query else f"no site is {query!r}", query=query)
        if "pick" in message:
            chosen = [int(k) for k in message["pick"]]
            before = list(self.session.state.selection.atoms)
            how = message.get("how", "set")
            if how == "add":
                chosen = [*before, *(k for k in chosen if k not in before)]
            elif how == "toggle":
                chosen = [k for k in before if k not in chosen] + [k for k in chosen if k not in before]
            self._pick(chosen)
            self._publish(error="")
        self._ask()

    def _pick(self, atoms: list[int]) -> None:
        self.hands.release()
        self.session.select(atoms=atoms)

    # ------------------------------------------------------------------------------------------ moving

    def _on_move(self, message: dict[str, Any]) -> None:
        """The hand is ``shift`` (Angstrom) from where it took hold."""
        with self._lock:
            if self._gesture is None or not self._gesture.live:
                self._gesture = self.session.gesture("move_sites")
            self._gesture.update(moved_sites(self.session.committed), message["shift"], self.keep)

    def _end(self, how: str) -> None:
        with self._lock:
            gesture, self._gesture = self._gesture, None
            if gesture is not None and gesture.live:
                gesture.commit() if how == "release" and gesture.draft is not None else gesture.cancel()

    def hold(self) -> None:
        """Commit an atom that is held."""
        self._end("release")

    def _on_shift(self, message: dict[str, Any]) -> None:
        sites = moved_sites(self.session.state)
        if not sites:
            raise SessionError("nothing is picked", where="move", remedy="pick atoms or a motif first")
        self.session.move_sites(sites, message["shift"], keep=self.keep)

    def _on_place(self, message: dict[str, Any]) -> None:
        state, site = self.session.committed, int(message["site"])
        wanted = np.array(fractional(state)[site])
        wanted[int(message["axis"])] = _number(message["value"])
        change = wanted - fractional(state)[site]
        cell = state.arrays.cell
        self.session.move_sites([site], change if cell is None else change @ np.asarray(cell), keep=self.keep)

    def _on_add(self, message: dict[str, Any]) -> None:
        """A new atom at a place of the page (Angstrom), at coordinates typed, or in the middle of what is picked."""
        state = self.session.committed
        cell = state.arrays.cell
        if "position" in message:
            place = np.array([float(v) for v in message["position"]])
        elif str(message.get("at", "")).strip():
            words = str(message["at"]).replace(",", " ").split()
            try:
                typed = np.array([float(w) for w in words])
            except ValueError:
                typed = np.zeros(0)
            if typed.shape != (3,):
                raise SessionError(
                    f"{message['at']!r} is no place", where="add", remedy="type three numbers: 0.5 0.5 0"
                )
            place = typed if cell is None else typed @ np.asarray(cell)
        else:
            sites = list(self.session.state.selection.atoms)
            if not sites:
                raise SessionError(
                    "nothing says where", where="add", remedy="type x y z, pick atoms around the place, or click it"
                )
            place = _middle(state, sites)
        self.session.add_site(str(message["element"]).strip().capitalize(), place)

    def _told(self, work: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        """What cannot be done is told beside the fields, and the design stays."""

        def run(message: dict[str, Any]) -> None:
            try:
                self._settle_hands()
                work(message)
                self._publish(error="")
            except MotifDeskError as error:
                self._publish(error=str(error))

        return run

    # ------------------------------------------------------------------------------------------ ties of handles

    def _on_lock(self, message: dict[str, Any]) -> None:
        self.hands.release()
        (self.session.lock if message["on"] else self.session.unlock)(str(message["key"]))

    def _on_couple(self, message: dict[str, Any]) -> None:
        """One key: it goes alone from now on. Two: the second goes with the first."""
        self.hands.release()
        keys = [str(k) for k in message["keys"]]
        self.session.couple(keys[0], keys[1]) if len(keys) == 2 else self.session.uncouple(keys[0])

    # ------------------------------------------------------------------------------------------ showing

    def changed(self, change: Change) -> None:
        """New rows for a committed design, new marks for a pick."""
        if not change.state.preview:
            self._ask()
            if change.action in ("edit", "undo", "redo", "goto") and self.output.sites.get("error"):
                self._publish(error="")  # it was of what was tried before
            if change.action not in ("locate", "name", "ties"):
                self._foresee()

    def _foresee(self) -> None:
        """What follows a move by symmetry is worked out when something is picked, not when it is moved."""
        if self.keep == "symmetry" and self.session.committed.arrays.is_crystal:
            self._ready.put(self.session.committed)

    def _prepare(self, state: State) -> None:
        try:
            if moved_sites(state):
                operations_on_sites(state)
        except MotifDeskError:
            pass  # the move itself says so

    def _ask(self) -> None:
        if self._looked_at:
            self._rows.put(None)

    def _list(self, _: Any) -> None:
        state = self.session.state
        if state.preview:
            return
        places, counts, of, named = fractional(state), coordination(state), orbits(state), wyckoff(state)
        letters = {int(first): k for k, first in enumerate(dict.fromkeys(of.tolist()), 1)}
        picked = set(state.selection.atoms)
        # picked ones first where there are too many to show
        order = list(range(len(places)))
        if len(order) > MOST_ROWS:
            order = sorted(order, key=lambda k: (k not in picked, k))[:MOST_ROWS]
        rows = [
            [
                k,
                palette.symbol(int(state.arrays.numbers[k])),
                letters[int(of[k])],
                *[f"{v:.4f}" for v in places[k]],
                int(counts[k]) or "",
                named[k],
            ]
            for k in order
        ]
        self._publish(rows=rows, picked=sorted(picked), total=len(places), crystal=state.arrays.cell is not None)

    def _publish(self, **news: Any) -> None:
        with self.output.gate:
            self.output.publish(sites={**self.output.sites, "keep": self.keep, **news})

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait for the rows."""
        return self._rows.settle(timeout) and self._ready.settle(timeout)

    def close(self) -> None:
        """Let go and end the thread."""
        self._end("cancel")
        self._rows.close()
        self._ready.close()


def _middle(state: State, sites: list[int]) -> np.ndarray:
    """The mean of the picked atoms, each taken at its image nearest to the first."""
    x = state.arrays.positions[sites]
    delta = x - x[0]
    if state.arrays.cell is not None:
        cell = np.asarray(state.arrays.cell)
        f = np.linalg.solve(cell.T, delta.T).T
        delta = (f - np.rint(f)) @ cell
    return np.asarray(x[0] + delta.mean(axis=0))
