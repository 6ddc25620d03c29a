"""Matching: a child described as a strained, displaced supercell of its parent, whatever cell, origin and order."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs.paths.matching import match_structures
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError, MotifError

EXCERPT = Path(__file__).parent / "data" / "ferroelectric_pairs_excerpt.json"


def crystal(entry: dict) -> Structure:
    return Structure(Lattice(entry["lattice"]), entry["species"], entry["fractional"])


def pairs() -> list[dict]:
    return json.loads(EXCERPT.read_text())["pairs"]


def name(pair: dict) -> str:
    return f"{pair['formula']}-{pair['nonpolar_group']}-{pair['polar_group']}"


def rebuilt_in_the_childs_frame(match) -> tuple[np.ndarray, np.ndarray]:
    """Cell and Cartesian positions of the child that the match describes, from the parent alone."""
    cell = match.cell @ match.stretch @ match.rotation
    return cell, (match.reference.frac_coords + match.fractional) @ cell


def assert_describes_the_child(match, child: Structure, tolerance: float = 1e-6) -> None:
    cell, positions = rebuilt_in_the_childs_frame(match)
    np.testing.assert_allclose(cell, match.child_matrix @ child.lattice.matrix, atol=tolerance)
    shift = (positions - child.cart_coords[match.child_sites]) @ np.linalg.inv(child.lattice.matrix)
    shift -= shift[0]  # one origin for all
    np.testing.assert_allclose((shift - np.rint(shift)) @ child.lattice.matrix, 0.0, atol=tolerance)
    counts = np.bincount(match.child_sites, minlength=len(child))
    assert (counts == counts[0]).all()


def assert_is_a_supercell_of_the_parent(match, tolerance: float = 1e-6) -> None:
    fractional = match.reference.cart_coords @ np.linalg.inv(match.parent.lattice.matrix)
    away = fractional - match.parent.frac_coords[match.sites]
    np.testing.assert_allclose(away, np.rint(away), atol=tolerance)
    assert [s.specie.Z for s in match.reference] == [match.parent[int(k)].specie.Z for k in match.sites]
    assert len({tuple(np.rint(x).astype(int)) + (int(k),) for x, k in zip(away, match.sites, strict=True)}) == len(
        match
    )


def rewritten(structure: Structure, seed: int) -> Structure:
    """The same crystal in another cell, orientation, origin and atom order."""
    rng = np.random.default_rng(seed)
    change = np.array([[1, 1, 0], [0, 1, -1], [1, 1, 1]])  # determinant 1
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    order = rng.permutation(len(structure))
    cell = change @ structure.lattice.matrix
    positions = structure.cart_coords[order] + rng.normal(size=3)
    return Structure(
        Lattice(cell @ turn),
        [structure[int(k)].specie for k in order],
        positions @ np.linalg.inv(cell),
        to_unit_cell=True,
    )


@pytest.mark.parametrize("pair", pairs(), ids=name)
def test_largest_displacements_of_published_pairs(pair):
    child = crystal(pair["polar"])
    match = match_structures(crystal(pair["nonpolar"]), child, mirror=True)
    assert match.largest == pytest.approx(pair["largest_displacement"], abs=1e-3)
    assert match.index * len(match.parent) == len(child) == len(match)
    assert match.mirrored == (pair["formula"] == "BaAl2O4")  # its two entries have opposite hands
    np.testing.assert_allclose(match.displacements.sum(axis=0), 0.0, atol=1e-9)
    assert_describes_the_child(match, child)
    assert_is_a_supercell_of_the_parent(match)


@pytest.mark.parametrize("pair", pairs()[1:4], ids=name)
def test_cell_orientation_origin_and_order_of_the_child_do_not_matter(pair):
    parent, child = crystal(pair["nonpolar"]), crystal(pair["polar"])
    plain = match_structures(parent, child)
    for seed in range(2):
        other = match_structures(parent, rewritten(child, seed))
        assert other.largest == pytest.approx(plain.largest, abs=1e-6)
        assert other.total == pytest.approx(plain.total, abs=1e-6)
        np.testing.assert_allclose(np.linalg.eigvalsh(other.strain), np.linalg.eigvalsh(plain.strain), atol=1e-6)
        assert_describes_the_child(other, rewritten(child, seed))
        assert_is_a_supercell_of_the_parent(other)


def test_tetragonal_barium_titanate_keeps_its_axes_and_moves_along_c():
    match = match_structures(read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif"))
    np.testing.assert_array_equal(match.matrix, np.eye(3))
    np.testing.assert_allclose(match.displacements[:, :2], 0.0, atol=1e-6)
    a, c = read("BaTiO3-tetragonal.cif").lattice.abc[0], read("BaTiO3-tetragonal.cif").lattice.abc[2]
    a0 = read("BaTiO3-cubic.cif").lattice.a
    np.testing.assert_allclose(match.strain, np.diag([a / a0 - 1, a / a0 - 1, c / a0 - 1]), atol=1e-6)
    np.testing.assert_allclose(
        match.green_lagrange, np.diag([(a / a0) ** 2 - 1] * 2 + [(c / a0) ** 2 - 1]) / 2, atol=1e-6
    )


def test_the_cost_weighs_displacements_against_strain():
    parent, child = read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")
    match = match_structures(parent, child)
    squares = (match.child_displacements**2).sum(axis=1)
    spacing = (parent.volume * child.volume / 25) ** (1 / 6)
    strain = float((match.log_strain**2).sum())
    assert match.score == pytest.approx(squares.mean() + squares.max() / 4 + spacing**2 * strain, abs=1e-9)


def test_a_parent_in_its_conventional_cell_and_a_repeated_child_match_alike():
    parent, child = read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")
    doubled = child.copy()
    doubled.make_supercell([2, 1, 1])
    big = parent.copy()
    big.make_supercell([[1, 1, 0], [1, -1, 0], [0, 0, 1]])
    plain = match_structures(parent, child)
    match = match_structures(big, doubled)
    assert match.index == 2 and len(match) == 10 and len(match.parent) == 5
    assert match.total == pytest.approx(plain.total, abs=1e-6)
    assert_describes_the_child(match, doubled)
    assert_is_a_supercell_of_the_parent(match)


def test_a_parent_larger_than_the_child_gets_a_common_cell():
    tilted, cubic = (
        read("CaTiO3.cif", cell="primitive"),
        Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.83), ["Ca", "Ti", "O"], [[0.5] * 3, [0, 0, 0], [0.5, 0, 0]]),
    )
    match = match_structures(tilted, cubic)
    assert len(match) == 20 and round(abs(np.linalg.det(match.child_matrix))) == 4
    assert_describes_the_child(match, cubic)
    assert_is_a_supercell_of_the_parent(match)
    back = match_structures(cubic, tilted)
    assert back.index == 4 and back.score == pytest.approx(match.score, rel=0.05)


def test_a_wanted_supercell_is_used_and_one_that_cannot_hold_the_child_is_refused():
    parent, child = read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")
    match = match_structures(parent, child, supercell=(2, 2, 2))
    np.testing.assert_array_equal(match.matrix, 2 * np.eye(3))
    assert len(match) == 40
    assert_describes_the_child(match, child)
    assert_is_a_supercell_of_the_parent(match)
    orthorhombic = match_structures(parent, read("BaTiO3-orthorhombic.cif", cell="primitive"), supercell=(2, 2, 2))
    assert len(orthorhombic) == 40
    with pytest.raises(MotifError, match="does not contain the child's cell"):
        match_structures(parent, read("BaTiO3-orthorhombic.cif", cell="conventional"), supercell=(1, 1, 1))


def test_bcc_becomes_fcc_along_bains_path():
    bcc = Structure(Lattice.cubic(2.87), ["Fe"] * 2, [[0, 0, 0], [0.5] * 3])
    fcc = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.616), ["Fe"], [[0, 0, 0]])
    match = match_structures(bcc, fcc)
    assert match.largest == pytest.approx(0.0, abs=1e-9)
    stretches = np.sort(np.linalg.eigvalsh(match.stretch))
    np.testing.assert_allclose(stretches, np.sort([3.616 / 2.87, *[3.616 / np.sqrt(2) / 2.87] * 2]), atol=1e-9)


def test_the_same_crystal_matches_itself_without_displacement_or_strain():
    for file in ("quartz-SiO2.cif", "beta-Li2IrO3.cif", "Si.cif"):
        structure = read(file, cell="primitive")
        match = match_structures(structure, rewritten(structure, 3))
        assert match.largest < 1e-6 and np.abs(match.strain).max() < 1e-8


def test_a_chiral_crystal_matches_its_mirror_image_only_when_asked():
    quartz = read("quartz-SiO2.cif", cell="primitive")
    other = Structure(quartz.lattice, quartz.species, -quartz.frac_coords)
    assert match_structures(quartz, other).largest > 0.1
    match = match_structures(quartz, other, mirror=True)
    assert match.mirrored and match.largest < 1e-6


def test_bad_input_is_told_in_one_sentence():
    cubic = read("BaTiO3-cubic.cif")
    with pytest.raises(MotifError, match="different compositions: BaO3Ti .* and NaCl|ClNa"):
        match_structures(cubic, read("NaCl.cif"))
    with pytest.raises(MotifError, match="the child is a molecule"):
        match_structures(cubic, Molecule(["O", "O"], [[0, 0, 0], [0, 0, 1.2]]))
    disordered = Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5] * 3])
    with pytest.raises(MotifDeskError, match="partly occupied"):
        match_structures(disordered, disordered)
    with pytest.raises(MotifError, match="principal strains up to 0.02.*volume ratio|volume ratio.*principal strains"):
        match_structures(read("Si.cif"), Structure(Lattice.cubic(2.5), ["Si"], [[0, 0, 0]]), max_strain=0.02)
    with pytest.raises(MotifError, match="moves an atom by 0.15"):
        match_structures(cubic, read("BaTiO3-tetragonal.cif"), max_displacement=0.05)
    with pytest.raises(MotifError, match="positive"):
        match_structures(cubic, cubic, seconds=0)


def test_a_search_without_time_stops_and_says_so():
    anatase, rutile = read("anatase-TiO2.cif"), read("rutile-TiO2.cif")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            match = match_structures(anatase, rutile, seconds=1e-6)
        except MotifError as error:
            assert "within 1e-06 s" in str(error)
        else:
            assert not match.complete and any("stopped after" in str(w.message) for w in caught)
