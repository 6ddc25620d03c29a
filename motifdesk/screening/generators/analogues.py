"""Analogues: known crystals with one element exchanged for its best attested stand-in, each target proposed once.

What data-mined substitution (G. Hautier et al., Inorg. Chem. 50, 656 (2011)) leaves to chance is decided here from the
same observations (`screening.similarity`): the exchange must have been seen often, every known crystal has its turn
before any has a second, a target (space group, cell and composition) is proposed once and not at all where it is known,
and the cell has the volume that known crystals make likely (`screening.volumes`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, permutations
from typing import Any, ClassVar

import numpy as np

from motifdesk.structures import AtomArrays
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.corpora import corpus, development_split
from motifdesk.structures.errors import MotifDeskError

from ..checks.chemistry import charge_neutral
from ..checks.validating import as_range
from ..energies.hull import comparable
from ..errors import ScreeningError
from ..options import Option
from ..similarity import N, _space_groups, counts
from ..volumes import rescaled
from .base import Generator

PROPERTIES = ("formation_energy_per_atom", "band_gap")
# what a compound is called after, the first that is there; the rest are intermetallics
_ANIONS = (("F", "Cl", "Br", "I"), ("O",), ("S", "Se", "Te"), ("N", "P", "As", "Sb", "Bi"), ("H", "B", "C", "Si", "Ge"))
_CLASS = {z: n for n, group in enumerate(_ANIONS) for z, symbol in enumerate(element_symbols()) if symbol in group}
_WINDOW = 40  # draws that classes are told apart among: the order of the candidates is kept from one such to the next


class AnalogueGenerator(Generator):
    """One element of a known crystal exchanged, the best attested exchanges of every crystal first.

    Of `draws` targets the one is taken whose charges balance, for which a hull is known, whose exchange was observed
    most often, and which is near rest: the bundled potential (`energies.distilled`) finds no force above `unrest` in
    it. Such crystals relax in fewer steps. The targets of a draw are of one class (oxides, halides, intermetallics,
    ...), so that no class is passed over because others are at rest more often. Once every draw has given its best the
    second best follow, and so on: few candidates are the likeliest ones, many are as varied as crystals are.

    Conditions: `chemical_system` and `formula` exactly; `space_group` as in the parent, kept by the exchange; a
    property's range by the codec's heads, whose values choose among the `draws`. Held-out (development) structures are
    neither parents nor known to it.
    """

    OPTIONS: ClassVar = {
        "corpora": Option(["mp_20", "mpts_52"], "bundled corpora to start from"),
        "observed": Option(10, "how often an exchange must have been observed; lower: bolder", 1, 1000),
        "replace": Option(1, "elements exchanged at most; 2 takes a chemical system or a formula", 1, 2),
        "chemical_system": Option([], "elements, all of them in every candidate; default: any"),
        "formula": Option("", "reduced formula of every candidate, such as 'Na2IrO3'", kind="any"),
        "space_group": Option(0, "number, of the parent; 0: any", 0, 230),
        "formation_energy_per_atom": Option([], "[low, high] eV/atom"),
        "band_gap": Option([], "[low, high] eV"),
        "draws": Option(0, "targets of which the best is taken; 0: six, or three where elements are asked for", 0, 256),
        "unrest": Option(
            0.3, "eV/A: passed over where the bundled potential finds larger forces; 0: not asked", 0, 100
        ),
        "max_atoms": Option(20, "atoms in the cell at most", 1, 200),
    }

    def prepare(self) -> None:
        o, where = self.options, f"generator {self.name}"
        for name in PROPERTIES:
            if o[name]:
                as_range(o[name], name, where)
        symbols = element_symbols()
        unknown = [s for s in o["chemical_system"] if s not in symbols[1:N]]
        if unknown:
            raise ScreeningError(f"no elements: {unknown}", where=where, remedy='symbols such as ["Na", "Ir", "O"]')
        for name in o["corpora"]:
            try:
                if not corpus(name).is_crystal:
                    raise ScreeningError(f"{name} holds molecules", where=where, remedy="name a corpus of crystals")
            except MotifDeskError as error:
                raise ScreeningError(error.what, where=where, remedy=error.remedy) from error
        self._wanted = {n: o[n] for n in PROPERTIES if o[n]}
        numbers = {s: z for z, s in enumerate(symbols)}
        self._system = {numbers[s] for s in o["chemical_system"]}
        self._formula = _reduced(o["formula"], where) if o["formula"] else ()
        asked = self._system or {z for z, _ in self._formula}
        if o["replace"] > 1 and not asked:
            raise ScreeningError("two exchanges at once and anything allowed", where=where, remedy="name what to make")
        self._table = _exchanges(tuple(o["corpora"]), int(o["observed"]), frozenset(asked), int(o["replace"]))
        order = self._ordered()
        if not len(order):
            raise ScreeningError(
                "no known crystal has such an analogue", where=where, remedy="lower observed, or ask for less"
            )
        self._draws = self._drawn(order)
        most = 1 if self._wanted else max(map(len, self._draws))  # the second best of a property is not what was asked
        self._places = [(n, rank) for rank in range(most) for n, rows in enumerate(self._draws) if len(rows) > rank]

    def _ordered(self) -> np.ndarray:
        """Rows of the table in the order of the candidates: by turns of the parents, who stand in a random order."""
        o, t = self.options, self._table
        fits = t["natoms"] <= o["max_atoms"]
        if o["space_group"]:
            fits &= t["group"] == o["space_group"]
        rows = np.flatnonzero(fits)
        if self._system or self._formula:
            rows = rows[np.array([self._asked_for(self._target(k)) for k in rows.tolist()], dtype=bool)]
        if not len(rows):
            return rows
        parent, observed = t["parent"][rows], t["observed"][rows]
        shuffled = np.random.default_rng([self.seed, zlib.crc32(b"analogue")]).permutation(len(t["crystals"]))
        by_parent = np.lexsort((shuffled[parent], -observed, parent))
        first = np.r_[True, parent[by_parent][1:] != parent[by_parent][:-1]]
        turn = np.arange(len(rows)) - np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
        turns = np.empty(len(rows), dtype=np.int64)
        turns[by_parent] = turn
        # asked for something, there are few: the best attested of all come first
        first_of_all = -observed if self._system or self._formula else np.zeros(len(rows), dtype=np.int64)
        ordered = rows[np.lexsort((shuffled[parent], turns, first_of_all))]
        _, once = np.unique(t["key"][ordered], return_index=True)
        return ordered[np.sort(once)]

    def _target(self, k: int) -> tuple[tuple[int, int], ...]:
        t = self._table
        return _exchanged(t["crystals"][int(t["parent"][k])], t["ways"][k])

    def _asked_for(self, target: tuple[tuple[int, int], ...]) -> bool:
        if self._system and {z for z, _ in target} != self._system:
            return False
        return not self._formula or _smallest(target) == self._formula

    def _drawn(self, order: np.ndarray) -> list[list[int]]:
        """Rows of the table that compete, in the order of the candidates."""
        asked = bool(self._system or self._formula)
        each = int(self.options["draws"]) or (3 if asked else 6)
        if asked or self._wanted:  # the order stands: what was asked decides, not the class
            return [order[k : k + each].tolist() for k in range(0, len(order), each)]
        rng = np.random.default_rng([self.seed, zlib.crc32(b"analogue draws")])
        drawn: list[list[int]] = []
        window = each * _WINDOW
        for start in range(0, len(order), window):
            by_class: dict[int, list[int]] = {}
            for k in order[start : start + window].tolist():
                by_class.setdefault(min(_CLASS.get(z, len(_ANIONS)) for z, _ in self._target(k)), []).append(k)
            here = [rows[j : j + each] for _, rows in sorted(by_class.items()) for j in range(0, len(rows), each)]
            drawn += [here[j] for j in rng.permutation(len(here))]
        return drawn

    def most(self) -> int:
        return len(self._places)

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        """The best of draw `index`; beyond the last draw the second best of the first, and so on."""
        draw, rank = self._places[index]
        rows = sorted(self._draws[draw], key=lambda k: -int(self._table["observed"][k]))
        if not self._wanted:
            return self._made(next(islice(self._restful(rows), rank, None)))
        from ..checks.wishes import the_codec

        codec, best = the_codec(), (np.inf, rows[0])
        for k in [k for k in rows if self._sound(k)] or rows:
            values = codec.predict(codec.encode([self._made(k)[0]], symmetry=False))
            miss = sum(
                max(lo - float(values[n][0]), float(values[n][0]) - hi, 0.0) for n, (lo, hi) in self._wanted.items()
            )
            best = min(best, (miss, k), key=lambda pair: pair[0])
        arrays, recipe = self._made(best[1])
        return arrays, {**recipe, "asked": self._wanted}

    def _restful(self, rows: list[int]) -> Iterator[int]:
        """Rows, the sound ones near rest by the bundled potential first, then the sound ones by how far they are."""
        limit, far, doubtful = float(self.options["unrest"]), [], []
        for k in rows:
            if not self._sound(k):
                doubtful.append(k)
                continue
            force = unrest(self._made(k)[0]) if limit > 0.0 else 0.0
            if force <= limit:
                yield k
            else:
                far.append((force, k))
        yield from (k for _, k in sorted(far))
        yield from doubtful

    def _sound(self, k: int) -> bool:
        """Whether known oxidation states balance a target, and known phases are there to compare it with."""
        target, symbols = self._target(k), element_symbols()
        formula = "".join(f"{symbols[z]}{n}" for z, n in _smallest(target))
        if not charge_neutral(_reduced_formula(formula)):
            return False
        return comparable(np.repeat([z for z, _ in target], [n for _, n in target]))

    def _made(self, k: int) -> tuple[AtomArrays, dict[str, Any]]:
        t = self._table
        name, place = t["names"][int(t["source"][k])], int(t["place"][k])
        c = corpus(name)
        start, way = c[place], t["ways"][k]
        numbers = start.numbers.copy()
        for a, b in way:
            numbers[start.numbers == a] = b
        symbols = element_symbols()
        recipe = {
            "kind": "analogue",
            "parent": f"{name}/{c.ids[place]}",
            "replaced": {symbols[a]: symbols[b] for a, b in way},
            "observed": int(t["observed"][k]),
        }
        return rescaled(start, numbers), recipe


def unrest(arrays: AtomArrays) -> float:
    """The largest force, eV/A, that the bundled potential finds; 0 where it has no say."""
    from ..energies.distilled import the_potential

    potential = the_potential()
    return 0.0 if potential.knows(arrays) else potential.live(arrays).fmax


@lru_cache(maxsize=4)
def _exchanges(names: tuple[str, ...], least: int, asked: frozenset[int], most: int) -> dict[str, Any]:
    """Every exchange of one element that was observed at least so often, in every crystal, but those that lead to a
    known one; where elements are asked for, every exchange of at most `most` elements that leads to just these.

    names; crystals: ((atomic number, atoms), ...) of each parent; ways: ((old, new), ...) of each row; columns parent,
    source, place, observed (of the rarest exchange), group, natoms, key (the same for the same target): int64 [R].
    """
    table, groups = counts(), _space_groups()
    known: set[tuple] = set()
    crystals = []
    for source, name in enumerate(names):
        c = corpus(name)
        for k in np.flatnonzero(~development_split(c.ids)):
            group = groups.get((name, str(c.ids[k])), 0)
            z, n = np.unique(c.numbers(int(k)), return_counts=True)
            if not group or z[-1] >= N:
                continue
            pairs = tuple(zip(z.tolist(), n.tolist(), strict=True))
            known.add((group, pairs))
            if len(pairs) > 1:
                crystals.append((source, int(k), group, pairs))
    columns: list[tuple[int, ...]] = []
    numbered: dict[tuple, int] = {}
    partners = {z: np.flatnonzero(table[z] >= least).tolist() for z in range(N)}
    ways: list[tuple[tuple[int, int], ...]] = []
    for parent, (source, k, group, pairs) in enumerate(crystals):
        natoms = sum(n for _, n in pairs)
        for way in _ways({z for z, _ in pairs}, partners, asked, most):
            target = _exchanged(pairs, way)
            if (group, target) in known:
                continue
            key = numbered.setdefault((group, target), len(numbered))
            columns.append((parent, source, k, min(int(table[a, b]) for a, b in way), group, natoms, key))
            ways.append(way)
    names_of = ("parent", "source", "place", "observed", "group", "natoms", "key")
    data = np.array(columns, dtype=np.int64).reshape(-1, len(names_of))
    found = {n: data[:, j] for j, n in enumerate(names_of)}
    return {"names": names, "crystals": [c[3] for c in crystals], "ways": ways, **found}


def _ways(
    present: set[int], partners: dict[int, list[int]], asked: frozenset[int], most: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    if not asked:
        yield from (((a, b),) for a in sorted(present) for b in partners[a] if b not in present)
        return
    foreign, missing = sorted(present - asked), sorted(asked - present)
    if 1 <= len(foreign) <= most and len(foreign) == len(missing):
        for order in permutations(missing):
            way = tuple(zip(foreign, order, strict=True))
            if all(b in partners[a] for a, b in way):
                yield way


def _exchanged(pairs: tuple[tuple[int, int], ...], way: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    new = dict(way)
    return tuple(sorted((new.get(z, z), n) for z, n in pairs))


@lru_cache(maxsize=65536)
def _reduced_formula(formula: str) -> str:
    from pymatgen.core import Composition

    return str(Composition(formula).reduced_formula)


def _smallest(target: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    divisor = int(np.gcd.reduce([n for _, n in target]))
    return tuple((z, n // divisor) for z, n in target)


def _reduced(formula: Any, where: str) -> tuple[tuple[int, int], ...]:
    from pymatgen.core import Composition, Element

    try:
        found = Composition(str(formula)).reduced_composition
        if any(int(e.Z) >= N or not Element.is_valid_symbol(e.symbol) or n != int(n) for e, n in found.items()):
            raise ValueError
        return tuple(sorted((int(e.Z), int(n)) for e, n in found.items()))
    except (ValueError, KeyError, AttributeError) as error:
        raise ScreeningError(f"{formula!r} is no formula", where=where, remedy="such as 'Na2IrO3'") from error
