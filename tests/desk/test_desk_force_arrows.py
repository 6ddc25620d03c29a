"""Force arrows of the structure pane, from the page's side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import motifdesk as md
from motifdesk.desk.forces import LONGEST, SMALLEST_FORCE, force_unit
from motifdesk.screening.energies.distilled import DistilledCalculator
from motifdesk.screening.energies.relaxing import Evaluation
from motifdesk.session.relaxing import calculator_options
from motifdesk.structures.errors import SessionError


def drawn(page) -> np.ndarray:
    """Forces [N, 3] as the page reads them, newest."""
    assert page.desk.settle()
    return np.frombuffer(page.out.shifts, "<f4").reshape(-1, 3)


@pytest.fixture
def salt():
    structure = md.read("NaCl.cif", cell="primitive").copy()
    structure.translate_sites([0], [0.3, 0.1, 0.0], frac_coords=False)
    return structure


def test_forces_are_the_potentials_and_follow_a_move(opened, salt):
    page = opened(salt).send("arrows", on=True, of="forces")
    calculator = DistilledCalculator()
    first = drawn(page)
    assert np.abs(first - calculator.live(page.session.state.arrays).forces).max() < 1e-5
    assert first[0] @ [0.3, 0.1, 0.0] < -0.01, "back to where the atom came from"
    tools = page.out.tools
    assert tools["arrow_note"].startswith("forces by distilled CHGNet (mean error 0.")
    largest = np.linalg.norm(first, axis=1).max()
    unit = 1 / tools["scale"]
    assert f"largest {largest:.2f} eV/Å" in tools["arrow_note"] and f"1 Å drawn is {unit:g} eV/Å" in tools["arrow_note"]
    assert LONGEST / 2.5 <= largest * tools["scale"] <= LONGEST + 1e-9 and not tools["stale"]
    page.session.strain(volume=0.9)
    second = drawn(page)
    assert np.abs(second - calculator.live(page.session.state.arrays).forces).max() < 1e-5
    assert np.abs(second - first).max() > 0.01
    with page.session.gesture("strain") as gesture:
        gesture.update(volume=0.8)
        assert page.session.state.preview
        held = drawn(page)
        assert np.abs(held - calculator.live(page.session.state.arrays).forces).max() < 1e-5
        gesture.cancel()
    assert np.abs(drawn(page) - second).max() < 1e-6


def test_no_force_to_speak_of_is_said_in_words(opened):
    page = opened(md.read("NaCl.cif", cell="primitive")).send("arrows", on=True, of="forces")
    assert np.abs(drawn(page)).max() < SMALLEST_FORCE
    assert page.out.tools["arrow_note"].endswith(f"none above {SMALLEST_FORCE} eV/Å")


def test_a_calculator_asked_about_this_very_design_comes_first(opened, salt):
    page = opened(salt).send("arrows", on=True, of="forces")
    live = drawn(page)
    told = np.array([[0.0, 0.0, 1.5], [0.0, 0.0, -1.5]])
    options, arrays = calculator_options("chgnet", None), page.session.state.arrays
    page.session.services.calculators.remember(options, arrays, Evaluation(-3.4, told, None, "CHGNet 0.4.2"))
    page.send("energy", what="evaluate")
    assert np.abs(drawn(page) - told).max() < 1e-6
    assert page.out.tools["arrow_note"].startswith("forces by CHGNet 0.4.2: largest 1.50 eV/Å")
    page.session.strain(volume=1.05)
    drawn(page)
    assert "distilled" in page.out.tools["arrow_note"], "it knows nothing of the larger cell"
    page.session.undo()
    assert np.abs(drawn(page) - told).max() < 1e-6
    page.session.redo()
    assert np.abs(drawn(page) - live).max() > 1e-4


def test_forces_of_another_shape_are_called_stale(opened, salt):
    page = opened(salt).send("arrows", on=True, of="forces")
    drawn(page)
    before = page.session.state
    other = md.Session(salt, codec=None, atlas=None)
    other.strain(volume=1.1)
    _, news = page.desk._tools.forces.shown(other.state)
    assert news["stale"] and not page.desk._tools.forces.shown(before)[1]["stale"]
    other.set_structure(md.read("rutile-TiO2.cif", cell="primitive"))
    shifts, news = page.desk._tools.forces.shown(other.state)
    assert shifts == b"" and news["stale"], "never on other atoms"


def test_a_molecule_has_no_live_forces_and_is_told_what_helps(opened):
    page = opened("benzene.xyz").send("arrows", on=True, of="forces")
    assert page.desk.settle() and page.out.shifts == b""
    note = page.out.tools["arrow_note"]
    assert note.startswith("no live forces") and "molecule" in note and "Energy tab" in note
    assert page.desk.messages == ()


def test_the_choice_is_kept_and_a_wrong_one_named(opened, salt):
    page = opened(salt)
    page.desk.show_arrows(of="forces")
    page.send("arrows", on=False)
    assert page.desk.settle() and page.out.shifts == b"" and page.out.tools["arrows_of"] == "forces"
    page.send("arrows", on=True)
    assert drawn(page).shape == (2, 3)
    with pytest.raises(SessionError, match="'taste'.*start, forces"):
        page.desk.show_arrows(of="taste")
    page.send("arrows", on=True, of=["forces"])
    assert "start, forces" in page.desk.messages[-1] and page.out.tools["arrows_of"] == "forces"
    page.send("arrows", on=True, of="start")
    assert page.desk.settle() and page.out.tools["arrow_note"] == "nothing has moved"


@given(st.floats(SMALLEST_FORCE, 1e5))
def test_the_scale_is_a_round_number_and_the_longest_arrow_is_seen(largest):
    unit = force_unit(largest)
    assert LONGEST / 2.5 * (1 - 1e-6) <= largest / unit <= LONGEST * (1 + 1e-6)
    assert f"{unit:.0e}"[0] in "125" and float(f"{unit:.0e}") == unit
