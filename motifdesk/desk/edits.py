"""Edits by name rather than by hand: other species on chosen sites, and a snap to the symmetry that is nearly there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk import palette
from motifdesk.session.outlook import group_of
from motifdesk.session.site_query import orbits
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.session import Session, State

TOLERANCES = (0.01, 0.03, 0.1, 0.3)
"""Angstrom: how far atoms may be moved to restore a symmetry, as offered."""
_EXACT = 1e-3  # Angstrom: symmetry that need not be restored
_MOST_NAMED = 3


def choices(state: State) -> list[tuple[str, str, tuple[int, ...]]]:
    """(key, words, sites) of what can be given another species: picked atoms and their equivalents, the picked motif's
    centre and its like, each species as a whole."""
    pick, graph = state.selection, state.graph
    numbers = [int(n) for n in state.arrays.numbers]
    found: list[tuple[str, str, tuple[int, ...]]] = []
    if pick.atoms:
        named = [f"{palette.symbol(numbers[a])}{a}" for a in pick.atoms[:_MOST_NAMED]]
        more = f" and {len(pick.atoms) - _MOST_NAMED} more" if len(pick.atoms) > _MOST_NAMED else ""
        found.append(("atoms", f"picked: {', '.join(named)}{more}", tuple(pick.atoms)))
        of = orbits(state)
        like = tuple(int(k) for k in np.flatnonzero(np.isin(of, of[list(pick.atoms)])))
        kinds = {numbers[a] for a in pick.atoms}
        if len(kinds) == 1 and len(pick.atoms) < len(like) < numbers.count(min(kinds)):
            found.append(("like", f"equivalent to the picked: {len(like)} {palette.symbol(min(kinds))}", like))
    if pick.motif is not None and graph is not None and pick.motif < len(graph.motifs):
        motif = graph.motifs[pick.motif]
        name = palette.symbol(numbers[motif.centre])
        if pick.atoms != (motif.centre,):
            found.append(("motif", f"centre of the picked motif: {name}{motif.centre}", (motif.centre,)))
        orbit = tuple(m.centre for m in graph.motifs if m.orbit == motif.orbit)
        if len(orbit) > 1:
            found.append(("orbit", f"orbit of the picked motif: {len(orbit)} {name}", orbit))
    for number, count in Counter(numbers).items():
        sites = tuple(k for k, z in enumerate(numbers) if z == number)
        found.append((f"all:{number}", f"all {palette.symbol(number)} ({count})", sites))
    return found


class EditsPane:
    """Publishes ``edits``: what can be substituted, and the space group within each tolerance."""

    def __init__(self, session: Session, output: Output) -> None:
        self.session, self.output = session, output

    def describe(self, state: State, error: str = "") -> dict[str, Any]:
        """The panel of a committed state. A few moyopy runs: call it where the hand rests."""
        return {
            "choices": [[key, words] for key, words, _ in choices(state)],
            "groups": _groups(state),
            "error": error,
        }

    def show(self, error: str = "") -> None:
        """Publish the panel of the design as it is now; while it is being moved the old one stays."""
        state = self.session.state
        if state.preview:
            return
        self.output.publish(edits=self.describe(state, error))

    def on_edit(self, message: dict[str, Any]) -> None:
        """A message of the page. What cannot be done is told beside the fields, and the design stays."""
        try:
            if message["what"] == "substitute":
                self.substitute(str(message["which"]), str(message["element"]))
            elif message["what"] == "snap":
                self.snap(float(message["tolerance"]))
            self.show()
        except MotifDeskError as error:
            self.show(str(error))

    def snap(self, tolerance: float) -> None:
        """Restore the symmetry found within ``tolerance`` (Angstrom); SessionError where that is what there is."""
        arrays = self.session.committed.arrays
        exact, near = group_of(arrays, _EXACT), group_of(arrays, tolerance) if 0.0 < tolerance <= 1.0 else None
        if exact is not None and near is not None and near.symbol == exact.symbol:
            raise SessionError(
                f"no symmetry beyond {exact.symbol} within {tolerance:g} Å",
                where="snap",
                remedy="try a larger tolerance, up to 1 Å",
            )
        self.session.symmetrize(tolerance)

    def substitute(self, which: str, element: str) -> None:
        """Put ``element`` on the sites that ``which`` names (a key of :func:`choices`)."""
        symbol = element.strip().capitalize()
        if symbol not in element_symbols()[1:119]:
            raise SessionError(
                f"{element.strip()[:20]!r} is no element", where="substitute", remedy="write a symbol such as Rh"
            )
        state = self.session.state
        sites = next((sites for key, _, sites in choices(state) if key == which), None)
        if sites is None:
            raise SessionError("nothing like that is picked any more", where="substitute", remedy="choose again")
        self.session.substitute(list(sites), symbol)


def _groups(state: State) -> list[list[Any]]:
    """[tolerance, words, whether it adds to the symmetry there is]: each group once, with the least of the tolerances
    that finds it."""
    rows: list[list[Any]] = []
    exact = last = ""
    for tolerance in (_EXACT, *TOLERANCES):
        group = group_of(state.arrays, tolerance)
        if group is None:
            continue
        if not last:
            exact = group.symbol
            rows.append([tolerance, f"{group.symbol}, as it is", False])
        elif group.symbol == exact:
            rows[0][0] = tolerance
        elif group.symbol != last:
            rows.append([tolerance, f"{group.symbol}, within {tolerance:g} Å", True])
        last = group.symbol
    if len(rows) == 1:
        rows[0][1] = f"{rows[0][1]}; nothing more within {rows[0][0]:g} Å"
    return rows
