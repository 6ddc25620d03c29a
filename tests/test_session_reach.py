"""Sliders end before atoms meet."""

import numpy as np
import pytest

from motifdesk.session import Session
from motifdesk.session.contacts import TOO_SHORT, contacts
from motifdesk.session.distorting import distorted
from motifdesk.session.reach import full_range
from motifdesk.structures import read


def tightest(session, wanted):
    made = distorted(session.state.reference, wanted).arrays
    assert np.isfinite(made.positions).all()
    return contacts(made).tightest.fraction


@pytest.mark.parametrize("name", ["rutile-TiO2.cif", "quartz-SiO2.cif", "BaTiO3-tetragonal.cif"])
@pytest.mark.parametrize("scope", ["orbit", "crystal"])
def test_no_end_of_a_slider_brings_atoms_too_close(name, scope):
    session = Session(read(name), codec=None, atlas=None)
    stopped = 0
    for mode in session.select(motif=0, scope=scope).modes:
        ends = session.reach(mode)
        assert -full_range(mode) <= ends.low <= 0.0 <= ends.high <= full_range(mode)
        for end, why in zip((ends.low, ends.high), ends.why, strict=True):
            assert tightest(session, {mode.key: end}) >= TOO_SHORT
            assert bool(why) == (abs(end) < full_range(mode) - 1e-9)
            stopped += bool(why)
    if name.startswith("rutile") and scope == "orbit":
        assert stopped, "two oxygens of rutile would meet"


def test_what_is_on_already_and_what_is_tied_count(tmp_path):
    session = Session(read("BaTiO3-cubic.cif"), codec=None, atlas=None)
    modes = session.select(scope="crystal").modes
    polar = next(m for m in modes if m.orbit.startswith("Ti") and m.component == 1)
    alone = session.reach(polar)
    partner = next(m for m in modes if m.orbit.startswith("O") and m.irrep == polar.irrep and m.component == 1)
    session.couple(polar, partner, -1.0)
    tied = session.reach(polar)
    assert max(tied.high, -tied.low) < alone.high
    assert tightest(session, {polar.key: tied.high, partner.key: -tied.high}) >= TOO_SHORT
    session.uncouple(polar)
    session.distort({polar: 0.45})
    assert session.reach(partner).low > -full_range(partner) or session.reach(partner).high < full_range(partner)
    # from Python a designer may go farther, and the slider then reaches that far
    session.distort({polar: 0.7})
    assert session.reach(polar).high == pytest.approx(0.7)


def test_a_molecule_has_ends_too():
    session = Session(read("benzene.xyz"), codec=None, atlas=None)
    ends = [session.reach(m) for m in session.select(motif=0).modes]
    assert ends
    for mode, found in zip(session.state.modes, ends, strict=True):
        assert min(tightest(session, {mode.key: found.low}), tightest(session, {mode.key: found.high})) >= TOO_SHORT


def test_contacts_of_a_collapsed_cell_are_told_and_take_no_memory():
    from motifdesk.structures.arrays import AtomArrays, to_arrays

    arrays = to_arrays(read("quartz-SiO2.cif"))
    for size in (3e-2, 1e-2):
        squeeze = np.diag([1.0, size, size])
        flat = AtomArrays(arrays.numbers, arrays.positions @ squeeze, arrays.cell @ squeeze)
        found = contacts(flat)
        assert found.too_short and found.shortest.length < 5 * size
