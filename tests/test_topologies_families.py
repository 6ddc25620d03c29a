"""Families of topologies against published members: space groups, sharing of motifs, shells, StructureMatcher."""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

import motifdesk as md
from motifdesk.structures.errors import TopologyError
from motifdesk.structures.symmetry import space_group
from motifdesk.topologies import build, enumerate_members, families, member

SYSTEMS = {  # C. J. Howard, H. T. Stokes, Acta Cryst. B 54, 782 (1998)
    "a0a0a0": "Pm-3m",
    "a0a0c+": "P4/mbm",
    "a0b+b+": "I4/mmm",
    "a+a+a+": "Im-3",
    "a+b+c+": "Immm",
    "a+a+c-": "P4_2/nmc",
    "a0b+c-": "Cmcm",
    "a+b-b-": "Pnma",
    "a+b-c-": "P2_1/m",
    "a0a0c-": "I4/mcm",
    "a0b-b-": "Imma",
    "a-a-a-": "R-3c",
    "a0b-c-": "C2/m",
    "a-b-b-": "C2/c",
    "a-b-c-": "P-1",
}


@pytest.mark.parametrize(
    ("word", "group", "atoms"), [("+", "C2/m", 12), ("+-", "Fddd", 24), ("++--", "Cccm", 48), ("+++---", "Fddd", 72)]
)
def test_harmonic_honeycombs_have_their_published_groups(word, group, atoms):
    built = member("harmonic-honeycomb", word=word, a=4.2, centre="Ir", ligand="O", filler="Li")
    assert space_group(built.structure, 1e-3).symbol == group
    assert len(built.structure) == atoms
    assert built.structure.composition.reduced_formula == "Li2IrO3"
    assert built.charges == {"Ir": 4.0, "O": -2.0, "Li": 1.0}
    assert built.assembly.residual < 1e-9
    assert all(built.assembly.sharing(m) == {"edge": 3} for m in range(len(built.assembly.placements)))


@pytest.mark.parametrize(("word", "file"), [("+", "alpha-Li2IrO3.cif"), ("+-", "beta-Li2IrO3.cif")])
def test_ideal_honeycombs_match_the_measured_crystals(word, file):
    ideal = build("harmonic-honeycomb", word=word)
    measured = md.read(file, cell="primitive")
    measured.remove_oxidation_states()
    rms = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10).get_rms_dist(ideal, measured)
    assert rms is not None and rms[0] < 0.1


def test_words_that_mean_the_same_structure_are_one_member():
    found = [m.word for m in enumerate_members("harmonic-honeycomb", max_length=6)]
    assert found[:2] == ["+", "+-"] and "++--" in found and "+++---" in found
    assert len(found) == len(set(found))
    structures = [build("harmonic-honeycomb", word=w) for w in ("++--", "+--+", "-++-", "++--++--")]
    matcher = StructureMatcher()
    assert all(matcher.fit(structures[0], other) for other in structures[1:])


@pytest.mark.parametrize(("name", "longest"), [("polytype", 6), ("biopyribole", 5), ("layered-perovskite", 2)])
def test_enumerated_members_of_like_size_differ(name, longest):
    by_size: dict = {}
    for found in enumerate_members(name, max_length=longest, neutral=False):
        by_size.setdefault(len(found.word), []).append(found)
    matcher = StructureMatcher()
    for same in by_size.values():
        for n, one in enumerate(same):
            for other in same[n + 1 :]:
                assert not matcher.fit(one.structure, other.structure), (one.word, other.word)


@pytest.mark.parametrize(
    ("word", "group"), [("+", "F-43m"), ("+-", "P6_3mc"), ("++--", "P6_3mc"), ("+++---", "P6_3mc"), ("++-", "R3m")]
)
def test_silicon_carbide_polytypes(word, group):
    built = member("polytype", word=word)
    assert space_group(built.structure, 1e-3).symbol == group
    bonds = built.structure.get_all_neighbors(2.2)
    assert all(len(near) == 4 for near in bonds)
    assert np.allclose([n.nn_distance for near in bonds for n in near], 3.08 * np.sqrt(3 / 8))


@pytest.mark.parametrize(("system", "group"), SYSTEMS.items())
def test_all_tilt_systems_reach_their_space_groups(system, group):
    built = member("perovskite", tilts=system)
    assert space_group(built.structure, 1e-3).symbol == group
    assert built.assembly.residual < (0.05 if system == "a+a+c-" else 1e-8)  # the one that no rigid octahedra make


def test_rigid_tilts_shrink_the_cell_by_the_published_factors():
    about_z = member("perovskite", tilts="a0a0c-", angle_1=9.0).assembly.cell / 7.8
    assert np.diag(about_z) == pytest.approx([np.cos(np.radians(9)), np.cos(np.radians(9)), 1.0], abs=1e-6)
    rhombohedral = member("perovskite", tilts="a-a-a-", angle_1=6.0).assembly.cell / 7.8
    # (6, 6, 6) degrees are 6 sqrt(3) about n = [111]; neighbours turn oppositely, so the edge a x becomes
    # a (cos x + (1 - cos) (n.x) n)
    cosine = np.cos(np.radians(6 * np.sqrt(3)))
    expected = np.linalg.norm([cosine + (1 - cosine) / 3, (1 - cosine) / 3, (1 - cosine) / 3])
    assert np.linalg.norm(rhombohedral, axis=1) == pytest.approx([expected] * 3, abs=1e-5)


@pytest.mark.parametrize(("order", "group"), [("rock-salt", "Fm-3m"), ("layered", "P4/mmm"), ("columnar", "P4/mmm")])
def test_ordered_double_perovskites(order, group):
    built = member("perovskite", tilts="a0a0a0", centre="Mg", second_centre="W", order=order)
    assert space_group(built.structure, 1e-3).symbol == group
    assert built.charges["W"] == 6.0


@pytest.mark.parametrize(("word", "formula"), [("R", "Sr2TiO4"), ("PR", "Sr3Ti2O7"), ("PPR", "Sr4Ti3O10")])
def test_ruddlesden_popper_phases(word, formula):
    built = member("layered-perovskite", word=word)
    assert built.structure.composition.reduced_formula == formula
    assert space_group(built.structure, 1e-3).symbol == "I4/mmm"
    sharing = [built.assembly.sharing(m)["corner"] for m in range(len(word))]
    assert sorted(sharing) == sorted([4] if word == "R" else [5, 5] + [6] * (len(word) - 2))


def test_aurivillius_and_dion_jacobson_sheets():
    bismuth = member("layered-perovskite", word="PB", centre="Ta", filler="Sr")  # SrBi2Ta2O9
    assert bismuth.structure.composition.reduced_formula == "SrTa2Bi2O9"
    assert space_group(bismuth.structure, 1e-3).symbol == "I4/mmm"
    dion = member("layered-perovskite", word="PD", centre="Nb", filler="La", spacer="Cs")  # CsLaNb2O7
    assert dion.structure.composition.reduced_formula == "CsLaNb2O7"
    assert space_group(dion.structure, 1e-3).symbol == "P4/mmm"


@pytest.mark.parametrize(
    ("word", "pattern", "group", "sharing"),
    [
        ("+", "all", "Fm-3m", {"edge": 12, "corner": 6}),
        ("+-", "all", "P6_3/mmc", {"face": 2, "edge": 6, "corner": 12}),
        ("+-", "corundum", "R-3c", {"face": 1, "edge": 3, "corner": 9}),
        ("+-", "layered", "P-3m1", {"edge": 6}),
        ("+", "layered", "R-3m", {"edge": 6}),
    ],
)
def test_close_packings_with_filled_holes(word, pattern, group, sharing):
    centre, ligand = ("Al", "O") if pattern == "corundum" else ("Mg", "O") if pattern == "all" else ("Cd", "Cl")
    built = member("close-packing", word=word, pattern=pattern, centre=centre, ligand=ligand)
    assert space_group(built.structure, 1e-3).symbol == group
    assert built.assembly.sharing(0) == sharing


def test_ilmenite_spinel_and_fluorite():
    ilmenite = member("close-packing", word="+-", pattern="ilmenite", centre="Fe", second_centre="Ti")
    assert space_group(ilmenite.structure, 1e-3).symbol == "R-3"
    spinel = member("spinel")
    assert space_group(spinel.structure, 1e-3).symbol == "Fd-3m"
    assert spinel.assembly.sharing(0)["corner"] == 12 and spinel.assembly.sharing(0)["edge"] == 0
    assert (spinel.assembly.sharing(3)["edge"], spinel.assembly.sharing(3)["corner"]) == (6, 6)
    assert space_group(build("fluorite"), 1e-3).symbol == "Fm-3m"


def test_parameters_say_what_a_slider_needs():
    for kind in families().values():
        for p in kind.parameters:
            assert p.help and p.description
            if p.is_number:
                assert p.low is not None and p.high is not None and p.low <= p.default <= p.high
                assert 0 < p.step <= p.high - p.low
                assert isinstance(p.default, int) or not p.whole
                assert f"{p.low:g} to {p.high:g}" in p.description
                for end in (p.low, p.high):
                    assert kind.complete({p.name: end})[p.name] == end
            if p.choices:
                assert p.default in p.choices and all(choice in p.description for choice in p.choices)


@pytest.mark.parametrize("name", families())
def test_sliders_build_or_tell_at_both_ends(name):
    """Any number at either end of its range: a structure without clashes, or one error of this kind; never anything
    else."""
    kind = families()[name]
    for p in kind.parameters:
        for end in (p.low, p.high) if p.is_number else p.choices:
            try:
                built = build(name, neutral=False, **{p.name: end})
            except TopologyError as error:
                assert error.what and error.where
            else:
                assert np.isfinite(built.frac_coords).all() and built.volume > 1.0
                assert built.distance_matrix[np.triu_indices(len(built), 1)].min(initial=np.inf) > 0.4


def test_motif_finding_agrees_with_what_was_built():
    graph = md.find_motifs(build("harmonic-honeycomb", word="++--"))
    iridium = [m for m in graph.motifs if m.formula == "IrO6"]
    assert len(iridium) == 8
    assert all(graph.sharing(m)["edge", "Ir"] == 3 and m.csm < 1e-6 for m in iridium)


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("honeycomb", {}, "there is no family 'honeycomb'.*harmonic-honeycomb"),
        ("harmonic-honeycomb", {"word": ""}, "empty word"),
        ("harmonic-honeycomb", {"word": "+x-"}, "holds 'x'"),
        ("harmonic-honeycomb", {"word": "+-", "filler": "Al"}, "no known oxidation states"),
        ("harmonic-honeycomb", {"centre": "Xx"}, "'Xx' is no element"),
        ("harmonic-honeycomb", {"a": -1.0}, "choose between 2 and 12 A|Choose between 2 and 12 A"),
        ("harmonic-honeycomb", {"a": float("nan")}, "is no number"),
        ("harmonic-honeycomb", {"colour": "red"}, "no parameter colour"),
        ("perovskite", {"tilts": "abc"}, "not a tilt system"),
        ("perovskite", {"order": "rock-salt"}, "1 centres"),
        ("close-packing", {"pattern": "stripes"}, "no pattern 'stripes'"),
        ("polytype", {"a": 2.0, "centre": "Cs", "ligand": "I"}, "A apart"),
        ("tunnel", {"width": 0}, "Choose between 1 and 6"),
        ("tunnel", {"width": 2.5}, "is no whole number"),
        ("tunnel", {"filler": "K"}, "leave a charge of .*Mn is mixed: charges=.*3.75"),
        ("tunnel", {"width": 1, "filler": "Ba"}, "one octahedron wide have no room for Ba"),
        ("tunnel", {"centre": "Na"}, "no known oxidation states"),
        ("biopyribole", {"word": "PQ"}, "holds 'Q'"),
        ("biopyribole", {"ring": "H2O"}, "no ring 'H2O'.*OH, F, Cl"),
        ("biopyribole", {"word": "M", "filler": "Al"}, "no known oxidation states"),
        ("ring-silicate", {"ring": "5"}, "no ring '5'.*Choose one of 3, 6"),
        ("ring-silicate", {"bond": 2.2, "octahedron": 1.7, "second_bond": 1.4}, "do not both fit between the rings"),
        ("ring-silicate", {"ring": "3", "filler": "Al"}, "no known oxidation states"),
        ("tetrahedral-chain", {"centre": "Si"}, "no known oxidation states"),
        ("tetrahedral-chain", {"rise": 0.0, "shift": 1.0}, "would share 3 corners, in a single chain it is two"),
        ("olivine", {"filler": "Al"}, "no known oxidation states"),
        ("chalcogenolate", {"ligand": "Cl"}, "no ligand 'Cl'"),
        ("chalcogenolate", {"bond": 2.0}, "do not span squares"),
        ("chalcogenolate", {"spacing": 12.0, "slip": 0.5}, "two phenyls would come within"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_sentence(name, parameters, told):
    with pytest.raises(TopologyError, match=told):
        build(name, **parameters)


def test_every_family_builds_from_its_defaults_and_carries_its_recipe():
    for name, kind in families().items():
        structure = build(name)
        recipe = dict(structure.properties["motifdesk"]["recipe"])
        again = build(recipe.pop("family"), **recipe)
        assert again == structure, name
        assert kind.source and kind.summary
