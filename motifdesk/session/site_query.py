"""Which sites a few words mean: ``Ir``, ``O 3-7``, ``z>0.5``, ``cn=4, Li``; words must all hold, commas are "or"."""

from __future__ import annotations

import re

import numpy as np

from motifdesk.session.state import State
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.errors import MotifDeskError, SessionError

_RANGE = re.compile(r"^(\d+)(?:-(\d+))?$")
_COMPARE = re.compile(r"^(x|y|z|cn)(<=|>=|<|>|=)(-?\d+(?:\.\d+)?)$")
_WYCKOFF = re.compile(r"^(?:wyckoff=)?(\d+)([a-zA-Z])$|^wyckoff=([a-zA-Z])$")
_HELP = "use elements (Ir), numbers (3-7), x y z of the cell (z>0.5), cn=4, 8f (Wyckoff), picked, orbit, not-..., all"


def fractional(state: State) -> np.ndarray:
    """Coordinates [N, 3]: fractions of the cell in [0, 1), of a molecule Angstrom."""
    arrays = state.arrays
    if arrays.cell is None:
        return np.array(arrays.positions)
    f = np.linalg.solve(np.asarray(arrays.cell).T, arrays.positions.T).T
    f = f - np.floor(f + 1e-9)
    return np.where(np.abs(f) < 5e-10, 0.0, f)


def coordination(state: State) -> np.ndarray:
    """Number of ligands of each site [N]; 0 where the site is no centre or motifs are not known."""
    count = np.zeros(len(state.arrays), dtype=int)
    graph = state.graph
    for motif in () if graph is None else graph.motifs:
        count[motif.centre] = len(motif.ligands)
    return count


def orbits(state: State, tolerance: float = 0.01) -> np.ndarray:
    """For each site [N] the first one that symmetry makes equivalent to it (of a molecule its point group)."""
    if state.arrays.cell is None:
        from motifdesk.motifs import equivalent_atoms

        return equivalent_atoms(state.arrays)
    from motifdesk.structures.symmetry import equivalent_sites

    try:
        return np.asarray(equivalent_sites(state.arrays, tolerance))
    except MotifDeskError:  # atoms on one site
        return np.arange(len(state.arrays))


def wyckoff(state: State, tolerance: float = 0.01) -> list[str]:
    """The Wyckoff position of each site ("8f"); "" in a molecule and where no symmetry is found."""
    if state.arrays.cell is not None:
        from motifdesk.structures.symmetry import wyckoff_positions

        try:
            return wyckoff_positions(state.arrays, tolerance)
        except MotifDeskError:  # atoms on one site
            pass
    return [""] * len(state.arrays)


def find_sites(state: State, query: str) -> list[int]:
    """Site indices that answer to ``query``; SessionError names the word that is not understood."""
    total = np.zeros(len(state.arrays), dtype=bool)
    for part in query.split(","):
        words = part.split()
        if not words:
            continue
        held = np.ones(len(state.arrays), dtype=bool)
        for word in words:
            held &= _answers(state, word)
        total |= held
    return np.flatnonzero(total).tolist()


def _answers(state: State, word: str) -> np.ndarray:
    numbers, picked = state.arrays.numbers, list(state.selection.atoms)
    index = np.arange(len(numbers))
    if word.startswith("not-"):
        return ~_answers(state, word[4:])
    if word == "all":
        return np.ones(len(numbers), dtype=bool)
    if word == "picked":
        return np.isin(index, picked)
    if word == "orbit":
        of = orbits(state)
        return np.isin(of, of[picked])
    if word == "like":
        return np.isin(numbers, numbers[picked])
    if word.capitalize() in element_symbols()[1:119]:
        return numbers == element_symbols().index(word.capitalize())
    found = _RANGE.match(word)
    if found:
        low = int(found[1])
        return (index >= low) & (index <= int(found[2] or low))
    found = _COMPARE.match(word)
    if found:
        value = float(found[3])
        have = coordination(state) if found[1] == "cn" else fractional(state)[:, "xyz".index(found[1])]
        near = np.abs(have - value) < (0.5 if found[1] == "cn" else 5e-4)
        return {
            "<": (have < value) & ~near,
            ">": (have > value) & ~near,
            "<=": (have < value) | near,
            ">=": (have > value) | near,
            "=": near,
        }[found[2]]
    found = _WYCKOFF.match(word)
    if found:
        wanted = f"{found[1]}{found[2]}" if found[1] else found[3]
        return np.array([have == wanted or not found[1] and have[-1:] == wanted for have in wyckoff(state)])
    raise SessionError(f"{word[:20]!r} names no sites", where="sites", remedy=_HELP)
