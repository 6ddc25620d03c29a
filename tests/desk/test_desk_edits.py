"""Species and symmetry by name: what can be chosen, what it does, and what is told when it cannot be done."""

import numpy as np
import pytest
from pymatgen.core import Structure

import motifdesk as md
from motifdesk.desk.edits import choices


def words(page) -> list[str]:
    return [text for _, text in page.out.edits["choices"]]


def test_sites_are_offered_by_what_is_picked(opened):
    page = opened("beta-Li2IrO3.cif")
    assert page.desk.settle()
    assert {w.split(" (")[0] for w in words(page)} == {"all Li", "all Ir", "all O"}
    motif = page.pick("IrO6")
    assert page.desk.settle()
    centre = page.session.state.graph.motifs[motif].centre
    assert f"centre of the picked motif: Ir{centre}" in words(page) and any(
        "orbit of the picked" in w for w in words(page)
    )
    page.session.select(atoms=[1, 2])
    assert page.desk.settle() and words(page)[0] == "picked: Li1, Li2"
    page.session.select(atoms=[0])
    like = len(page.session.find_sites("orbit"))
    assert page.desk.settle() and words(page)[1] == f"equivalent to the picked: {like} Li"


@pytest.mark.parametrize(("which", "count"), [("motif", 1), ("orbit", 4), ("all:77", 4)])
def test_a_substitution_is_one_step_on_those_sites(opened, which, count):
    page = opened(md.read("beta-Li2IrO3.cif", cell="primitive"))
    page.pick("IrO6")
    assert page.desk.settle()
    sites = next(sites for key, _, sites in choices(page.session.state) if key == which)
    page.send("edit", what="substitute", which=which, element=" rh ")
    after = page.session.state.arrays.numbers
    assert len(sites) == count and (after == 45).sum() == count and all(after[s] == 45 for s in sites)
    assert page.session.history[page.session.history.current].edit.kind == "substitute"
    page.send("undo")
    assert (page.session.state.arrays.numbers == 45).sum() == 0 and page.desk.messages == ()


@pytest.mark.parametrize("element", ["Xx", "", "<b>", "Unobtainium"])
def test_no_element_is_told_beside_the_field(opened, rutile, element):
    page = opened(rutile)
    assert page.desk.settle()
    before = page.session.state.arrays
    page.send("edit", what="substitute", which="all:22", element=element)
    assert "no element" in page.out.edits["error"] and page.session.state.arrays is before
    page.send("edit", what="substitute", which="all:99", element="Rh")
    assert "picked any more" in page.out.edits["error"] and page.desk.messages == ()


def test_snap_restores_the_symmetry_it_names(opened):
    crystal = md.read("rutile-TiO2.cif", cell="primitive")
    shaken = crystal.copy()
    rng = np.random.default_rng(3)
    for k in range(len(shaken)):  # the same every time: which tolerance restores the group depends on it
        way = rng.normal(size=3)
        shaken.translate_sites([k], 0.03 * way / np.linalg.norm(way), frac_coords=False)
    page = opened(Structure.from_sites(list(shaken)))
    assert page.desk.settle()
    offered = {tolerance: (text, adds) for tolerance, text, adds in page.out.edits["groups"]}
    assert "P4_2/mnm" in offered[0.1][0] and offered[0.1][1]
    page.send("edit", what="snap", tolerance=0.1)
    assert page.desk.settle()
    from motifdesk.structures.symmetry import space_group

    assert space_group(page.session.state.arrays, 1e-3).number == 136
    assert not any(adds for _, _, adds in page.out.edits["groups"]), "nothing is left to restore"
    steps = len(page.session.history)
    page.send("edit", what="snap", tolerance=0.2)  # typed
    assert "beyond P4_2/mnm" in page.out.edits["error"] and len(page.session.history) == steps


def test_a_molecule_has_species_and_a_point_group_to_snap_to(opened):
    page = opened("benzene.xyz")
    assert page.desk.settle()
    assert page.out.edits["groups"] == [[0.3, "D6h, as it is; nothing more within 0.3 Å", False]]
    page.session.move_sites([6], [0.0, 0.0, 0.02])
    assert page.desk.settle()
    assert [row[1:] for row in page.out.edits["groups"]] == [["Cs, as it is", False], ["D6h, within 0.03 Å", True]]
    page.send("edit", what="snap", tolerance=0.03)
    assert page.session.readouts("release")["point_group"].value == "D6h" and page.desk.messages == ()
    page.send("edit", what="snap", tolerance=0.03)
    assert "no symmetry beyond D6h" in page.out.edits["error"]
    page.send("undo").send("undo")
    assert words(page) == ["all C (6)", "all H (6)"]


def test_a_typed_coordinate_is_a_number_or_changes_nothing_and_what_was_wrong_is_forgotten(opened):
    page = opened("benzene.xyz")
    page.send("sites", shown=True).send("sites", pick=[6])
    before = page.session.state.arrays.positions.copy()
    for typed in ("", "abc", "nan", "1e999"):
        page.send("place_site", site=6, axis=0, value=typed)
        assert "is no number" in page.out.sites["error"], typed
        assert (page.session.state.arrays.positions == before).all() and len(page.session.history) == 1
    page.send("place_site", site=6, axis=0, value="-1,5")
    assert page.session.state.arrays.positions[6, 0] == pytest.approx(-1.5) and page.out.sites["error"] == ""
    page.send("add_atom", element="F", at="3 0")
    assert "three numbers" in page.out.sites["error"]
    page.send("undo")
    assert page.out.sites["error"] == "", "of what was tried before"


def test_a_motif_without_ligands_says_so(opened):
    page = opened("benzene.xyz")
    page.session.delete_sites([6])
    lone = next(m for m in page.session.state.graph.motifs if not m.ligands)
    page.send("pick", kind="motif", motif=lone.index, shift=False)
    assert page.out.handles["hint"].startswith("C atom") and "no ligands" in page.out.handles["hint"]
