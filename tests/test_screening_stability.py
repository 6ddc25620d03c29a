"""Stability of candidates: phonons and elastic constants against textbook cases, and as a part of a campaign."""

import csv

import numpy as np
import pytest

pytest.importorskip("phonopy")

from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.filters import FrechetCellFilter, StrainFilter
from ase.optimize import BFGS
from ase.units import GPa

from motifdesk.screening import Campaign, Plan, ScreeningError
from motifdesk.screening.exporting import export_shortlist
from motifdesk.screening.report import html_report
from motifdesk.screening.stability import elastic, phonons
from motifdesk.screening.stability.elastic import moduli
from motifdesk.screening.stability.keeping import stability_of
from motifdesk.screening.stability.phonons import supercell_of
from motifdesk.structures import AtomArrays, to_arrays, write


@pytest.fixture(scope="module")
def copper():
    atoms = bulk("Cu")
    atoms.calc = EMT()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4)
    return to_arrays(atoms)


@pytest.fixture(scope="module")
def simple_cubic():
    """Copper where it does not want to be: at rest by symmetry alone."""
    atoms = Atoms("Cu", cell=[2.4] * 3, pbc=True)
    atoms.calc = EMT()
    BFGS(StrainFilter(atoms), logfile=None).run(fmax=1e-4)
    return to_arrays(atoms)


def energy(arrays, deformation):
    cell = arrays.cell @ (np.eye(3) + deformation)
    atoms = Atoms(arrays.numbers, arrays.fractional @ cell, cell=cell, pbc=True, calculator=EMT())
    return atoms.get_potential_energy()


def second_derivative(arrays, direction, h=0.004):
    """d2E/dx2 / V in GPa along a strain, from energies alone: an independent way to the constants."""
    d = np.array(direction, dtype=float)
    curve = energy(arrays, h * d) - 2 * energy(arrays, 0 * d) + energy(arrays, -h * d)
    return curve / h**2 / arrays.volume / GPa


def test_copper_is_stable_and_its_constants_are_those_of_its_energies(copper):
    e = elastic(copper, EMT())
    c = e.constants
    assert e.stable and e.note == "" and e.stress < 0.01 and e.asymmetry < 0.01
    assert np.allclose(c, c.T) and c[0, 0] == pytest.approx(c[2, 2]) and c[3, 3] == pytest.approx(c[5, 5])
    c11, c12, c44 = c[0, 0], c[0, 1], c[3, 3]
    assert c11 == pytest.approx(second_derivative(copper, np.diag([1, 0, 0])), rel=0.01)
    assert 2 * (c11 - c12) == pytest.approx(second_derivative(copper, np.diag([1, -1, 0])), rel=0.02)
    shear = [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
    assert c44 == pytest.approx(second_derivative(copper, shear), rel=0.01)
    # the bulk modulus of EMT's copper: K. W. Jacobsen, P. Stoltze, J. K. Norskov, Surf. Sci. 366, 394 (1996)
    assert e.bulk == pytest.approx(134, abs=2) and e.bulk == pytest.approx((c11 + 2 * c12) / 3)


def test_copper_has_no_imaginary_modes_and_its_sound_is_that_of_its_constants(copper):
    p = phonons(copper, EMT())
    assert p.stable and p.imaginary == 0 and p.calls == 2 and p.note == ""
    assert abs(p.frequencies[0]).max() < 1e-3, "three acoustic modes at the zone centre"
    assert 6 < p.frequencies.max() < 9
    # the softest wave along [100]: slope = sqrt(c44 / rho), from a wave vector of the supercell
    e = elastic(copper, EMT())
    rho = 63.546 * 1.66054e-27 / (copper.volume * 1e-30)
    speed = np.sqrt(e.constants[3, 3] * 1e9 / rho)
    q = 2 * np.pi * p.qpoints @ np.linalg.inv(copper.cell).T
    long = np.linalg.norm(q, axis=1)
    along = [k for k in range(len(q)) if long[k] > 0 and np.sort(np.abs(q[k]))[1] < 1e-9 * long[k] + 1e-9]
    assert along
    for k in along:
        assert p.frequencies[k][0] * 1e12 < 1.02 * speed * long[k] * 1e10 / (2 * np.pi)
    k = min(along, key=lambda k: long[k])
    assert p.frequencies[k][0] * 1e12 > 0.85 * speed * long[k] * 1e10 / (2 * np.pi), "little dispersion at long waves"


def test_a_structure_at_a_saddle_shows_imaginary_modes_and_a_negative_eigenvalue(simple_cubic):
    p = phonons(simple_cubic, EMT(), length=7.0)
    assert not p.stable and p.lowest < -1 and p.imaginary > 3 and p.residual < 0.01
    e = elastic(simple_cubic, EMT())
    assert not e.stable and e.lowest == pytest.approx(e.constants[3, 3], rel=1e-6) and e.lowest < -5


def test_a_crystal_of_two_atoms_relaxes_its_atoms_in_the_strained_cell():
    # hexagonal close packing: atoms move against each other when the cell is sheared
    atoms = bulk("Cu", "hcp", a=2.55, c=4.16)
    atoms.calc = EMT()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4)
    arrays = to_arrays(atoms)
    clamped, relaxed = (elastic(arrays, EMT(), relax_atoms=r, fmax=1e-3) for r in (False, True))
    assert relaxed.unconverged == 0 and relaxed.constants[5, 5] < clamped.constants[5, 5] - 1
    c = relaxed.constants
    assert c[5, 5] == pytest.approx((c[0, 0] - c[0, 1]) / 2, rel=1e-6), "hexagonal"


def test_lennard_jones_argon_obeys_cauchy():
    atoms = bulk("Ar", "fcc", a=1.56)
    calculator = LennardJones(rc=5.0, smooth=True)
    atoms.calc = calculator
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4)
    c = elastic(to_arrays(atoms), calculator, strain=0.002).constants
    assert c[0, 1] == pytest.approx(c[3, 3], rel=0.01), "pair forces, every atom a centre: C12 = C44"


def test_chgnet_finds_rock_salt_and_diamond_stable_and_silicon_as_stiff_as_measured_within_a_third():
    pytest.importorskip("chgnet")
    from motifdesk.screening import make_calculator, relax

    chgnet = make_calculator({"calculator": "chgnet"})
    fcc = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    salt = AtomArrays([11, 17], [[0, 0, 0], [2.82, 0, 0]], 2.82 * fcc)
    diamond = AtomArrays([14, 14], [[0, 0, 0], [1.3578] * 3], 2.7155 * fcc)
    for crystal in (salt, diamond):
        found = relax(chgnet, crystal, fmax=0.01).arrays
        p, e = phonons(found, chgnet, length=8.0), elastic(found, chgnet)
        assert p.stable and e.stable, crystal.formula
    # H. J. McSkimin, P. Andreatch, J. Appl. Phys. 35, 2161 (1964): 165.8, 63.9, 79.6 GPa, bulk modulus 97.8
    assert e.bulk == pytest.approx(97.8, rel=1 / 3) and 11 < p.frequencies.max() < 16


def test_averages_of_an_isotropic_solid_are_its_moduli():
    lam, mu = 60.0, 40.0
    c = np.diag([2 * mu] * 3 + [mu] * 3) + np.pad(np.full((3, 3), lam), (0, 3))
    bulk_modulus, shear = moduli(c)
    assert bulk_modulus == pytest.approx(lam + 2 * mu / 3) and shear == pytest.approx(mu)


def test_supercells_are_as_wide_as_asked_and_no_larger_than_allowed():
    thin = AtomArrays([14, 14], [[0, 0, 0], [1, 1, 1]], np.diag([2.5, 5.0, 20.0]))
    assert supercell_of(thin, 10.0, 200) == ((4, 2, 1), False)
    repeats, cut = supercell_of(thin, 10.0, 8)
    assert cut and 2 * np.prod(repeats) <= 8


def test_a_perovskite_s_supercell_holds_the_wave_vectors_at_which_it_tilts():
    cubic = AtomArrays([56, 22, 8, 8, 8], np.zeros((5, 3)), np.diag([3.9, 3.9, 3.9]))
    assert supercell_of(cubic, 10.0, 200) == ((2, 2, 2), True), (
        "4 x 4 x 4 would hold 320 atoms, 3 x 3 x 3 neither R nor M"
    )
    assert supercell_of(cubic, 10.0, 400) == ((4, 4, 4), False)


class Broken(EMT):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["forces"] = np.full((len(self.results["forces"]), 3), np.nan)
        self.results["stress"] = np.full(6, np.nan)


def test_what_is_no_number_no_crystal_or_takes_too_long_is_one_clear_error(copper):
    with pytest.raises(ScreeningError, match="not numbers"):
        phonons(copper, Broken())
    with pytest.raises(ScreeningError, match="not numbers"):
        elastic(copper, Broken())
    with pytest.raises(ScreeningError, match="need a crystal"):
        phonons(Atoms("N2", [[0, 0, 0], [0, 0, 1.1]]), EMT())
    with pytest.raises(ScreeningError, match="over the time limit"):
        phonons(copper, EMT(), seconds=0.0)


def campaign_of(tmp_path, **stability):
    names = []
    for symbol, structure in (("Cu", "fcc"), ("Ag", "fcc"), ("Au", "fcc")):
        atoms = bulk(symbol, structure, cubic=False)
        write(to_arrays(atoms), tmp_path / f"{symbol}.cif")
        names.append(str(tmp_path / f"{symbol}.cif"))
    return Plan.make(
        {
            "campaign": {"map": False, "store": "s.sqlite"},
            "generate": [{"kind": "files", "files": names}],
            "checks": {"skip": ["motifs", "bond_valence", "novelty", "composition"]},
            "energy": {"calculator": "ase.calculators.emt:EMT", "relax": True, "hull": False},
            "stability": {"phonons": True, "elastic": True, "length": 5.0, **stability},
        },
        tmp_path,
    )


def test_a_campaign_looks_at_its_best_and_keeps_and_reports_what_it_found(tmp_path):
    campaign = Campaign(campaign_of(tmp_path, best=2))
    assert campaign.run(workers=1).complete
    found = stability_of(campaign.store)
    assert len(found) == 2, "only the best"
    for row in found.values():
        assert row["phonon_stable"] and row["elastic_stable"] and row["stability_note"] == ""
        assert row["bulk_gpa"] > 80 and np.shape(row["details"]["constants_gpa"]) == (6, 6)
    seen = []
    campaign.run(workers=0, progress=lambda p: seen.append(p.stage))
    assert "stability" not in seen, "not looked at twice"
    text = html_report(campaign.store)
    assert text.count("no imaginary modes") == 2 and "to the desk" in text and "GPa" in text
    with open(export_shortlist(campaign.store, tmp_path / "out") / "table.csv") as f:
        rows = list(csv.DictReader(f))
    assert sorted(r["phonon_stable"] for r in rows) == ["", "True", "True"]
    assert campaign.open("files/0/0").composition.reduced_formula == "Cu"
    with pytest.raises(ScreeningError, match="no id"):
        campaign.open("nonsense")


def test_a_candidate_whose_forces_fail_says_why_and_stops_no_other(tmp_path):
    class Half(EMT):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            if "Ag" in self.atoms.get_chemical_symbols() and len(self.atoms) > 1:
                raise RuntimeError("the density did not converge")

    from motifdesk.screening.energies.calculators import AseCalculator

    campaign = Campaign(campaign_of(tmp_path), calculator=AseCalculator(Half, "half"))
    campaign.run()
    by_formula = {c.final.composition.reduced_formula: stability_of(campaign.store)[c.id] for c in campaign.store}
    assert "did not converge" in by_formula["Ag"]["stability_note"] and by_formula["Ag"]["phonon_stable"] is None
    assert by_formula["Ag"]["elastic_stable"], "elastic constants need one cell only"
    assert by_formula["Cu"]["phonon_stable"] and by_formula["Au"]["elastic_stable"]


def test_stability_without_relaxation_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ScreeningError, match="relaxed candidates"):
        Plan.make({"stability": {"phonons": True}}, tmp_path)
    with pytest.raises(ScreeningError, match="phonon"):
        Plan.make({"stability": {"phonon": True}}, tmp_path)


def test_what_lies_between_the_wave_vectors_of_the_supercell_is_said_where_it_would_change_the_verdict():
    atoms = bulk("Ar", "sc", a=1.12)
    found = phonons(atoms, LennardJones(sigma=1, epsilon=1, rc=2.6, smooth=True), supercell=(3, 3, 3), threshold=11.5)
    assert 0.5 not in found.qpoints, "without the zone's boundary, where it is softest"
    assert found.stable and found.interpolated < -11.5
    assert "interpolated between its wave vectors" in found.note
