"""Energy and forces of the design while it moves, by the bundled potential.

Nothing is loaded until the designer rests ("idle"): a desk that is being opened needs no torch. What the potential
does not know (molecules, elements it has not seen) gets no row."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from motifdesk.session.motif_readouts import Row, Sheet, named
from motifdesk.session.state import State
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.screening.energies.distilled import DistilledCalculator, Live
    from motifdesk.structures import AtomArrays

MOST_MOVING = 120  # atoms: above, only at rest
_lock = threading.Lock()
_loaded = threading.Event()
_last: tuple[AtomArrays, Live | None] | None = None  # what was asked last


@cache
def _calculator() -> DistilledCalculator:
    from motifdesk.screening.energies.distilled import DistilledCalculator

    return DistilledCalculator()


def load_live() -> bool:
    """Bring the potential into memory; False where its weights cannot be had (then there are no rows)."""
    with _lock:
        try:
            _calculator()
        except MotifDeskError:
            return False
        _loaded.set()
        return True


def live_refusal(state: State) -> str:
    """ "" if the potential has a say about the state, otherwise why not. Only once it is loaded."""
    return _calculator().knows(state.arrays) if len(state.arrays.numbers) else "there are no atoms"


def force_error() -> float:
    """eV/A: mean absolute error of the components of forces against CHGNet. Only once it is loaded."""
    return _calculator().errors["forces"] / 1000.0


def live_energy(state: State) -> Live | None:
    """Answers for the state as it is now, previews included; None where the potential is not loaded or does not
    know."""
    global _last
    if not _loaded.is_set():
        return None
    with _lock:  # figures, colours and arrows ask about one frame from their own threads: it is computed once
        if _last is not None and _last[0] is state.arrays:
            return _last[1]
        try:
            found = None if live_refusal(state) else _calculator().live(state.arrays)
        except MotifDeskError:  # atoms on one site
            found = None
        _last = (state.arrays, found)
        return found


def live_rows(sheet: Sheet, state: State) -> None:
    """Tier "move": energy per atom with its mean error against CHGNet, and the largest force with its atom."""
    if state.preview and len(state.arrays) > MOST_MOVING:
        return
    found = live_energy(state)
    if found is None:
        return
    error = _calculator().errors["energy"] / 1000.0
    value = f"{found.per_atom:.3f} ± {error:.2f}"
    sheet.rows.append(Row("live_energy", "Energy, distilled CHGNet", value, "eV/atom", "move", found.per_atom))
    if len(found.forces) > 1:
        atom = int((found.forces**2).sum(axis=1).argmax())
        value = f"{found.fmax:.2f} on {named(state, atom)}"
        sheet.rows.append(Row("live_force", "Largest force, distilled", value, "eV/Å", "move", found.fmax))
