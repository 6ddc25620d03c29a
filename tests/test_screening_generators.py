"""Generators: the same candidate from the same seed and index, and what was asked for."""

import numpy as np
import pytest

from motifdesk.screening import Checks, ScreeningError, make_generator
from motifdesk.screening.similarity import affinity, counts, partners
from motifdesk.structures import corpus, examples, read, space_group, to_arrays

TABLES = [
    {"kind": "family", "family": "harmonic-honeycomb", "max_length": 3, "parameters": {"filler": ["Na", "Li"]}},
    {"kind": "substitution", "count": 12},
    {"kind": "modes", "structure": "SrTiO3.cif", "supercell": [2, 2, 2], "irreps": ["R"], "amplitudes": [0.2, 0.4]},
    {"kind": "path", "first": "BaTiO3-cubic.cif", "last": "BaTiO3-tetragonal.cif", "steps": 4},
    {"kind": "neighbourhood", "design": "rutile-TiO2.cif", "count": 2},
    {"kind": "density", "formula": "TiO2", "count": 1, "proposals": 1},
    {"kind": "random", "formulas": ["Ti2O4"], "count": 3},
]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t["kind"])
def test_a_candidate_is_made_from_its_seed_and_index_alone(table):
    if table["kind"] == "random":
        pytest.importorskip("pyxtal")
    streamed = list(make_generator(table, seed=4))
    assert len(streamed) == len(make_generator(table, seed=4)) and any(c.arrays is not None for c in streamed)
    fresh = make_generator(table, seed=4)
    for k in {len(streamed) - 1, 0}:  # backwards, without those before
        a, b = streamed[k], fresh.make(k)
        assert {**a.to_dict(), "seconds": 0} == {**b.to_dict(), "seconds": 0}
    if table["kind"] in ("substitution", "neighbourhood", "density", "random"):
        other = make_generator(table, seed=5)
        assert any(other.make(k).to_dict()["arrays"] != streamed[k].to_dict()["arrays"] for k in range(len(other)))


def test_a_family_is_enumerated_without_repeats_and_says_which_member_fails():
    g = make_generator({**TABLES[0], "parameters": {"filler": ["Na", "Li", "Mg"], "a": [4.2, 4.4]}})
    made = list(g)
    recipes = [str(sorted(c.recipe.items())) for c in made if not c.error]
    assert len(recipes) == len(set(recipes)) and len(recipes) >= 8
    assert {c.recipe["filler"] for c in made if not c.error} >= {"Na", "Li"}
    assert all(c.status == "error" and c.arrays is None for c in made if c.error)


def test_substitutions_stay_in_the_chemical_system_and_scale_the_cell():
    system = {"Na", "K", "Ir", "Ru", "O"}
    wide = {"kind": "substitution", "chemical_system": sorted(system), "subsystems": True, "replace": 2, "count": 20}
    for c in make_generator(wide):
        assert {e.symbol for e in c.structure.composition.elements} <= system
        assert c.recipe["replaced"]
    asked = {"kind": "substitution", "chemical_system": ["Na", "Ir", "O"], "replace": 2, "count": 10}
    for c in make_generator(asked):
        assert {e.symbol for e in c.structure.composition.elements} == {"Na", "Ir", "O"}
    larger = smaller = 0
    radius = {"F": 0.57, "Cl": 1.02, "Br": 1.2, "I": 1.39, "O": 0.66, "S": 1.05, "Se": 1.2, "Te": 1.38}
    for c in make_generator({"kind": "substitution", "count": 60}):
        ((a, b),) = c.recipe["replaced"].items()
        if a in radius and b in radius and radius[a] != radius[b]:
            source, identifier = c.recipe["parent"].split("/")
            before = corpus(source)[corpus(source).index(identifier)].volume
            larger += (c.structure.volume > before) == (radius[b] > radius[a])
            smaller += (c.structure.volume > before) != (radius[b] > radius[a])
    assert larger > 2 and smaller == 0


def test_no_substitution_starts_from_a_held_out_structure():
    for c in make_generator({"kind": "substitution", "count": 60}):
        source, identifier = c.recipe["parent"].split("/")
        known = corpus(source)
        assert not known.development[known.index(identifier)]


def test_chemists_agree_with_the_mined_similarities():
    assert affinity(17, 35) > 1 and affinity(60, 59) > 1 and affinity(11, 19) > 1  # Cl-Br, Nd-Pr, Na-K
    assert affinity(17, 11) < 0.3 and affinity(9, 56) < 0.3 and affinity(8, 16) > affinity(8, 55)
    assert (counts() == counts().T).all()
    z, p = partners(35)
    assert p.sum() == pytest.approx(1) and z[p.argmax()] in (17, 53)


def test_mode_scans_leave_the_drift_out_and_keep_the_amplitudes_asked_for():
    parent = to_arrays(read("SrTiO3.cif"))
    silicon = len(read("Si.cif"))
    assert len(make_generator({"kind": "modes", "structure": "Si.cif", "amplitudes": [0.2]})) == 3 * silicon - 3
    made = list(make_generator({"kind": "modes", "structure": "SrTiO3.cif", "amplitudes": [0.2]}))
    assert len(made) == 15
    for c in made:
        moved = c.arrays.positions - parent.positions
        assert np.linalg.norm(moved) == pytest.approx(0.2, abs=1e-9)
        assert space_group(c.arrays).number < 221


def test_a_path_has_the_symmetry_its_ends_share_and_leaves_them_out():
    made = list(make_generator(TABLES[3]))
    assert [round(c.recipe["t"], 3) for c in made] == [0.2, 0.4, 0.6, 0.8]
    assert {space_group(c.arrays, 0.001).number for c in made} == {99}


def test_the_density_keeps_a_composition_and_a_space_group_asked_for():
    for c in make_generator({"kind": "density", "formula": "Ti2O4", "count": 1, "proposals": 1}):
        assert c.structure.composition.formula == "Ti2 O4"
    asked = {"kind": "density", "chemical_system": ["Na", "Ir", "O"], "space_group": 12, "max_atoms": 12, "count": 4}
    made = [c for c in make_generator(asked, seed=0) if c.arrays is not None]
    assert len(made) >= 2
    judge = Checks({"all": True, "skip": ["motifs", "bond_valence", "novelty"], "tolerance": 0.01})
    for c in made:
        assert {e.symbol for e in c.structure.composition.elements} == {"Na", "Ir", "O"}
    # the group asked for, or one that contains it
    groups = [judge(c).figures["spacegroup"] for c in made]
    assert all(g >= 12 for g in groups) and groups.count(12) >= len(groups) / 2


def test_files_that_cannot_be_read_are_candidates_with_an_error(tmp_path):
    from motifdesk.structures import write

    write(read("NaCl.cif"), tmp_path / "a.cif")
    (tmp_path / "b.cif").write_text("nothing")
    good, bad = make_generator({"kind": "files", "files": [str(tmp_path)]})
    assert good.structure.composition.reduced_formula == "NaCl"
    assert bad.status == "error" and "b.cif" in bad.error


def test_options_that_do_not_go_are_refused_before_anything_runs():
    assert "SrTiO3.cif" in examples()
    for table, words in [
        ({"kind": "density", "count": 1, "formula": "TiO2", "chemical_system": ["Ti"]}, "together"),
        ({"kind": "density", "count": 1, "band_gap": [1]}, "Two numbers"),
        (
            {"kind": "density", "count": 1, "chemical_system": ["Na", "K", "Cl", "Br", "I"], "max_atoms": 4},
            "balances|stoichiometry",
        ),
        ({"kind": "substitution", "count": 1, "chemical_system": ["Xx"]}, "Xx"),
        ({"kind": "modes", "structure": "SrTiO3.cif", "irreps": ["Q"]}, "no mode is left"),
        ({"kind": "path", "first": "NaCl.cif", "last": "Si.cif"}, "composition|atoms|formula"),
        ({"kind": "os:getcwd", "count": 1}, "no generator"),
    ]:
        with pytest.raises(ScreeningError, match=words):
            make_generator(table)
