"""Searching the map: each word against the columns it speaks of, and words that mean nothing."""

import numpy as np
import pytest
from pymatgen.core import Composition

import motifdesk as md
from motifdesk.atlas.searching import search
from motifdesk.structures.errors import AtlasError


@pytest.fixture(scope="module")
def atlas():
    return md.load_atlas()


def compositions(atlas, mask):
    return [Composition(f) for f in atlas.columns["formula"][mask]]


def test_elements_with_and_without(atlas):
    found = search(atlas, "Ti O -F")
    assert found.sum() > 50
    for composition in compositions(atlas, found):
        assert "Ti" in composition and "O" in composition and "F" not in composition
    left = search(atlas, "Ti, O") & ~found
    assert left.any() and all("F" in c for c in compositions(atlas, left))


def test_a_system_holds_these_elements_and_no_others(atlas):
    found = search(atlas, "O-Ti")
    assert found.any() and all(set(c.as_dict()) == {"Ti", "O"} for c in compositions(atlas, found))


def test_a_formula_in_any_order_and_with_brackets(atlas):
    assert (search(atlas, "O2Ti") == search(atlas, "TiO2")).all() and search(atlas, "TiO2").any()
    bracketed = next(f for f in atlas.columns["formula"].tolist() if "(" in f)
    found = search(atlas, bracketed)
    target = Composition(bracketed).reduced_composition
    assert found.any() and all(c.reduced_composition == target for c in compositions(atlas, found))
    assert (search(atlas, "".join(f"{e}{int(n)}" for e, n in Composition(bracketed).items())) == found).all()


def test_properties_groups_sources_and_ids(atlas):
    columns = atlas.columns
    gap = search(atlas, "gap>1.5")
    assert gap.any() and (columns["band_gap"][gap] > 1.5).all() and not np.isnan(columns["band_gap"][gap]).any()
    assert (search(atlas, "sg=Fd-3m") == search(atlas, "sg=227")).all() and search(atlas, "sg=227").any()
    assert not search(atlas, "sg<1").any(), "molecules have no space group"
    assert (columns["source"][search(atlas, "qm9 natoms<=9")] == "qm9").all()
    identifier = str(columns["id"][5])
    assert np.flatnonzero(search(atlas, identifier)).tolist() == np.flatnonzero(columns["id"] == identifier).tolist()
    assert search(atlas, "").all()


@pytest.mark.parametrize(
    "word", ["Xx", "gap>", "gap>abc", "<img>", "-Xx", "Ti-Qq", "sg=Foo", "hello", "(((", "Ti" * 60]
)
def test_a_word_that_means_nothing_is_named(atlas, word):
    with pytest.raises(AtlasError) as error:
        search(atlas, f"Ti {word}")
    assert "Remedy" in str(error.value) or "rite elements" in str(error.value)


def test_distances_are_those_of_the_neighbours(atlas):
    code = atlas.code(7)
    near = atlas.neighbours(code, 6)[0]
    again = atlas.distances(code, np.array([n.index for n in near]))[0]
    np.testing.assert_allclose(again, [n.distance for n in near], atol=1e-4)
