"""Intervals around property heads cover what they promise on structures that did not calibrate them."""

import numpy as np
import pytest

from motifdesk.atlas.uncertainty import Calibration, measure_coverage, predict_with_intervals
from motifdesk.codec import Codec, load_codec
from motifdesk.structures import read
from motifdesk.structures.errors import CodecError


@pytest.fixture(scope="module")
def codec():
    return load_codec(device="cpu")


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_measured_coverage_is_the_one_asked_for_or_a_little_more(codec, coverage):
    for name, figures in measure_coverage(codec, coverage).items():
        error = np.sqrt(coverage * (1 - coverage) / figures["count"])
        assert -1.5 * error < figures["coverage"] - coverage < 5 * error, name
        if name != "energy_above_hull":  # half of these are zero
            assert figures["mae"] < 0.5 * figures["mean_baseline_mae"]


def test_the_rank_leaves_room_for_the_luck_of_the_calibrating_set():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        truth = rng.exponential(size=150)
        nothing = np.zeros(150)
        made = Calibration.fit("x", np.arange(10), nothing, truth, nothing, np.arange(150) % 5)
        covered.append(1.0 - np.exp(-made.quantile(0.9) * float(made.expected(np.zeros(1))[0])))  # exactly known
    assert 0.85 < np.mean(np.array(covered) >= 0.9) < 0.96
    assert np.mean(covered) < 0.94  # and no more than that
    few = Calibration.fit("x", np.arange(10), np.zeros(12), np.arange(12.0), np.zeros(12), np.arange(12) % 5)
    assert few.quantile(0.9) == float("inf")  # too few to promise anything


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
