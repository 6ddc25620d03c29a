"""Relaxation: the quasi-Newton method finds FIRE's minimum sooner; CHGNet without what a relaxation does not need."""

import math

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from motifdesk.data import path
from motifdesk.screening import Campaign, Plan, ScreeningError, relax
from motifdesk.screening.energies.calculators import AseCalculator
from motifdesk.structures import AtomArrays, corpus

CUBE = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])


class Counted(EMT):
    """Effective medium theory that counts."""

    calls = 0

    def calculate(self, *args, **kwargs):
        Counted.calls += 1
        super().calculate(*args, **kwargs)


def _alloy(seed):
    """Cu3Au and the like, strained by 5 % and displaced."""
    rng = np.random.default_rng(seed)
    cell = 3.75 * (np.eye(3) + rng.normal(scale=0.05, size=(3, 3)))
    places = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) + rng.normal(scale=0.03, size=(4, 3))
    return AtomArrays(rng.choice([29, 79, 47], 4), places @ cell, cell)


def test_the_quasi_newton_method_finds_the_minimum_of_fire_in_half_the_evaluations():
    calculator = AseCalculator(Counted, "emt")
    taken = {}
    energies = {}
    for name in ("bfgs", "fire"):
        Counted.calls = 0
        energies[name] = []
        for seed in range(6):
            got = relax(calculator, _alloy(seed), fmax=0.02, steps=300, optimiser=name)
            assert got.converged and got.fmax <= 0.02
            energies[name].append(got.per_atom)
        taken[name] = Counted.calls
    assert np.allclose(energies["bfgs"], energies["fire"], atol=2e-3)
    assert taken["bfgs"] < 0.5 * taken["fire"]


def test_a_cell_reaches_its_lattice_constant_and_stays_where_it_is_told_to():
    copper = AtomArrays([29], [[0.0, 0, 0]], 0.5 * 3.9 * CUBE)
    calculator = AseCalculator(EMT, "emt")
    free = relax(calculator, copper, fmax=0.005, steps=100)
    assert (4 * free.arrays.volume) ** (1 / 3) == pytest.approx(3.59, abs=0.02)  # of EMT
    held = relax(calculator, copper, fmax=0.005, steps=100, cell=False)
    assert held.steps == 0 and np.array_equal(held.arrays.cell, copper.cell)


def test_a_force_that_is_no_number_ends_the_relaxation_with_its_reason():
    class Broken(Calculator):
        implemented_properties = ["energy", "forces", "stress"]

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results = {"energy": -1.0, "forces": np.full((len(atoms), 3), math.nan), "stress": np.zeros(6)}

    for name in ("bfgs", "fire"):
        with pytest.raises(ScreeningError, match="NaN"):
            relax(AseCalculator(Broken, "broken"), _alloy(0), optimiser=name)
    with pytest.raises(ScreeningError, match="optimiser"):
        relax(AseCalculator(EMT, "emt"), _alloy(0), optimiser="newton")
    with pytest.raises(ScreeningError, match="optimiser"):
        Plan.make({"energy": {"calculator": "chgnet", "optimiser": "newton"}})


def test_chgnet_without_magnetic_moments_gives_the_energy_forces_and_stress_of_chgnet():
    dynamics = pytest.importorskip("chgnet.model.dynamics")
    from motifdesk.screening import make_calculator
    from motifdesk.screening.energies.calculators import to_ase

    ours = make_calculator({"calculator": "chgnet"})
    theirs = dynamics.CHGNetCalculator(ours._model, use_device="cpu", on_isolated_atoms="ignore")
    c = corpus("mp_20")
    for k in (3, 500, 2222):
        atoms = to_ase(c[k])
        atoms.rattle(0.05, seed=1)
        found = []
        for calculator in (ours.ase(), theirs):
            atoms.calc = calculator
            found.append((atoms.get_potential_energy() / len(atoms), atoms.get_forces(), atoms.get_stress()))
        for a, b in zip(*found, strict=True):
            assert np.allclose(a, b, atol=1e-4)


def test_bundled_phases_have_the_energies_of_the_calculator_and_spare_a_campaign_theirs(tmp_path):
    pytest.importorskip("chgnet")
    from motifdesk.screening import make_calculator
    from motifdesk.screening.energies import competing_phases
    from motifdesk.screening.energies.phases import bundled_energies

    calculator = make_calculator({"calculator": "chgnet"})
    bundled = bundled_energies(calculator.name)
    phases = competing_phases([22, 8])
    assert len(phases) > 3 and set(phases) <= set(bundled)
    assert np.allclose(calculator.energies(list(phases.values())), [bundled[i] for i in phases], atol=1e-4)
    assert bundled_energies("another model") == {}
    plan = {
        "campaign": {"map": False},
        "generate": [{"kind": "analogue", "max_atoms": 6, "count": 3}],
        "energy": {"calculator": "chgnet", "relax": True, "steps": 20, "hull_relax": False},
    }
    campaign = Campaign(Plan.make(plan, tmp_path), calculator=calculator)
    stages = []
    campaign.run(progress=stages.append)
    assert not [p for p in stages if p.stage == "hull" and p.total]
    above = [c.energy.above_hull for c in campaign.store if c.energy is not None]
    assert above and all(v is not None and -3 < v < 0.5 for v in above)  # against elements alone: far below
    assert campaign.store._one("SELECT count(*) FROM phases WHERE note = 'bundled'") > 0


def test_a_store_that_names_no_optimiser_was_relaxed_by_fire(tmp_path):
    def campaign(**energy):
        table = {"calculator": "screening_calculators:Steady", **energy}
        checks = {"skip": ["motifs", "bond_valence"]}
        generate = [{"kind": "files", "files": [str(path("examples", "NaCl.cif"))]}]
        plan = {"campaign": {"map": False}, "generate": generate, "checks": checks, "energy": table}
        return Campaign(Plan.make(plan, tmp_path))

    for relaxed in (False, True):
        first = campaign(relax=relaxed, optimiser="fire", hull=False)
        first.run(workers=0)
        first.store.remember("energy", {k: v for k, v in first.plan.energy.items() if k != "optimiser"})
        first.close()
        campaign(relax=relaxed, optimiser="fire", hull=False).close()
        if relaxed:
            with pytest.raises(ScreeningError, match="different in an earlier run"):
                campaign(relax=True, hull=False)
        else:
            campaign(relax=False, hull=False).close()
        (tmp_path / "campaign.sqlite").unlink()
