"""The handles of the cell: its volume and the six components of its strain, against the structure as opened.

Values are percent: strains of the symmetric tensor eta of the polar decomposition cell = start (1 + eta) rotation,
with ``start`` the cell as opened; the volume of that of the structure as opened, 100 at rest. Locks and ties hold here
too: with the volume locked a strain is made good by the normal strains that are free, and a volume is made of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.ties import CELL, STRAINS, VOLUME, Ties, ties_of
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session.history import History
    from motifdesk.session.state import State
    from motifdesk.structures.symmetry import SpaceGroup

_OPENED = ("open", "set_structure", "decode", "build", "slab")
_ANOTHER = 0.6  # a deformation larger than this is another setting of the cell, no strain
_NORMAL = ("exx", "eyy", "ezz")
_FARTHEST = 0.5  # of a strain, on the way to a volume
_TRIAL = 2.0  # percent
_TOLERANCE = 0.01  # Angstrom


def cell_values(history: History, state: State) -> dict[str, float]:
    """{key: percent} of the seven handles of a crystal; {} for a molecule."""
    if state.arrays.cell is None:
        return {}
    eta, _ = strain_of(state, opened_cell(history, state))
    # no noise, no minus before a nought
    values = {key: round(100.0 * float(eta[place]), 9) + 0.0 for key, place in STRAINS.items()}
    return {VOLUME: 100.0 * _volume(state) / opened_volume(history), **values}


def cell_deformation(history: History, state: State, to: Mapping[str, Any], ties: Ties) -> np.ndarray:
    """The deformation [3, 3] (new cell rows = cell times it) that sets handles of the cell to these values (percent),
    as ``ties`` ask; the others stay where nothing asks more of them. SessionError where it cannot be."""
    asked = _asked(to)
    now = {**cell_values(history, state)}
    now[VOLUME] -= 100.0
    wanted = ties.followed(asked, now, "strain", told)
    start = opened_cell(history, state)
    eta, turn = strain_of(state, start)
    before = np.eye(3) + eta
    after = np.array(before)
    for key in STRAINS.keys() & wanted.keys():
        i, j = STRAINS[key]
        after[i, j] = after[j, i] = float(i == j) + wanted[key] / 100.0
    if VOLUME in wanted or VOLUME in ties.locked:
        # the volume as opened may be that of another cell: percents are carried over as a ratio
        factor = (100.0 + wanted.get(VOLUME, now[VOLUME])) / (100.0 + now[VOLUME])
        after = _to_volume(after, float(np.linalg.det(before)) * factor, set(wanted), ties)
    cell_now = np.linalg.solve(start, np.asarray(state.arrays.cell))
    return np.linalg.solve(cell_now, after @ turn)  # rows: cell = start (1 + eta) turn


def checked(history: History, before: State, after: State, ties: Ties) -> None:
    """SessionError if the cell of ``after`` breaks locks or ties that held in ``before``."""
    old, new = (cell_values(history, state) for state in (before, after))
    for values in (old, new):
        values[VOLUME] -= 100.0
    ties.followed(new, old, "strain", told)


def told(key: str) -> str:
    """Words for a key: "strain xx", "volume"."""
    return key if key == VOLUME else f"{'strain' if key in _NORMAL else 'shear'} {key[1:]}"


def _asked(to: Mapping[str, Any]) -> dict[str, float]:
    """Departures from rest in percent."""
    if not isinstance(to, Mapping) or not to or not set(to) <= CELL:
        raise SessionError(
            f"{sorted(map(str, to)) if isinstance(to, Mapping) else to!r} are no handles of the cell",
            where="strain",
            remedy=f"choose among {', '.join((VOLUME, *STRAINS))}",
        )
    out = {}
    for key, value in to.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise SessionError(f"{told(key)} is no number: {value!r}", where="strain", remedy="give percents")
        out[key] = number - 100.0 * (key == VOLUME)
    if not -90.0 <= out.get(VOLUME, 0.0) <= 900.0:
        raise SessionError(f"a volume of {to[VOLUME]:g} %", where="strain", remedy="choose it between 10 and 1000 %")
    return out


def _to_volume(after: np.ndarray, volume: float, moved: set[str], ties: Ties) -> np.ndarray:
    """``after`` (1 + eta) brought to the determinant ``volume`` by the normal strains that nothing holds, tied ones in
    their ratio; with nothing held at all, evenly."""
    strains = moved & STRAINS.keys()
    held = strains | (ties.locked & STRAINS.keys())
    if not held and not ties.of_cell().groups:
        return after * np.cbrt(volume / np.linalg.det(after))
    way = np.zeros((3, 3))
    for key in _NORMAL:
        group = ties.group_of(key)
        if key in held or any(k in strains for k in group):
            continue
        for k, ratio in (group or {key: 1.0}).items():
            if k in STRAINS and k not in held:
                i, j = STRAINS[k]
                way[i, j] = way[j, i] = ratio / abs(group.get(key, 1.0))
    t = _root(after, way, volume)
    if t is None:
        raise SessionError(
            "what is locked or tied leaves no strain free that would keep the volume",
            where="strain",
            remedy="unlock the volume or one of the strains xx, yy, zz",
        )
    return np.asarray(after + t * way)


def _root(start: np.ndarray, way: np.ndarray, volume: float) -> float | None:
    """The t of least size with det(start + t way) = volume: the determinant is a cubic in t."""
    at = np.array([-1.0, 0.0, 1.0, 2.0])
    cubic = np.polyfit(at, [np.linalg.det(start + t * way) - volume for t in at], 3)
    cubic[np.abs(cubic) < 1e-13] = 0.0
    if not cubic[:-1].any():
        return 0.0 if not cubic[-1] else None
    roots = np.roots(cubic)
    real = [float(r.real) for r in roots if abs(r.imag) < 1e-9]
    best = min(real, key=abs, default=np.inf)
    return best if abs(best) * np.abs(way).max() <= _FARTHEST else None


def strain_of(state: State, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(eta [3, 3] symmetric, rotation [3, 3]) of the polar decomposition: cell = start (1 + eta) rotation."""
    left, sizes, right = np.linalg.svd(np.linalg.solve(start, np.asarray(state.arrays.cell)))
    return (left * sizes) @ left.T - np.eye(3), left @ right


def opened_volume(history: History) -> float:
    """Volume (cubic Angstrom) that counts as 100 %: that of the cell last opened, built, cut or decoded on the way to
    the design, as many times as supercells have repeated it since. Atoms put in or taken out change nothing of it."""
    nodes, factor = history.nodes, 1.0
    at = nodes.setting(history.current)
    while (parent := nodes.parent(at)) is not None and nodes[at].kind not in _OPENED:
        if nodes[at].kind == "supercell":
            factor *= _volume(nodes[at].state) / _volume(nodes[parent].state)
        at = nodes.setting(parent)
    return factor * _volume(nodes[at].state)


def _volume(state: State) -> float:
    return 1.0 if state.arrays.cell is None else float(state.arrays.volume or 1.0)


def opened_cell(history: History, state: State) -> np.ndarray:
    """Rows of the cell that strains are told against: as opened, or as it is where the setting is another since."""
    now = np.asarray(state.arrays.cell)
    start = _last(history, (*_OPENED, "supercell")).arrays.cell
    if start is None:
        return now
    change = np.linalg.solve(np.asarray(start), now)
    return now if np.abs(change - np.eye(3)).max() > _ANOTHER else np.asarray(start)


def _last(history: History, kinds: tuple[str, ...]) -> State:
    return history.last(kinds).state


def cell_leads_to(history: History, state: State, key: str) -> SpaceGroup | None:
    """The space group (within 0.01 Angstrom) after 2 % more of a handle of the cell, what is tied to it with it; None
    for a molecule, a locked handle, and where there is no answer."""
    from motifdesk.structures.arrays import AtomArrays
    from motifdesk.structures.symmetry import space_group

    ties = ties_of(history)
    if state.arrays.cell is None or key in ties.locked:
        return None
    now = cell_values(history, state)[key]
    rest = 100.0 * (key == VOLUME)
    try:
        more = now + (_TRIAL if now >= rest else -_TRIAL)
        deformation = cell_deformation(history, state, {key: more}, ties)
        arrays = state.arrays
        return space_group(
            AtomArrays(arrays.numbers, arrays.positions @ deformation, arrays.cell @ deformation), _TOLERANCE
        )
    except MotifDeskError:
        return None
