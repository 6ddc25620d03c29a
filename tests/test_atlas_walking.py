"""Walks between codes arrive where they say, and say how straight they were."""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from motifdesk.atlas.walking import walk
from motifdesk.codec import load_codec
from motifdesk.structures import read
from motifdesk.structures.errors import CodecError


@pytest.fixture(scope="module")
def codec():
    return load_codec(device="cpu")


def _known(name):
    return read(f"{name}.cif", cell="primitive")


def test_both_ends_of_a_followed_walk_are_the_structures_given(codec):
    rutile, anatase = _known("rutile-TiO2"), _known("anatase-TiO2")
    way = walk(codec, rutile, anatase, steps=7, composition="follow")
    assert StructureMatcher().fit(way.structures[0], rutile)
    assert StructureMatcher().fit(way.structures[-1], anatase)
    assert way.residuals[[0, -1]].max() < 1e-6 < way.residuals.max()
    assert way.ratio >= 1.0 - 1e-3  # it arrives, so it cannot be shorter than the straight line
    assert np.isnan(way.moved).sum() == 1  # the exchange in the middle, and nothing else


def test_a_small_distortion_is_walked_almost_straight_by_small_moves(codec):
    start = _known("SrTiO3")
    end = start.copy()
    end.perturb(0.05, min_distance=0.05)
    way = walk(codec, start, end, steps=7, composition="follow")
    assert way.residuals.max() < 1e-2
    assert way.ratio < 1.6
    assert np.nanmax(way.moved) < 0.15


def test_kept_species_stay_when_the_other_end_has_others(codec):
    silicon = _known("Si")
    germanium = silicon.copy()
    germanium.replace_species({"Si": "Ge"})
    assert {a.formula for a in walk(codec, silicon, germanium, steps=4).arrays} == {"Si"}
    assert [a.formula for a in walk(codec, silicon, germanium, steps=4, composition="follow").arrays] == [
        "Si",
        "Si",
        "Ge",
        "Ge",
    ]


def test_impossible_walks_are_refused(codec):
    silicon, benzene = _known("Si"), read("benzene.xyz")
    for arguments in ({"b": benzene}, {"b": silicon, "steps": 1}, {"b": silicon, "composition": "swap"}):
        with pytest.raises(CodecError, match="walk"):
            walk(codec, silicon, **arguments)
