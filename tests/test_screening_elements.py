"""Reference crystals of the elements: what they are, and that a hull ends in them."""

import numpy as np
import pytest

from motifdesk.screening.energies.elements import element, tabulated
from motifdesk.screening.energies.hull import Hull, competing_phases
from motifdesk.structures import from_arrays
from motifdesk.structures.arrays import element_symbols

SYMBOLS = element_symbols()
Z = {s: k for k, s in enumerate(SYMBOLS)}
UNKNOWN_TO_MODELS = {"Po", "At", "Rn", "Fr", "Ra"}  # CHGNet 0.3.0 was trained on the other 89 of the first 94
BONDS = {"H": 0.741, "F": 1.404, "Cl": 2.016, "Br": 2.268, "I": 2.717, "P": 2.224, "Se": 2.373, "Ga": 2.484}


@pytest.mark.parametrize("symbol", sorted(tabulated()))
def test_a_tabulated_crystal_has_the_symmetry_it_says_and_a_source(symbol):
    entry, arrays = tabulated()[symbol], element(Z[symbol])
    assert from_arrays(arrays).get_space_group_info(0.02)[0] == entry["space_group"]
    assert len(entry["source"]) > 20 and set(arrays.numbers.tolist()) == {Z[symbol]}
    assert 7 < arrays.volume / len(arrays) < 45
    if symbol in BONDS:
        shortest = min(n.nn_distance for near in from_arrays(arrays).get_all_neighbors(3.0) for n in near)
        assert shortest == pytest.approx(BONDS[symbol], abs=0.002)


def test_every_element_that_models_know_has_a_crystal():
    without = []
    for z in range(1, 95):
        phases = competing_phases([z])
        if SYMBOLS[z] not in UNKNOWN_TO_MODELS and not phases:
            without.append(SYMBOLS[z])
        if z != Z["C"] and element(z) is not None:
            assert f"element/{SYMBOLS[z]}" in phases, "beside whatever form of it the corpora hold"
    assert without == []


@pytest.mark.parametrize("formula", [("H", "F"), ("B", "P"), ("Mn", "Cl"), ("Ga", "Se"), ("Br", "I")])
def test_a_compound_of_them_has_an_energy_above_the_hull(formula):
    numbers = [Z[s] for s in formula]
    phases = {i: a for i, a in competing_phases(numbers).items() if len(set(a.numbers.tolist())) == 1}
    hull = Hull(numbers, [(a.numbers, -1.0) for a in phases.values()])
    above, note = hull.above(np.array(numbers), -1.25)
    assert above == pytest.approx(-0.25) and "no crystal" not in note


def test_bundled_energies_have_every_reference_crystal():
    from motifdesk.screening.energies.phases import CALCULATOR, bundled_energies

    known = bundled_energies(CALCULATOR)
    for z in range(1, 95):
        assert (f"element/{SYMBOLS[z]}" in known) == (element(z) is not None), SYMBOLS[z]
    # one known number each for a gas, a molecular solid, a metal: H2's atoms, Cl2's, copper's by PBE
    assert known["element/H"] == pytest.approx(-3.4, abs=0.1) and known["element/Cu"] == pytest.approx(-4.1, abs=0.1)
