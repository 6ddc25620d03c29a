"""Two designs of one history, number by number: cells and read-outs of both, and which atoms have moved."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from motifdesk.session.compare import Comparison
from motifdesk.session.readouts import Readouts, readouts
from motifdesk.session.services import Services
from motifdesk.session.state import Reference, State
from motifdesk.structures.arrays import AtomArrays, element_symbols

_LEAST = 5e-4  # Angstrom or degree: less is no difference of a cell
CELL = ("a", "b", "c", "alpha", "beta", "gamma")
_ENERGIES = ("live_energy", "predicted_energy_per_atom")  # of isolated atoms: between two compositions no difference
_WRITTEN = re.compile(r"(?<![\w.])[-+]?\d+(?:\.(\d+))?(e[-+]?\d+)?(?![\w.])")


@dataclass(frozen=True)
class Difference:
    """One line of the table. ``a``, ``b``: as written in ``unit``, "" where a side has no such number; ``change``: b
    minus a as written, "" where it is no number; ``same``: whether both read alike."""

    key: str
    label: str
    unit: str
    a: str
    b: str
    change: str
    same: bool


def apart(state: State) -> State:
    """``state`` to be read out: one whose motifs nobody keeps gets a base structure of its own, so that looking at an
    old step does not bring its graph back for good."""
    reference = state.reference
    if reference.known_graph is not None:
        return state
    return replace(state, reference=Reference(reference.arrays, reference.template))


def cell_parameters(arrays: AtomArrays) -> tuple[float, ...] | None:
    """a, b, c (Angstrom) and alpha, beta, gamma (degrees); None for a molecule."""
    if arrays.cell is None:
        return None
    rows = np.asarray(arrays.cell)
    lengths = np.linalg.norm(rows, axis=1)
    cosines = [float(rows[i] @ rows[j] / (lengths[i] * lengths[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    return (*(float(x) for x in lengths), *(float(np.degrees(np.arccos(np.clip(c, -1.0, 1.0)))) for c in cosines))


def differences(found: Comparison, services: Services) -> tuple[list[Difference], Readouts, Readouts]:
    """The table of a comparison with the read-outs ("release") it was made from: formula and space groups first, then
    the cell, then all other numbers."""
    a, b = (readouts(apart(state), "release", services) for state in (found.a, found.b))
    rows = []
    for key in dict.fromkeys([*(r.key for r in a.rows), *(r.key for r in b.rows)]):
        one, two = (side[key] if key in side else None for side in (a, b))
        known = one or two
        assert known is not None
        words = ["" if row is None else row.value for row in (one, two)]
        change = ""
        if one is not None and two is not None and one.number is not None and two.number is not None:
            change = _signed(two.number - one.number, _digits(one.value))
        if key in _ENERGIES and found.a.formula != found.b.formula:
            change = ""
        labels = {row.label for row in (one, two) if row is not None}
        label = known.label if len(labels) == 1 else " / ".join(sorted(labels))
        rows.append(Difference(key, label, known.unit, words[0], words[1], change, words[0] == words[1]))
    first = [r for r in rows if r.key == "formula" or r.key.startswith("space_group")]
    return [*first, *_cell_rows(found), *(r for r in rows if r not in first)], a, b


def _cell_rows(found: Comparison) -> list[Difference]:
    cells = [cell_parameters(state.arrays) for state in (found.a, found.b)]
    if cells[0] is None or cells[1] is None:
        return []
    names = ["a", "b", "c", "α", "β", "γ"]
    rows = []
    for key, name, one, two in zip(CELL, names, cells[0], cells[1], strict=True):
        unit, digits = ("°", 2) if name in "αβγ" else ("Å", 4)
        same = abs(two - one) < _LEAST
        change = "" if same else _signed(two - one, digits)
        rows.append(
            Difference(f"cell_{key}", f"Cell {name}", unit, f"{one:.{digits}f}", f"{two:.{digits}f}", change, same)
        )
    return rows


def _digits(text: str) -> int:
    """Digits behind the point of the figures in a read-out such as "Ti6-O19 1.946" or "0.60 on O16"."""
    figures = _WRITTEN.findall(text)
    return 4 if any(power for _, power in figures) else min(max((len(d) for d, _ in figures), default=0), 4)


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return "" if not text.strip("+-0.") else text


def movers(found: Comparison, most: int = 6) -> list[tuple[str, float]]:
    """The atoms that have moved farthest from a to b: ("Ir8", Angstrom), farthest first; [] where the atoms differ."""
    if found.displacements is None:
        return []
    lengths = np.linalg.norm(found.displacements, axis=1)
    symbols = element_symbols()
    order = [int(k) for k in np.argsort(-lengths, kind="stable")[:most] if lengths[k] > _LEAST]
    return [(f"{symbols[int(found.b.arrays.numbers[k])]}{k}", float(lengths[k])) for k in order]
