"""Intervals around property heads cover what they promise on structures that did not calibrate them."""

import numpy as np
import pytest

from motifdesk.atlas.uncertainty import measure_coverage, predict_with_intervals
from motifdesk.codec import Codec, load_codec
from motifdesk.structures import read
from motifdesk.structures.errors import CodecError


@pytest.fixture(scope="module")
def codec():
    return load_codec(device="cpu")


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_measured_coverage_is_the_one_asked_for_within_its_error(codec, coverage):
    for figures in measure_coverage(codec, coverage).values():
        error = np.sqrt(coverage * (1 - coverage) * 2 / figures["count"])  # both halves are finite
        assert abs(figures["coverage"] - coverage) < 3 * error
        assert figures["mae"] < 0.5 * figures["mean_baseline_mae"]


def test_more_coverage_needs_wider_intervals_around_the_same_value(codec):
    codes = codec.encode([read("rutile-TiO2.cif", cell="primitive")])
    narrow, wide = (predict_with_intervals(codec, codes, c)["formation_energy_per_atom"] for c in (0.5, 0.95))
    assert narrow[0] == wide[0]
    assert wide[1] < narrow[1] < narrow[0] < narrow[2] < wide[2]


def test_doubt_grows_away_from_what_was_trained_on(codec):
    near = read("rutile-TiO2.cif", cell="primitive")
    far = near.copy()
    far.replace_species({"Ti": "Pu", "O": "Xe"})
    width = {}
    for name, structure in (("near", near), ("far", far)):
        _, low, high = predict_with_intervals(codec, codec.encode([structure]))["formation_energy_per_atom"]
        width[name] = float(high[0] - low[0])
    assert width["far"] > 1.2 * width["near"]


def test_no_gap_is_negative(codec):
    value, low, high = predict_with_intervals(codec, codec.encode([read("NaIrO3.cif", cell="primitive")]))["band_gap"]
    assert 0 <= low[0] <= value[0] <= high[0]


def test_molecules_have_no_crystal_properties_and_untrained_codecs_no_heads(codec):
    found = predict_with_intervals(codec, codec.encode([read("benzene.xyz")]))
    assert all(np.isnan(part).all() for parts in found.values() for part in parts)
    untrained = Codec.untrained()
    assert predict_with_intervals(untrained, untrained.encode([read("Si.cif")])) == {}


def test_a_coverage_outside_its_range_is_refused(codec):
    with pytest.raises(CodecError, match="coverage"):
        predict_with_intervals(codec, codec.encode([read("Si.cif")]), 1.0)
