"""The bundled fast potential: as a calculator, for many at once, and live on a design."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motifdesk.screening.energies import make_calculator, relax
from motifdesk.screening.errors import ScreeningError
from motifdesk.session import Session
from motifdesk.structures import AtomArrays, read, to_arrays

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def calculator():
    return make_calculator({"calculator": "distilled"})


@pytest.fixture(scope="module")
def crystals():
    return [to_arrays(read(name)) for name in ("NaCl.cif", "SrTiO3.cif", "rutile-TiO2.cif")]


def shaken(a, sigma=0.2, grown=1.05, seed=0):
    rng = np.random.default_rng(seed)
    return AtomArrays(a.numbers, a.positions * grown + rng.normal(size=a.positions.shape) * sigma, a.cell * grown)


def test_real_crystals_lie_below_shaken_ones_and_batches_agree_with_single_ones(calculator, crystals):
    rough = [shaken(a) for a in crystals]
    energies = calculator.energies([*crystals, *rough])
    for real, moved in zip(energies[:3], energies[3:], strict=True):
        assert real < moved - 0.05
    for a, e in zip(crystals, energies, strict=False):
        assert calculator.live(a).per_atom == pytest.approx(e, abs=1e-4)


def test_atoms_that_are_pressed_together_are_pushed_apart(calculator):
    a = to_arrays(read("NaCl.cif", cell="primitive"))
    for distance in (0.5, 0.9, 1.3):
        x = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
        found = calculator.live(AtomArrays(a.numbers, x, np.eye(3) * 9.0))
        assert found.forces[1, 0] > 1.0, f"at {distance} A"


def test_ase_relaxes_with_it_and_many_are_relaxed_at_once(calculator, crystals):
    rough = [shaken(a) for a in crystals]
    before = calculator.energies(rough)
    together = calculator.relax_many(rough, steps=80)
    after = calculator.energies(together)
    assert all(b < a - 0.05 for a, b in zip(before, after, strict=True))
    assert max(calculator.live(a).fmax for a in together) < 0.6
    alone = relax(calculator, rough[0], fmax=0.1, steps=150)
    assert alone.converged
    assert alone.per_atom == pytest.approx(after[0], abs=0.02)


def test_what_it_does_not_know_is_said_and_passed_over(calculator, crystals):
    molecule = to_arrays(read("benzene.xyz"))
    strange = AtomArrays(np.where(crystals[0].numbers == 11, 87, 17), crystals[0].positions, crystals[0].cell)
    energies = calculator.energies([molecule, crystals[0], strange])
    assert [math.isnan(e) for e in energies] == [True, False, True]
    assert "molecule" in calculator.knows(molecule)
    assert "Fr" in calculator.knows(strange)
    with pytest.raises(ScreeningError, match="Fr"):
        calculator.live(strange)
    assert calculator.relax_many([molecule, strange], steps=3) == [molecule, strange]


def test_it_is_near_its_teacher_on_crystals_it_was_not_trained_on(calculator):
    from motifdesk.networks.force_training import errors, read_labels
    from motifdesk.screening.energies.distilled import bundled
    from motifdesk.structures import corpus

    model, _ = bundled()
    held, _, ids = read_labels([DATA / "chgnet_labels.npz"], model.config.cutoff)
    for place in ids:
        name, _, key = str(place).partition("/")
        c = corpus(name)
        assert c.development[list(c.ids).index(key)], f"{place} is in the training part"
    found = errors(model, held, model.config.cutoff)
    assert found["energy"] < 200  # meV/atom; the corpora spread over 2 eV/atom
    assert found["stress"] < 5  # GPa
    plain = 1e3 * float(np.mean([np.abs(s.forces).mean() for s in held]))
    assert found["forces"] < 0.65 * plain, "no nearer to the teacher's forces than a model that says zero"


def test_the_card_says_what_the_file_says(calculator):
    from motifdesk.data import path

    card = path("weights", "FORCE_CARD.md").read_text(encoding="utf-8")
    training = calculator.metadata["training"]
    assert str(training["structures"]) in card.replace(",", "")
    for name in ("energy", "forces"):
        assert f"{training['errors'][name]:.0f}" in card


def test_live_rows_follow_a_distortion_once_loaded_and_molecules_have_none():
    from motifdesk.session.live_energy import load_live

    session = Session(read("SrTiO3.cif"), codec=None, atlas=None)
    assert load_live()
    rest = session.readouts("move")["live_energy"]
    assert "±" in rest.value
    assert rest.unit == "eV/atom"
    motif = next(m for m in session.state.graph.motifs if m.formula == "TiO6")
    session.select(motif)
    gesture = session.gesture("distort")
    mode = next(m for m in session.state.modes if m.block == "stretch")
    gesture.update({mode: 0.4})
    moved = session.readouts("move")
    assert moved.preview
    assert moved["live_energy"].number > rest.number + 0.01
    gesture.cancel()
    assert "live_energy" not in Session(read("benzene.xyz"), codec=None, atlas=None).readouts("move")


def test_opening_a_desk_loads_no_torch_for_it():
    code = (
        "import sys; from motifdesk.session import Session; "
        "s = Session('SrTiO3.cif', codec=None, atlas=None); s.readouts('release'); "
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_atoms_are_coloured_by_the_force_on_them():
    from motifdesk.desk.colouring import COLOURINGS, paint

    assert "force" in COLOURINGS
    session = Session(read("SrTiO3.cif"), codec=None, atlas=None)
    count = len(session.state.arrays.numbers)
    scene = {"site": list(range(count)), "colour": ["#000000"] * count, "polyhedra": []}
    legend = paint(scene, session.state, "force")
    assert len(legend) == 2
    at_rest = list(scene["colour"])
    structure = session.state.structure.copy()
    structure.translate_sites([0], [0.4, 0.1, 0.0], frac_coords=False)
    moved = Session(structure, codec=None, atlas=None)
    paint(scene, moved.state, "force")
    assert scene["colour"] != at_rest
