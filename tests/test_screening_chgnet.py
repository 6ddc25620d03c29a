"""CHGNet behind the protocol: batches, what it cannot do, and a campaign that ranks with it."""

import math

import numpy as np
import pytest
import torch

from motifdesk.screening import Campaign, Plan, make_calculator, relax
from motifdesk.screening.energies.chgnet_ase import without_denormals
from motifdesk.screening.energies.relaxing import evaluate
from motifdesk.structures import AtomArrays, read, to_arrays

pytest.importorskip("chgnet")


@pytest.fixture(scope="module")
def chgnet():
    return make_calculator({"calculator": "chgnet"})


def test_a_batch_gives_the_energies_of_its_members_and_one_that_has_none_harms_no_other(chgnet):
    salt, rutile = to_arrays(read("NaCl.cif")), to_arrays(read("rutile-TiO2.cif"))
    lonely = AtomArrays([2], [[0.0, 0, 0]], 40.0 * np.eye(3))
    together = chgnet.energies([salt, lonely, rutile])
    assert together[0] == pytest.approx(chgnet.energies([salt])[0], abs=1e-5)
    assert together[2] == pytest.approx(chgnet.energies([rutile])[0], abs=1e-5)
    assert math.isnan(together[1]) or math.isfinite(together[1])
    # the Materials Project's corrected PBE energies, which the model was trained on: NaCl -3.38 - 0.614 / 2 (anion
    # correction of Cl, A. Wang et al., Sci. Rep. 11, 15496 (2021))
    assert together[0] == pytest.approx(-3.69, abs=0.1) and -10 < together[2] < -8.5


def test_a_stretched_crystal_relaxes_back_to_its_lattice(chgnet):
    primitive = AtomArrays([11, 17], [[0, 0, 0], [2.95, 0, 0]], 2.95 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]))
    got = relax(chgnet, primitive, fmax=0.05, steps=60)
    assert got.converged and got.per_atom < chgnet.energies([primitive])[0]
    assert (2 * abs(np.linalg.det(got.arrays.cell)) * 2) ** (1 / 3) == pytest.approx(5.64, abs=0.12)


def test_known_phases_lie_on_their_own_hull_and_a_wrong_structure_above(tmp_path):
    from motifdesk.structures import write

    write(read("rutile-TiO2.cif"), tmp_path / "a_rutile.cif")
    wrong = read("rutile-TiO2.cif")
    wrong.scale_lattice(1.25 * wrong.volume)
    write(wrong, tmp_path / "b_swollen.cif")
    plan = {
        "campaign": {"map": False},
        "generate": [{"kind": "files", "files": [str(tmp_path / "a_rutile.cif"), str(tmp_path / "b_swollen.cif")]}],
        "checks": {"skip": ["motifs", "bond_valence"]},
        "energy": {"calculator": "chgnet"},
    }
    campaign = Campaign(Plan.make(plan, tmp_path))
    campaign.run(workers=0)
    rutile, swollen = campaign.store
    assert abs(rutile.energy.above_hull) < 0.08
    assert swollen.energy.above_hull > 0.2 and "against" in swollen.energy.note
    assert campaign.store._one("SELECT count(*) FROM phases") > 2
    calls = []
    campaign._calculator = None
    again = campaign.run(workers=0, progress=lambda p: calls.append(p))
    assert again.made == 0 and not [p for p in calls if p.stage == "hull" and p.total]


def test_forces_and_stress_are_the_slopes_of_the_energy_in_left_handed_cells_too(chgnet):
    crystal = AtomArrays(
        [11, 17], [[0.1, 0.05, 0.0], [2.9, 2.8, 2.7]], np.array([[0, 2.9, 2.9], [2.9, 0, 2.9], [2.9, 2.9, 0]])
    )
    for cell in (crystal.cell, -crystal.cell):
        made = AtomArrays(crystal.numbers, crystal.positions, cell)
        said, step = evaluate(chgnet, made), 0.004

        def energy(strain, made=made):
            bent = np.eye(3) + strain
            return 2 * evaluate(chgnet, AtomArrays(made.numbers, made.positions @ bent, made.cell @ bent)).per_atom

        slope = (energy(step * np.eye(3)) - energy(-step * np.eye(3))) / (2 * step) / made.volume
        assert slope == pytest.approx(np.trace(said.stress), rel=0.03)
    assert relax(chgnet, AtomArrays(crystal.numbers, crystal.positions * 1.03, -crystal.cell * 1.03)).converged


def test_numbers_below_single_precision_are_flushed_only_meanwhile(chgnet):
    tiny = torch.tensor([1e-40])
    evaluate(chgnet, AtomArrays([3], [[0.0, 0, 0]], 3.4 * np.eye(3)))
    assert float(tiny * 1.0) > 0.0
    with without_denormals():
        assert float(tiny * 1.0) == 0.0
