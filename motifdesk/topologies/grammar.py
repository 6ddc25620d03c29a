"""Words and grammars: how a string of letters becomes motifs in a cell.

Many families are stackings: a letter lays down motifs (and single atoms) and says where the next letter starts. Two
lateral lattice vectors are the same for every letter; the third is the sum of the word's steps, so that any word
closes, in the setting the word itself asks for (an oblique cell where the steps do not add up to a right angle).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from motifdesk.structures.errors import TopologyError

from .assembly import Assembly, Placement
from .templates import Template


@dataclass(frozen=True, eq=False)
class Letter:
    """What one letter adds: motifs as (template, position, rotation or None), atoms as (species, position), then a
    step to where the next letter starts. Positions and step float [3], Angstrom, from where the letter starts."""

    motifs: tuple[tuple[Template, Any, Any], ...]
    step: Any
    atoms: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Grammar:
    """Letters by name and two lateral lattice vectors float [2, 3], Angstrom.

    forbidden: strings that may not occur in the endlessly repeated word, each with its reason.
    """

    letters: Mapping[str, Letter]
    lateral: Any
    forbidden: tuple[tuple[str, str], ...] = ()

    def check(self, word: str) -> str:
        """The word, or TopologyError: empty, unknown letters, a forbidden string."""
        if not word:
            raise TopologyError("an empty word", remedy=f"use the letters {' '.join(self.letters)}")
        unknown = sorted(set(word) - set(self.letters))
        if unknown:
            raise TopologyError(
                f"the word holds {', '.join(map(repr, unknown))}",
                where=repr(word[:60]),
                remedy=f"use the letters {' '.join(self.letters)}",
            )
        for text, reason in self.forbidden:
            if text in word * (2 + len(text) // len(word)):
                raise TopologyError(f"{text!r} does not go: {reason}", where=repr(word[:60]))
        return word

    def assemble(self, word: str) -> Assembly:
        """Lay the word down once. TopologyError for a word that does not go or whose steps do not lead anywhere."""
        at = np.zeros(3)
        placements: list[Placement] = []
        atoms: list[tuple[str, tuple[float, float, float]]] = []
        for name in self.check(word):
            letter = self.letters[name]
            for template, position, rotation in letter.motifs:
                turn = np.eye(3) if rotation is None else np.asarray(rotation, dtype=float)
                placements.append(Placement(template, at + np.asarray(position, dtype=float), turn))
            for species, position in letter.atoms:
                x, y, z = at + np.asarray(position, dtype=float)
                atoms.append((species, (float(x), float(y), float(z))))
            at = at + np.asarray(letter.step, dtype=float)
        cell = np.vstack([np.asarray(self.lateral, dtype=float), at])
        if abs(np.linalg.det(cell)) < 1e-6:
            raise TopologyError(
                "the word does not close: its steps lead nowhere", where=repr(word[:60]), remedy="add letters"
            )
        return Assembly(cell, tuple(placements), tuple(atoms))


def primitive_word(word: str) -> str:
    """The shortest word whose repetition is `word`."""
    for n in range(1, len(word) + 1):
        if len(word) % n == 0 and word[:n] * (len(word) // n) == word:
            return word[:n]
    return word


def canonical_word(word: str, *, reverse: bool = True, swap: Sequence[tuple[str, str]] = ()) -> str:
    """The first, in dictionary order, of all words that mean the same structure.

    Cyclic shifts always do; reading backwards where `reverse`; exchanging the letters of `swap` where a mirror of the
    family does so. Repetitions are reduced first.
    """
    word = primitive_word(word)
    table = str.maketrans({**dict(swap), **{b: a for a, b in swap}})
    forms = [word] + ([word.translate(table)] if swap else [])
    if reverse:
        forms += [f[::-1] for f in forms]
    return min(f[k:] + f[:k] for f in forms for k in range(len(f)))


def words(letters: str, longest: int, *, reverse: bool = True, swap: Sequence[tuple[str, str]] = ()) -> Iterator[str]:
    """Every distinct word (see `canonical_word`) of at most `longest` letters, shortest first."""
    for n in range(1, longest + 1):
        for given in product(letters, repeat=n):
            word = "".join(given)
            if primitive_word(word) == word and canonical_word(word, reverse=reverse, swap=swap) == word:
                yield word
