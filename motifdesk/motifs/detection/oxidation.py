"""Oxidation states for neighbour finding: cheap, deterministic, pymatgen's own guess where that is affordable."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

_GUESS_LIMIT = 20_000  # combinations pymatgen may try for one formula
_ANIONS = frozenset({"F", "O", "Cl", "N", "Br", "I", "S", "Se", "Te", "C", "P", "As", "H"})


def oxidation_states(structure: Any) -> tuple[float, ...]:
    """One oxidation state per site: the structure's own decoration, else a guess from the composition.

    The guess is pymatgen's ``oxi_state_guesses`` of the reduced formula (what ``add_oxidation_state_by_guess(
    max_sites=-1)`` sets); formulas too large for it are balanced with one state per element. 0.0 everywhere when no
    choice of states is neutral, as in alloys and elements.
    """
    species = [site.specie for site in structure]
    return states_of(species, [_symbol(specie) for specie in species])


def states_of(species: Sequence[Any], symbols: Sequence[str]) -> tuple[float, ...]:
    """`oxidation_states` of sites that hold `species` (pymatgen's) of the elements `symbols`."""
    own = [getattr(specie, "oxi_state", None) for specie in species]
    if None not in own:
        return tuple(float(state) for state in own if state is not None)
    counts = Counter(symbols)
    divisor = math.gcd(*counts.values())
    states = dict(_guess("".join(f"{s}{n // divisor}" for s, n in sorted(counts.items()))))
    return tuple(states.get(symbol, 0.0) for symbol in symbols)


@lru_cache(maxsize=4096)
def _guess(formula: str) -> tuple[tuple[str, float], ...]:
    from pymatgen.core import Composition, Element

    composition = Composition(formula)
    amounts = {str(k): int(round(v)) for k, v in composition.items()}
    if len(amounts) < 2:
        return ()
    combinations = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for symbol, amount in amounts.items():
            states = len(Element(symbol).icsd_oxidation_states or Element(symbol).oxidation_states or (0,))
            combinations *= math.comb(states + min(amount, 60) - 1, min(amount, 60))
        if combinations <= _GUESS_LIMIT:
            found = composition.oxi_state_guesses(max_sites=-1)
            return tuple(sorted(found[0].items())) if found else ()
    return _uniform(amounts)


def guess(formula: str) -> dict[str, float]:
    """Element -> oxidation state of a reduced formula; empty when no neutral choice is known."""
    return dict(_guess(formula))


def _uniform(amounts: dict[str, int]) -> tuple[tuple[str, float], ...]:
    """Neutral choice of one common state per element; else the most abundant metal takes what balances the rest."""
    from pymatgen.core import Element

    symbols = sorted(amounts)
    options = [Element(s).common_oxidation_states or (0,) for s in symbols]
    if math.prod(len(o) for o in options) > 200_000:
        return ()
    best, score = None, math.inf
    for choice in product(*options):
        charge = sum(q * amounts[s] for q, s in zip(choice, symbols, strict=True))
        # electronegative elements negative, small charges first: one fixed, explainable order
        penalty = sum(abs(q) + (10 if (q < 0) != (s in _ANIONS) else 0) for q, s in zip(choice, symbols, strict=True))
        if charge == 0 and penalty < score:
            best, score = choice, penalty
    return tuple(zip(symbols, map(float, best), strict=True)) if best else ()


def centre_sites(symbols: Sequence[str], oxidation: Sequence[float]) -> tuple[list[int], str]:
    """The sites that are centres of motifs and the kind of structure, "ionic" or "elements".

    Cations where both signs occur. Without a neutral guess: if the most electronegative element is a non-metal and the
    others differ from it by more than 0.9 on Pauling's scale, the others. Else every site.
    """
    if any(q > 0 for q in oxidation) and any(q < 0 for q in oxidation):
        return [k for k, q in enumerate(oxidation) if q > 0], "ionic"
    from .crystalnn import electronegativity

    x = {s: electronegativity(s) for s in set(symbols)}
    if len(x) > 1 and not any(math.isnan(v) for v in x.values()):
        anion = max(sorted(x), key=lambda s: x[s])
        if anion in _ANIONS and all(x[anion] - v > 0.9 for s, v in x.items() if s != anion):
            return [k for k, s in enumerate(symbols) if s != anion], "ionic"
    return list(range(len(symbols))), "elements"


def _symbol(specie: Any) -> str:
    return str(getattr(specie, "symbol", None) or specie.element.symbol)
