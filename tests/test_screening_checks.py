"""Checks say no for the right reason, duplicates and known crystals are found, energies meet only their like."""

import numpy as np
import pytest

from motifdesk.screening import Candidate, Checks, ScreeningError, Store
from motifdesk.screening.checks.novelty import Known, amd, known_crystals, matcher, near_enough
from motifdesk.screening.energies import Hull, competing_phases, relax
from motifdesk.screening.energies.calculators import AseCalculator
from motifdesk.screening.finishing import mark_duplicates
from motifdesk.structures import AtomArrays, corpus, read, to_arrays


def candidate(arrays, index=0):
    return Candidate("test", 0, index, {"kind": "test"}, to_arrays(arrays))


def judged(arrays, **table):
    return Checks(table)(candidate(arrays))


def verdict(c, name):
    return next(v for v in c.verdicts if v.check == name)


@pytest.mark.parametrize(
    "name", ["rutile-TiO2.cif", "SrTiO3.cif", "NaIrO3.cif", "quartz-SiO2.cif", "NaCl.cif", "Si.cif"]
)
def test_known_crystals_pass_every_check(name):
    c = judged(read(name))
    assert c.status == "passed", c.reason
    assert c.figures["spacegroup"] > 1 and c.figures["motif"]


def test_a_squeezed_crystal_is_rejected_for_its_contact_and_judging_ends_there():
    rutile = to_arrays(read("rutile-TiO2.cif"))
    small = AtomArrays(rutile.numbers, 0.6 * rutile.positions, 0.6 * rutile.cell)
    c = judged(small)
    assert c.status == "rejected" and c.reason.startswith("contacts: ") and "A apart" in c.reason
    assert c.verdicts[-1].check == "contacts"
    assert len(judged(small, all=True).verdicts) > len(c.verdicts)


def test_a_blown_up_crystal_is_rejected_for_its_density():
    salt = to_arrays(read("NaCl.cif"))
    c = judged(AtomArrays(salt.numbers, 3 * salt.positions, 3 * salt.cell))
    assert c.status == "rejected" and c.reason.startswith("density")


def test_charges_that_do_not_balance_are_rejected_and_mixed_valence_is_not():
    salt = to_arrays(read("NaCl.cif"))
    halved = AtomArrays(np.where(np.arange(8) < 2, 11, 17), salt.positions, salt.cell)  # NaCl3
    assert verdict(judged(halved, all=True), "composition").passed is False
    from motifdesk.screening.checks.chemistry import charge_neutral

    assert charge_neutral("Fe3O4") and not charge_neutral("Fe3O4", mixed_valence=False)
    assert not charge_neutral("NaCl3") and charge_neutral("CuZn")


def test_a_cation_in_too_small_a_hole_is_rejected_by_its_bond_valence():
    rutile = read("rutile-TiO2.cif")
    rutile.replace_species({"Ti": "Pb"})
    c = judged(rutile, skip=["contacts", "motifs"])
    assert verdict(c, "bond_valence").passed is False and "Pb" in c.reason
    assert verdict(judged(read("rutile-TiO2.cif")), "bond_valence").value < 0.3


def test_wishes_for_a_motif_ask_for_its_sharing_and_its_net():
    honeycomb = read("alpha-Li2IrO3.cif")
    assert judged(honeycomb, wish_motif={"formula": "IrO6", "sharing": "edge"}).status == "passed"
    assert judged(honeycomb, wish_motif={"formula": "IrO6", "sharing": "edge", "dimensionality": 2}).status == "passed"
    asked = judged(honeycomb, wish_motif={"formula": "IrO6", "sharing": "face"})
    assert asked.status == "rejected" and "edge" in asked.reason
    assert "no IrO4" in judged(honeycomb, wish_motif={"formula": "IrO4"}).reason
    assert judged(honeycomb, wish_composition={"contains": ["Na"]}).reason == "wish_composition: without Na"


def test_a_check_that_fails_has_not_judged_and_the_others_go_on(monkeypatch):
    from motifdesk.screening.checks import judging

    def broken(look, options):
        raise ValueError("no idea")

    monkeypatch.setitem(judging.CHECKS, "density", (broken, judging.CHECKS["density"][1]))
    c = judged(read("NaCl.cif"))
    assert verdict(c, "density").passed is None and "no idea" in verdict(c, "density").reason
    assert c.status == "passed" and verdict(c, "symmetry").passed


def moved(arrays, seed):
    """The same crystal in another primitive-to-super cell, turned, shifted, its atoms shuffled and slightly rattled."""
    rng = np.random.default_rng(seed)
    double = np.concatenate([arrays.positions, arrays.positions + arrays.cell[0]])
    cell = arrays.cell.copy()
    cell[0] *= 2
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(len(double))
    positions = (double + rng.normal(scale=0.01, size=double.shape) + 0.3) @ q
    return AtomArrays(np.tile(arrays.numbers, 2)[order], positions[order], cell @ q)


def test_amd_is_that_of_the_crystal_and_not_of_its_cell():
    mp = corpus("mp_20")
    for k in (3, 400, 2500):
        assert np.abs(amd(mp[k]) - amd(moved(mp[k], k))).max() < 0.02


def test_the_prefilter_loses_no_match_of_the_matcher():
    """Pairs of one formula in the corpora: whatever StructureMatcher calls the same has near AMDs."""
    fit, same, kept = matcher(), 0, 0
    by_formula = {}
    for name in ("mp_20", "mpts_52"):
        c = corpus(name)
        for k in range(0, len(c)):
            if c.natoms[k] <= 12:
                by_formula.setdefault(c[k].formula if k % 3 == 0 else "", []).append((c, k))
    by_formula.pop("")
    pairs = [(a, b) for v in by_formula.values() for i, a in enumerate(v) for b in v[:i]]
    for (ca, a), (cb, b) in pairs[:120]:
        if fit.fit(ca.structure(a), cb.structure(b)):
            same += 1
            kept += near_enough(amd(ca[a]), amd(cb[b]))
    assert same > 5 and same == kept


def test_known_structures_kept_ready_are_limited_in_number(monkeypatch):
    monkeypatch.setattr("motifdesk.screening.checks.novelty._REMEMBERED", 2)
    known = Known([corpus("mp_20")])
    rocks = [corpus("mp_20")[k] for k in range(0, 60, 10)]
    assert all(known.find(a) for a in rocks) and len(known._made) == 2
    assert all(known.find(a) for a in rocks)


def test_known_crystals_are_found_in_another_setting_and_new_ones_are_not():
    known = known_crystals(("mp_20",))
    mp = corpus("mp_20")
    for k in (10, 1000, 5000):
        found = known.find(moved(mp[k], k))
        assert found is not None
        assert matcher().fit(mp.structure(k), mp.structure(mp.index(found.split("/")[1])))
    changed = AtomArrays(
        np.where(mp[10].numbers == mp[10].numbers[0], 94, mp[10].numbers), mp[10].positions, mp[10].cell
    )
    assert known.find(changed) is None


def test_own_known_structures_count_too(tmp_path):
    from motifdesk.structures import write

    structure = read("NaIrO3.cif")
    write(structure, tmp_path / "mine.cif")
    c = judged(structure, novelty={"corpora": [], "own": [str(tmp_path)], "required": True})
    assert c.status == "rejected" and "mine.cif" in c.reason
    assert judged(structure, novelty={"corpora": []}).figures["novel"] is True


def test_duplicates_are_marked_once_and_in_the_order_of_the_keys(tmp_path):
    import threading

    mp = corpus("mp_20")
    store = Store(tmp_path / "s.sqlite")
    kinds = [3, 400, 3, 2500, 3, 400]
    store.put(candidate(mp[k] if n == kinds.index(k) else moved(mp[k], n), n) for n, k in enumerate(kinds))
    for _ in range(2):  # the second time changes nothing
        assert mark_duplicates(store, threading.Event()) == 3
        assert store.table(["duplicate_of"])["duplicate_of"].tolist() == [
            None,
            None,
            "test/0/0",
            None,
            "test/0/0",
            "test/0/1",
        ]


# ------------------------------------------------------------------------------------------------------------ energies


def test_energy_above_the_hull_by_hand():
    na, cl = np.array([11]), np.array([17])
    salt = np.array([11, 17])
    hull = Hull([11, 17], [(na, -1.0), (cl, -2.0), (salt, -3.5)])
    assert hull.above(salt, -3.0) == (pytest.approx(0.5), "against NaCl")
    # Na3Cl competes with 2 Na + NaCl: (2 x -1 + 2 x -3.5) / 4 = -2.25 eV/atom
    above, against = hull.above(np.array([11, 11, 11, 17]), -2.0)
    assert above == pytest.approx(0.25) and against == "against Na + NaCl"
    assert hull.above(salt, -4.0)[0] == pytest.approx(-0.5), "below the hull of the others"


def test_a_missing_element_is_said_and_not_guessed():
    hull = Hull([11, 17], [(np.array([11]), -1.0), (np.array([11, 17]), -3.5)])
    assert hull.above(np.array([11, 17]), -3.0)[0] == pytest.approx(0.5)
    value, note = hull.above(np.array([11, 17, 17, 17]), -3.0)
    assert value is None and "Cl" in note


def test_competing_phases_stay_within_the_chemical_system():
    phases = competing_phases([11, 77, 8])
    assert any(i.startswith("mp") for i in phases) and "element/Ir" in phases
    assert all(set(a.numbers.tolist()) <= {11, 77, 8} for a in phases.values())


def test_relaxing_ends_at_the_minimum_and_refuses_what_is_no_number():
    from ase.calculators.emt import EMT

    copper = AtomArrays([29], [[0, 0, 0]], 3.75 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]))
    emt = AseCalculator(EMT, "emt")
    got = relax(emt, copper, fmax=0.005)
    assert got.converged and got.steps > 0
    assert abs(np.linalg.det(got.arrays.cell)) == pytest.approx(3.59**3 / 4, rel=0.01)  # EMT's own constant
    assert got.per_atom < emt.energies([copper])[0]
    assert not relax(emt, copper, fmax=1e-4, steps=1).converged

    class Wrong(EMT):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results["forces"] = self.results["forces"] * np.nan

    with pytest.raises(ScreeningError, match="NaN"):
        relax(AseCalculator(Wrong, "wrong"), copper)
