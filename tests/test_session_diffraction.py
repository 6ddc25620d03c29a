"""Powder patterns of designs: where peaks lie, which vanish, and what has none."""

import math

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.session import Session
from motifdesk.session.diffraction import Pattern, Reflection, powder_pattern, written
from motifdesk.structures.errors import SessionError


def open_(structure):
    return Session(structure, codec=None, atlas=None)


def test_peaks_of_rock_salt_lie_where_braggs_law_puts_them():
    pattern = open_("NaCl.cif").diffraction()
    a, wavelength = 5.6402, pattern.wavelength
    for peak, (h, k, l_) in zip(pattern.peaks, [(1, 1, 1), (2, 0, 0), (2, 2, 0), (3, 1, 1)], strict=False):
        d = a / math.sqrt(h * h + k * k + l_ * l_)
        assert peak.d == pytest.approx(d, rel=1e-3)
        assert peak.two_theta == pytest.approx(2 * math.degrees(math.asin(wavelength / (2 * d))), abs=0.02)
    # mixed parities vanish for a face-centred lattice
    assert {tuple(sorted(i % 2 for i in p.hkl[0])) for p in pattern.peaks} <= {(0, 0, 0), (1, 1, 1)}
    assert max(p.intensity for p in pattern.peaks) == 100.0 and pattern.peaks[1].label == "200"


def test_a_superstructure_makes_peaks_that_its_parent_has_not():
    session = open_(
        Structure(
            Lattice.cubic(3.9),
            ["Sr", "Ti", "O", "O", "O"],
            [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
        )
    )
    session.supercell([2, 1, 1])
    same = session.diffraction()
    session.substitute({0: "Ba"})
    ordered = session.diffraction()
    at = {round(p.two_theta, 2) for p in same.peaks}
    new = [p for p in ordered.peaks if all(abs(p.two_theta - t) > 0.05 for t in at)]
    assert new and min(p.d for p in new) < 2 * 3.9 and max(p.d for p in new) == pytest.approx(7.8, abs=0.01)
    assert session.diffraction("start").peaks[0].d == pytest.approx(3.9) and session.diffraction(1) == same


def test_a_longer_wavelength_moves_peaks_out_and_a_range_cuts():
    session = open_("NaCl.cif")
    copper, molybdenum = session.diffraction(), session.diffraction(wavelength="MoKa")
    assert molybdenum.peaks[0].two_theta < copper.peaks[0].two_theta
    cut = session.diffraction(two_theta=(40, 60))
    assert [p.label for p in cut.peaks] == [p.label for p in copper.peaks if 40 <= p.two_theta <= 60]
    assert max(p.intensity for p in cut.peaks) < 100.0, "heights are percent of the strongest peak of the whole pattern"
    assert not session.diffraction(two_theta=(0, 2)).peaks
    assert session.diffraction(wavelength=1.54184).peaks[0].two_theta == pytest.approx(
        copper.peaks[0].two_theta, abs=1e-3
    )


def test_a_cell_that_is_askew_in_the_seventh_digit_has_the_peaks_of_the_right_one():
    session = open_("CaTiO3.cif")
    right = session.diffraction()
    session.strain([[0.0, 3e-7, -2e-7], [3e-7, 0.0, 1e-7], [-2e-7, 1e-7, 0.0]])
    askew = session.diffraction()
    assert [p.label for p in askew.peaks] == [p.label for p in right.peaks]
    assert [p.multiplicity for p in askew.peaks] == [p.multiplicity for p in right.peaks]
    for a, b in zip(askew.peaks, right.peaks, strict=True):
        assert a.two_theta == pytest.approx(b.two_theta, abs=1e-3)
        assert a.intensity == pytest.approx(b.intensity, rel=1e-3, abs=1e-3)


def test_a_profile_has_the_area_of_its_peaks():
    peaks = (Reflection(30.0, 3.0, 100.0, ((1, 0, 0),), (6,)), Reflection(50.0, 1.8, 40.0, ((1, 1, 0),), (12,)))
    at, height = Pattern("x", "CuKa", 1.54, (20.0, 60.0), peaks).profile(width=0.5, points=4001)
    assert np.trapezoid(height, at) == pytest.approx(140.0, rel=1e-6)
    above = at[height > height.max() / 2]
    assert above[-1] - above[0] == pytest.approx(0.5, abs=0.03)


def test_indices_are_written_as_crystallographers_do():
    assert written((1, 1, 0)) == "110" and written((1, 0, -12)) == "1 0 12\u0305" and written((-1, 0, 2)) == "1\u030502"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"wavelength": "Unobtainium"}, "no radiation is called"),
        ({"wavelength": 0.0}, "wavelength"),
        ({"wavelength": float("nan")}, "wavelength"),
        ({"two_theta": (50, 20)}, "two_theta"),
        ({"two_theta": (0, 200)}, "two_theta"),
        ({"two_theta": "all"}, "two_theta"),
        ({"which": 99}, "no history node"),
    ],
)
def test_bad_requests_are_one_sentence(options, says):
    with pytest.raises(SessionError, match=says):
        open_("NaCl.cif").diffraction(**options)


def test_molecules_giants_and_unknown_elements_are_refused():
    with pytest.raises(SessionError, match="molecule has no powder pattern"):
        open_("benzene.xyz").diffraction()
    with pytest.raises(SessionError, match="scattering"):
        powder_pattern(Structure(Lattice.cubic(5), ["Og"], [[0, 0, 0]]))
    big = Structure(Lattice.cubic(60), ["Ar"] * 2001, np.random.default_rng(0).random((2001, 3)))
    with pytest.raises(SessionError, match="2001 atoms"):
        powder_pattern(big)
