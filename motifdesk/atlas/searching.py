"""Searching the known structures of a map as a chemist does: elements, formulas, systems, groups, properties."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.errors import AtlasError

if TYPE_CHECKING:
    from motifdesk.atlas.atlas import Atlas

PROPERTIES = {
    "energy": "formation_energy",
    "gap": "band_gap",
    "hull": "energy_above_hull",
    "natoms": "natoms",
    "sg": "spacegroup",
}
"""Words of a comparison -> column: formation energy and energy above hull in eV/atom, gap in eV, atoms in the cell,
space group number."""

_SIGNS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq,
}  # fmt: skip
_REMEDY = (
    'write elements (Ti O), "-F" (without), "Ti-O" (that system), "TiO2", "sg=62", "gap>1", "hull<0.05", "natoms<=10", '
    '"motif=octahedron", "anion=O", a source ("qm9") or an id ("mp-2657")'
)
_COMPOSITIONS: WeakKeyDictionary[Atlas, np.ndarray] = WeakKeyDictionary()


def search(atlas: Atlas, query: str) -> np.ndarray:
    """Which points of ``atlas`` answer to every word of ``query``: bool [M].

    Words, apart by blanks or commas: an element ("Ti": contains it), "-F" (does not), a chemical system ("Ti-O": these
    elements and no others), a formula ("TiO2", any order, reduced), a type ("AB2", anonymous formula), a comparison
    ("gap>1", "sg=62", "sg=Fd-3m", see ``PROPERTIES``; unknown values answer to none), a motif ("motif=octahedron": has
    one of this shape, blanks as "_", beginnings will do), the most electronegative element ("anion=O"), a source
    ("qm9"), an id.

    Raises AtlasError naming the word that means nothing.
    """
    answer = np.ones(len(atlas), dtype=bool)
    for word in re.split(r"[\s,;]+", query.strip()):
        if word:
            answer &= _one(atlas, word)
    return answer


def _one(atlas: Atlas, word: str) -> np.ndarray:
    columns = atlas.columns
    if len(word) > 90:
        raise AtlasError(f"{word[:20]!r}… is no search word", where="map search", remedy=_REMEDY)
    compared = re.fullmatch(r"([a-z]+)(<=|>=|=|<|>)([^<>=]+)", word)
    if compared and compared[1] in PROPERTIES:
        return _compare(atlas, compared[1], compared[2], compared[3], word)
    kind = re.fullmatch(r"(motif|anion)=(.+)", word)
    if kind:
        return _having(atlas, kind[1], kind[2], word)
    if word in set(np.unique(columns["source"]).tolist()):
        return np.asarray(columns["source"] == word)
    if re.fullmatch(r"-[A-Z][a-z]?", word):
        return ~_contains(atlas, word[1:], word)
    if re.fullmatch(r"[A-Z][a-z]?", word) and word in _numbers():
        return _contains(atlas, word, word)
    if re.fullmatch(r"([A-Z][a-z]?)(-[A-Z][a-z]?)+", word):
        wanted = np.zeros(compositions(atlas).shape[1], dtype=bool)
        wanted[[_number(symbol, word) for symbol in word.split("-")]] = True
        return ((compositions(atlas) > 0) == wanted).all(axis=1)
    counts = _parse(word)
    if counts is not None:
        return (compositions(atlas) == counts).all(axis=1)
    if "anonymous" in columns and re.fullmatch(r"([A-Z]\d*)+", word):
        return np.asarray(columns["anonymous"] == word)
    found = np.asarray(columns["id"] == word)
    if found.any():
        return found
    raise AtlasError(f"{word!r} is no search word", where="map search", remedy=_REMEDY)


def _compare(atlas: Atlas, name: str, sign: str, value: str, word: str) -> np.ndarray:
    column = atlas.columns.get(PROPERTIES[name])
    if column is None:
        raise AtlasError(f"this map knows no {name!r}", where="map search", remedy="search by composition")
    try:
        number = float(value)
    except ValueError:
        symbols = space_group_symbols()
        number = float(symbols.index(value)) if name == "sg" and value in symbols else 0.0
        if not number:
            raise AtlasError(f"{value!r} in {word!r} is no number", where="map search", remedy=_REMEDY) from None
    values = np.asarray(column, dtype=float)
    known = np.isfinite(values) & ((values > 0) if name == "sg" else True)
    return known & _SIGNS[sign](np.where(known, values, 0.0), number)


def _having(atlas: Atlas, kind: str, value: str, word: str) -> np.ndarray:
    if kind == "anion":
        return anions(atlas) == _number(value, word)
    from motifdesk.atlas.shapes import shapes_of

    shapes = shapes_of(atlas)
    if shapes is None:
        raise AtlasError("this map knows no motifs", where="map search", remedy="search by composition")
    return shapes.having(value)


def _contains(atlas: Atlas, symbol: str, word: str) -> np.ndarray:
    return compositions(atlas)[:, _number(symbol, word)] > 0


def _number(symbol: str, word: str) -> int:
    if symbol not in _numbers():
        raise AtlasError(f"{symbol!r} in {word!r} is no element", where="map search", remedy=_REMEDY)
    return _numbers()[symbol]


def compositions(atlas: Atlas) -> np.ndarray:
    """int16 [M, 119]: reduced counts by atomic number."""
    if atlas not in _COMPOSITIONS:
        formulas, inverse = np.unique(atlas.columns["formula"], return_inverse=True)
        rows = np.zeros((len(formulas), 119), dtype=np.int16)
        for row, formula in zip(rows, formulas.tolist(), strict=True):
            counts = _parse(formula)
            if counts is not None:
                row[:] = counts
        table = rows[inverse]
        _COMPOSITIONS[atlas] = table
    return _COMPOSITIONS[atlas]


def anions(atlas: Atlas) -> np.ndarray:
    """int [M]: atomic number of the most electronegative element (Pauling) of each structure; 0 where there is none."""
    counts = compositions(atlas) > 0
    return np.where(counts.any(axis=1), np.where(counts, _electronegativities()[None], -1.0).argmax(axis=1), 0)


@lru_cache
def _electronegativities() -> np.ndarray:
    import warnings

    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble gases have none; pymatgen says so of each
        found = [float(Element.from_Z(z).X) for z in range(1, 119)]
    return np.nan_to_num(np.array([0.0, *found], dtype=np.float32))


def _parse(formula: str) -> np.ndarray | None:
    """Reduced counts [119] of a plain formula; None if it is none."""
    counts = np.zeros(119, dtype=int)
    plain = formula
    while "(" in plain:  # innermost brackets first: Li(CoO2)2 -> LiCo2O4
        opened = re.sub(r"\(((?:[A-Z][a-z]?\d*)+)\)(\d{0,3})", _open, plain)
        if opened == plain:
            return None
        plain = opened
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", plain)
    if not parts or "".join(a + b for a, b in parts) != plain or any(a not in _numbers() for a, _ in parts):
        return None
    for symbol, times in parts:
        if len(times) > 6:
            return None
        counts[_numbers()[symbol]] += int(times or 1)
    divisor = np.gcd.reduce(counts)
    return None if divisor == 0 else (counts // divisor).astype(np.int16)


def _open(found: re.Match[str]) -> str:
    factor = int(found[2] or 1)
    return "".join(
        f"{symbol}{int(times or 1) * factor}" for symbol, times in re.findall(r"([A-Z][a-z]?)(\d*)", found[1])
    )


@lru_cache
def _numbers() -> dict[str, int]:
    return {symbol: z for z, symbol in enumerate(element_symbols()) if 0 < z < 119}


@lru_cache
def space_group_symbols() -> tuple[str, ...]:
    """Hermann-Mauguin symbols as searched for and shown, index = number; "" at 0, where there is no space group."""
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    return ("", *(sg_symbol_from_int_number(n) for n in range(1, 231)))
