"""Morphing: a continuous path between two structures of different cell and atom order."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs.paths.morphing import morph
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError, MotifDeskWarning, MotifError

EXCERPT = Path(__file__).parent / "data" / "ferroelectric_pairs_excerpt.json"


def crystal(entry: dict) -> Structure:
    return Structure(Lattice(entry["lattice"]), entry["species"], entry["fractional"])


def same_crystal(a: Structure, b: Structure) -> bool:
    """Equal up to rotation, origin, atom order and choice of cell, to 1e-5 of the interatomic spacing."""
    matcher = StructureMatcher(ltol=1e-4, stol=1e-5, angle_tol=0.01, primitive_cell=True, scale=False)
    return matcher.fit(a, b)


def distances(molecule: Molecule) -> np.ndarray:
    z = np.array([site.specie.Z for site in molecule])
    away = np.linalg.norm(molecule.cart_coords[:, None] - molecule.cart_coords[None], axis=2)
    return np.sort((away + 100.0 * (z[:, None] * z[None]))[np.triu_indices(len(z), 1)])


def turned(molecule: Molecule, seed: int) -> Molecule:
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    order = rng.permutation(len(molecule))
    return Molecule(
        [molecule[int(k)].specie for k in order], molecule.cart_coords[order] @ turn + rng.normal(size=3) * 3
    )


@pytest.mark.parametrize("which", [0, 1, 2, 4, 7, 8])
def test_both_ends_are_the_structures_given(which):
    pair = json.loads(EXCERPT.read_text())["pairs"][which]
    a, b = crystal(pair["nonpolar"]), crystal(pair["polar"])
    path = morph(a, b)
    assert same_crystal(path.at(0.0), a) and same_crystal(path.at(1.0), b)
    assert len(path.images(4)) == 4 and len(path) == len(path.at(0.5))
    np.testing.assert_array_equal([s.specie.Z for s in path.at(1.0)], [b[int(k)].specie.Z for k in path.order])
    np.testing.assert_array_equal([s.specie.Z for s in path.at(0.0)], [a[int(k)].specie.Z for k in path.sites])


def test_a_path_starts_from_the_very_cell_and_order_given():
    a, b = read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")
    a = Structure(a.lattice, list(reversed(a.species)), a.frac_coords[::-1] + [0.3, 0.2, 0.9])
    start = morph(a, b).at(0.0)
    np.testing.assert_allclose(start.lattice.matrix, a.lattice.matrix, atol=1e-9)
    np.testing.assert_allclose(start.frac_coords, a.frac_coords, atol=1e-9)


def test_symmetry_along_the_path_is_the_childs_until_the_parent():
    groups = morph(read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")).space_groups(5)
    assert [g.number for g in groups] == [221, 99, 99, 99, 99]
    back = morph(read("BaTiO3-tetragonal.cif"), read("BaTiO3-cubic.cif")).space_groups(3)
    assert [g.number for g in back] == [99, 99, 221]


def test_the_cell_follows_the_logarithmic_strain_and_stays_continuous():
    a, b = read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")
    path = morph(a, b)
    volumes = np.array([path.at(t).volume for t in (0.0, 0.5, 1.0)])
    assert volumes[1] == pytest.approx(np.sqrt(volumes[0] * volumes[2]), rel=1e-12)
    cells = np.array([image.lattice.matrix for image in path.images(21)])
    steps = np.abs(np.diff(cells, axis=0)).max(axis=(1, 2))
    assert max(steps) < 2 * min(steps)
    np.testing.assert_allclose(path.strain, path.strain.T, atol=1e-12)
    assert path.largest == pytest.approx(np.linalg.norm(path.displacements, axis=1).max())


def test_reconstructive_paths_between_different_cells_exist():
    rutile, anatase = read("rutile-TiO2.cif"), read("anatase-TiO2.cif", cell="conventional")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MotifDeskWarning)
        path = morph(rutile, anatase)
    assert same_crystal(path.at(0.0), rutile) and same_crystal(path.at(1.0), anatase)
    zincblende = Structure.from_spacegroup("F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25] * 3])
    wurtzite = Structure.from_spacegroup(
        "P6_3mc", Lattice.hexagonal(3.82, 6.26), ["Zn", "S"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MotifDeskWarning)
        path = morph(zincblende, wurtzite)
    assert same_crystal(path.at(0.0), zincblende) and same_crystal(path.at(1.0), wurtzite)


def test_a_bain_path_has_strain_only():
    bcc = Structure(Lattice.cubic(2.87), ["Fe"] * 2, [[0, 0, 0], [0.5] * 3])
    fcc = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.616), ["Fe"], [[0, 0, 0]])
    path = morph(bcc, fcc)
    assert path.largest < 1e-9
    assert [g.number for g in path.space_groups(3)] == [229, 139, 225]


def test_atoms_that_pass_through_each_other_are_warned_about():
    cell = Lattice.orthorhombic(3.0, 9.0, 9.0)
    a = Structure(cell, ["Na", "Cl"], [[0, 0, 0], [0.0, 0.2, 0.0]])
    b = Structure(cell, ["Na", "Cl"], [[0, 0, 0], [0.0, -0.2, 0.3]])
    with pytest.warns(MotifDeskWarning, match="apart at t = "):
        morph(a, b, too_close=2.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        morph(read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif"))


def test_molecules_are_paired_through_rotation_and_order():
    benzene = read("benzene.xyz")
    path = morph(benzene, turned(benzene, 1))
    assert path.bonded and path.largest < 1e-6
    stretched = Molecule(benzene.species, benzene.cart_coords * 1.1)
    path = morph(benzene, turned(stretched, 2))
    np.testing.assert_allclose(distances(path.at(1.0)), distances(stretched), atol=1e-9)
    np.testing.assert_allclose(path.at(0.0).cart_coords, benzene.cart_coords, atol=1e-12)
    reach = np.linalg.norm(benzene.cart_coords - benzene.cart_coords.mean(axis=0), axis=1).max()
    assert path.largest == pytest.approx(0.1 * reach, abs=1e-6)


def test_conformers_keep_their_bonds_even_where_atoms_are_nearer_crosswise():
    def butane(angle: float) -> Molecule:
        """A zigzag of four carbons with a dihedral angle; hydrogen-like fluorines mark the ends apart."""
        c = np.array([[-1.9, 1.2, 0], [-0.75, 0, 0], [0.75, 0, 0]])
        end = np.array([1.9, 1.2 * np.cos(angle), 1.2 * np.sin(angle)])
        tips = [c[0] + [-1.3, 0.2, 0.0], end + [1.3, 0.2 * np.cos(angle), 0.2 * np.sin(angle)]]
        return Molecule(["C"] * 4 + ["F", "Cl"], [*c, end, *tips])

    trans, gauche = butane(np.pi), turned(butane(np.pi / 3), 5)
    path = morph(trans, gauche)
    assert path.bonded
    np.testing.assert_allclose(distances(path.at(1.0)), distances(gauche), atol=1e-9)


def test_a_chiral_molecule_is_not_turned_into_its_mirror_image():
    chiral = Molecule(
        ["C", "H", "F", "Cl", "Br"],
        [[0, 0, 0], [0.63, 0.63, 0.63], [0.78, -0.78, -0.78], [-1.0, 1.0, -1.0], [-1.1, -1.1, 1.1]],
    )
    mirrored = Molecule(chiral.species, chiral.cart_coords * [-1, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MotifDeskWarning)
        assert morph(chiral, mirrored).largest > 0.5
    assert morph(chiral, turned(chiral, 3)).largest < 1e-6


def test_bad_input_is_told_in_one_sentence():
    benzene, cubic = read("benzene.xyz"), read("BaTiO3-cubic.cif")
    with pytest.raises(MotifError, match="is a crystal and .* is a molecule"):
        morph(cubic, benzene)
    with pytest.raises(MotifError, match="different compositions"):
        morph(benzene, Molecule(["C"], [[0, 0, 0]]))
    with pytest.raises(MotifError, match="different compositions"):
        morph(cubic, read("SrTiO3.cif"))
    with pytest.raises(MotifDeskError, match="partly occupied"):
        morph(Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]]), cubic)
    with pytest.raises(MotifError, match="lie on one site"):
        morph(Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0, 0, 1e-4]]), read("Si.cif"))
    path = morph(benzene, benzene)
    with pytest.raises(MotifError, match="no space group"):
        path.space_groups(3)
    with pytest.raises(MotifError, match="t = nan"):
        path.at(float("nan"))
    with pytest.raises(MotifError, match="1 images"):
        path.images(1)


def test_single_atoms_morph():
    atom = morph(Molecule(["He"], [[0, 0, 0]]), Molecule(["He"], [[1, 2, 3]]))
    assert atom.largest < 1e-9
    cell = morph(Structure(Lattice.cubic(3), ["Po"], [[0, 0, 0]]), Structure(Lattice.cubic(3.3), ["Po"], [[0.2, 0, 0]]))
    np.testing.assert_allclose(cell.strain, 0.1 * np.eye(3), atol=1e-9)
