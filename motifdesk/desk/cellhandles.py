"""Sliders of the cell: its volume, and the six components of its strain against the structure as opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from motifdesk.session import Session, State

VOLUME = "volume"
STRAINS = {"exx": (0, 0), "eyy": (1, 1), "ezz": (2, 2), "eyz": (1, 2), "exz": (0, 2), "exy": (0, 1)}
"""In Voigt's order; shears are the tensor's components, half the change of the angle."""
_REACH = 10.0  # percent
_ANOTHER = 0.6  # a deformation larger than this is another setting of the cell, no strain
_OPENED = ("open", "set_structure", "decode", "build")


def cell_sliders(state: State, session: Session) -> list[dict[str, Any]]:
    """Volume in percent of the structure as opened, strains in percent; none for molecules."""
    if state.arrays.cell is None:
        return []
    percent = 100.0 * volume_per_atom(state) / opened_volume(session)
    low, high = min(85.0, percent - 5.0), max(115.0, percent + 5.0)
    sliders: list[dict[str, Any]] = [
        {
            "op": "strain",
            "key": VOLUME,
            "label": "Volume",
            "hint": "Volume of the cell in percent of the structure as opened; fractions kept",
            "value": percent,
            "min": low,
            "max": high,
            "step": 0.1,
            "rest": 100.0,
            "unit": "%",
            "digits": 1,
        }
    ]
    eta, _ = strain_of(state, opened_cell(session, state))
    for key, (i, j) in STRAINS.items():
        value = round(100.0 * float(eta[i, j]), 9) + 0.0  # no noise, no minus before a nought
        reach = max(_REACH, abs(value) + 2.0)
        kind = f"strain along {'xyz'[i]}" if i == j else f"shear {'xyz'[i]}{'xyz'[j]} (half the change of the angle)"
        sliders.append(
            {
                "op": "strain",
                "key": key,
                "label": f"ε {'xyz'[i]}{'xyz'[j]}",
                "spoken": kind,
                "hint": f"{kind}, percent, Cartesian axes, against the structure as opened; fractions kept",
                "value": value,
                "min": -reach,
                "max": reach,
                "step": 0.05,
                "rest": 0.0,
                "unit": "%",
                "digits": 2,
            }
        )
    return sliders


def cell_change(session: Session, key: str, value: float) -> dict[str, Any]:
    """What to ask of the "strain" gesture so that the slider ``key`` stands at ``value`` (percent)."""
    committed = session.committed
    if key == VOLUME:
        return {"volume": value / 100.0 * opened_volume(session) / volume_per_atom(committed)}
    start = opened_cell(session, committed)
    eta, turn = strain_of(committed, start)
    i, j = STRAINS[key]
    wanted = np.array(eta)
    wanted[i, j] = wanted[j, i] = value / 100.0
    now = np.linalg.solve(start, np.asarray(committed.arrays.cell))
    # rows: cell = start (1 + eta) turn
    return {"deformation": np.linalg.solve(now, (np.eye(3) + wanted) @ turn).tolist()}


def strain_of(state: State, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(eta [3, 3] symmetric, rotation [3, 3]) of the polar decomposition: cell = start (1 + eta) rotation."""
    left, sizes, right = np.linalg.svd(np.linalg.solve(start, np.asarray(state.arrays.cell)))
    return (left * sizes) @ left.T - np.eye(3), left @ right


def volume_per_atom(state: State) -> float:
    """Cubic Angstrom."""
    return float(state.arrays.volume) / len(state.arrays.numbers)


def opened_volume(session: Session) -> float:
    """Volume per atom of the last structure that was opened, set or decoded on the way to the design (100 %)."""
    state = _last(session, _OPENED)
    return volume_per_atom(state) if state.arrays.cell is not None else 1.0


def opened_cell(session: Session, state: State) -> np.ndarray:
    """Rows of the cell that strains are told against: as opened, or as it is where the setting is another since."""
    now = np.asarray(state.arrays.cell)
    start = _last(session, (*_OPENED, "supercell")).arrays.cell
    if start is None:
        return now
    change = np.linalg.solve(np.asarray(start), now)
    return now if np.abs(change - np.eye(3)).max() > _ANOTHER else np.asarray(start)


def _last(session: Session, kinds: tuple[str, ...]) -> State:
    return session.history.last(kinds).state
