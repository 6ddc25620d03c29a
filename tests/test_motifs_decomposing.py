"""Decomposing: a distorted crystal as its parent plus symmetry modes and strain; motifs before and after."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs.paths.decomposing import decompose
from motifdesk.motifs.paths.motif_changes import motif_amplitudes
from motifdesk.motifs.symmetry.crystal_modes import crystal_modes
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError, MotifError, StructureError

DATA = Path(__file__).parent / "data"


def crystal(entry: dict) -> Structure:
    return Structure(Lattice(entry["lattice"]), entry["species"], entry["fractional"])


def pairs() -> list[dict]:
    return json.loads((DATA / "ferroelectric_pairs_excerpt.json").read_text())["pairs"]


def perovskites() -> dict[str, dict]:
    found = json.loads((DATA / "perovskites_excerpt.json").read_text())["structures"]
    return {f"{x['formula']} {x['group']}": x for x in found}


def cubic(a: float, large: str = "Ca", small: str = "Ti", anion: str = "O") -> Structure:
    sites = [[0.5] * 3, [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return Structure(Lattice.cubic(a), [large, small, anion, anion, anion], sites)


def cubic_of(entry: dict) -> Structure:
    child = crystal(entry)
    return cubic((5 * child.volume / len(child)) ** (1 / 3), entry["A"], entry["B"], entry["X"])


def rewritten(structure: Structure, seed: int) -> Structure:
    """The same crystal in another cell, orientation, origin and atom order."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    order = rng.permutation(len(structure))
    cell = np.array([[1, 1, 0], [0, 1, -1], [1, 1, 1]]) @ structure.lattice.matrix
    positions = structure.cart_coords[order] + rng.normal(size=3)
    return Structure(Lattice(cell @ turn), [structure[int(k)].specie for k in order], positions @ np.linalg.inv(cell))


def totals(found) -> dict[str, float]:
    return {total.irrep: total.Ap for total in found.irreps}


def assert_complete(found, child: Structure) -> None:
    """Amplitudes hold the whole displacement, and parent + modes + strain is the child to 1e-6 A."""
    assert found.completeness == pytest.approx(1.0, abs=1e-9)
    assert found.residual < 1e-6
    assert sum(total.Ap**2 for total in found.irreps) == pytest.approx(found.Ap**2, abs=1e-5)
    squared = sum(s.value**2 for s in found.strain)
    assert squared == pytest.approx(float((found.match.strain**2).sum()), abs=1e-12)
    matcher = StructureMatcher(ltol=1e-4, stol=1e-5, angle_tol=0.01, primitive_cell=True, scale=False)
    assert matcher.fit(found.recompose(), child)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_unmodified_parent_has_no_amplitude_and_no_strain(seed):
    for parent in (read("BaTiO3-cubic.cif"), read("quartz-SiO2.cif", cell="primitive")):
        found = decompose(parent, rewritten(parent, seed))
        assert found.rows == () and found.irreps == () and found.primary == ()
        assert max(abs(a) for a in found.amplitudes.values()) < 1e-6
        assert max(abs(s.value) for s in found.strain) < 1e-8
        assert found.Ap < 1e-6 and found.completeness == pytest.approx(1.0)


@pytest.mark.parametrize("child, group", [("tetragonal", "P4mm"), ("orthorhombic", "Amm2")])
def test_the_polar_mode_makes_ferroelectric_barium_titanate(child, group):
    parent, child = read("BaTiO3-cubic.cif"), read(f"BaTiO3-{child}.cif")
    found = decompose(parent, child)
    assert_complete(found, child)
    assert found.primary == ("GM T1u",) and found.group.symbol == group
    assert totals(found)["GM T1u"] > 0.98 * found.Ap
    first = found.rows[0]
    assert first.orbit == "Ti 1b" and first.polar and first.subgroup.symbol == group
    titanium = found.displacements[[s.specie.symbol == "Ti" for s in found.modes.supercell]].mean(axis=0)
    oxygen = found.displacements[[s.specie.symbol == "O" for s in found.modes.supercell]].mean(axis=0)
    assert titanium @ oxygen < 0  # against each other
    assert found.cells == 1 and found.As == pytest.approx(found.Ap)


@pytest.mark.parametrize("pair", pairs(), ids=lambda p: f"{p['formula']}-{p['polar_group']}")
def test_published_pairs_are_rebuilt_from_modes_and_strain(pair):
    child = crystal(pair["polar"])
    found = decompose(crystal(pair["nonpolar"]), child, mirror=True)
    assert_complete(found, child)
    assert found.modes.group.number == pair["nonpolar_group"] and found.group.number == pair["polar_group"]
    assert found.As == pytest.approx(found.Ap * math.sqrt(found.cells))


@pytest.mark.parametrize(
    "name, primary",
    [
        ("SrTiO3 I4/mcm", {"R T1g"}),  # a0a0c-
        ("NaNbO3 P4/mbm", {"M A2g"}),  # a0a0c+
        ("BaCeO3 Imma", {"R T1g"}),  # a0b-b-
        ("LaNiO3 R-3c", {"R T1g"}),  # a-a-a-
        ("CsPbF3 R3c", {"R T1g", "GM T1u"}),  # a-a-a- and polar
        ("ErNiO3 P2_1/c", {"R T1g", "M A2g", "R A1g"}),  # a+b-b- and breathing
    ],
)
def test_tilted_perovskites_have_their_wavevectors(name, primary):
    entry = perovskites()[name]
    found = decompose(cubic_of(entry), crystal(entry))
    assert_complete(found, crystal(entry))
    assert set(found.primary) == primary
    points = {"GM": {0.0}, "R": {0.5}, "M": {0.0, 0.5}}
    for row in found.rows:
        if row.irrep in primary:
            k = np.abs(row.wavevector)
            assert set(k.tolist()) == points[row.irrep.split(" ")[0]]
            assert (k > 0).sum() == {"GM": 0, "M": 2, "R": 3}[row.irrep.split(" ")[0]]


def test_orthorhombic_calcium_titanate_is_two_tilts_and_what_they_bring_along():
    found = decompose(cubic(3.83), read("CaTiO3.cif"))
    assert set(found.primary) == {"R T1g", "M A2g"} and found.group.symbol == "Pnma" and found.cells == 4
    sizes = totals(found)
    assert sizes["R T1g"] > sizes["M A2g"] > sizes["X Eg"] > sizes["R T2g"]
    groups = {total.irrep: total.subgroup.symbol for total in found.irreps}
    assert groups["R T1g"] == "Imma" and groups["M A2g"] == "P4/mbm"


def test_a_tilt_amplitude_is_the_tilt_angle():
    entry = perovskites()["SrTiO3 I4/mcm"]
    parent, child = cubic_of(entry), crystal(entry)
    found = decompose(parent, child)
    change = motif_amplitudes(parent, child)
    octahedron = next(c for c in change if c.motif.formula == "TiO6")
    # the basal anions move along (a / 2) tan(angle): two of three per cell, four of six per octahedron
    moved = totals(found)["R T1g"] / math.sqrt(2)
    assert octahedron.total("rotation") == pytest.approx(2 * moved, rel=0.02)
    assert math.degrees(math.atan(2 * moved / parent.lattice.a)) == pytest.approx(4.8, abs=1.5)


def test_known_amplitudes_come_back_from_a_scrambled_child():
    parent = cubic(3.9)
    modes = crystal_modes(parent, (2, 2, 2))
    wanted = {"R T1g": 0.5, "M A2g": 0.35, "GM T1u": 0.2}
    picked = {next(m for m in modes if m.irrep == name and m.copy == 1): a for name, a in wanted.items()}
    child = modes.apply(picked)
    u = modes.displacements(picked) - modes.displacements(picked).mean(axis=0)
    strain = np.array([[0.01, 0.002, 0], [0.002, -0.005, 0], [0, 0, 0.003]])
    child = Structure(Lattice(child.lattice.matrix @ (np.eye(3) + strain)), child.species, child.frac_coords)
    found = decompose(parent, rewritten(child, 7))
    assert_complete(found, child)
    assert found.Ap == pytest.approx(np.linalg.norm(u) / math.sqrt(8), abs=1e-6)
    for name in ("R T1g", "M A2g"):
        assert totals(found)[name] == pytest.approx(wanted[name] / math.sqrt(8), abs=1e-6)
    np.testing.assert_allclose(np.linalg.eigvalsh(found.match.strain), np.linalg.eigvalsh(strain), atol=1e-9)


def test_amplitudes_per_parent_cell_do_not_depend_on_the_supercell():
    parent, child = read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")
    small, large = decompose(parent, child), decompose(parent, child, supercell=(2, 2, 2))
    assert len(large.modes.supercell) == 40
    assert totals(large) == pytest.approx(totals(small), abs=1e-9)
    assert [row.As for row in large.rows] == pytest.approx([row.As for row in small.rows], abs=1e-9)


def test_parts_of_a_distortion_can_be_put_together_again():
    parent, child = read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")
    found = decompose(parent, child)
    bare = found.recompose({}, strain=0.0)
    np.testing.assert_allclose(bare.lattice.matrix, parent.lattice.matrix, atol=1e-9)
    np.testing.assert_allclose(found.recompose({}).lattice.matrix, found.match.strained_cell, atol=1e-9)
    half = found.recompose({k: a / 2 for k, a in found.amplitudes.items()}, strain=0.0)
    moved = half.cart_coords - bare.cart_coords
    np.testing.assert_allclose(moved, found.displacements / 2, atol=1e-9)


def test_strain_is_told_in_symmetry_components():
    found = decompose(read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif"))
    strain = {s.label: s.value for s in found.strain}
    a, c, a0 = 3.99996281, 4.22477458, 4.03558315
    assert strain["GM A1g, volume"] == pytest.approx((2 * a + c - 3 * a0) / a0 / math.sqrt(3), abs=1e-5)
    assert strain["GM Eg (1 of 2), 2zz - xx - yy"] == pytest.approx(2 * (c - a) / a0 / math.sqrt(6), abs=1e-5)
    assert [s.irrep for s in found.strain] == ["GM A1g", "GM Eg", "GM Eg", "GM T2g", "GM T2g", "GM T2g"]
    gram = np.einsum("aij,bij->ab", *[np.array([s.tensor for s in found.strain])] * 2)
    np.testing.assert_allclose(gram, np.eye(6), atol=1e-9)


def test_tables_name_modes_wavevectors_and_subgroups():
    found = decompose(cubic(3.83), read("CaTiO3.cif"))
    text, page = repr(found), found._repr_html_()
    for shown in (text, page):
        assert "R T1g, O 3" in shown and "(1/2,1/2,1/2)" in shown and "Imma (74)" in shown and "volume" in shown
    assert "nan" not in text and page.count("<tr>") == page.count("</tr>")
    sizes = [row.Ap for row in found.rows]
    assert sizes == sorted(sizes, reverse=True)


def test_motif_modes_of_a_jahn_teller_perovskite_are_the_published_ones():
    changes = motif_amplitudes(cubic(4.07, "K", "Cu", "F"), read("KCuF3.cif"))
    octahedra = [c for c in changes if c.motif.formula == "CuF6"]
    assert len(octahedra) == 4
    for change in octahedra:
        after = {(m.block, m.irrep, m.component): m.after for m in change.modes}
        assert abs(after["stretch", "Eg", 1]) == pytest.approx(0.12546, abs=2e-4)
        assert abs(after["stretch", "Eg", 2]) == pytest.approx(0.35771, abs=2e-4)
        assert change.rest < 1e-6 and all(abs(m.before) < 1e-9 for m in change.modes)
    signs = [np.sign(next(m for m in c.modes if "Q2" in m.label).after) for c in octahedra]
    assert sum(signs) == 0  # long bonds alternate
    assert "Q2" in repr(changes) and "CuF6" in changes._repr_html_()


def test_motifs_of_an_already_distorted_parent_have_an_amplitude_before():
    parent = read("rutile-TiO2.cif")
    child = Structure(parent.lattice, parent.species, parent.frac_coords)
    changes = motif_amplitudes(parent, child)
    octahedron = next(c for c in changes if c.motif.formula == "TiO6")
    assert octahedron.total() < 1e-6 and max(abs(m.before) for m in octahedron.modes) > 0.05
    assert "unchanged" in str(octahedron)


def test_bad_input_is_told_in_one_sentence():
    parent = read("BaTiO3-cubic.cif")
    with pytest.raises(MotifError, match="different compositions"):
        decompose(parent, read("SrTiO3.cif"))
    with pytest.raises(MotifError, match="is a molecule"):
        decompose(parent, Molecule(["O", "O"], [[0, 0, 0], [0, 0, 1.2]]))
    with pytest.raises(MotifDeskError, match="partly occupied"):
        decompose(parent, Structure(Lattice.cubic(4), [{"Ba": 0.5, "Sr": 0.5}], [[0, 0, 0]]))
    with pytest.raises(StructureError, match="320 sites"):
        decompose(parent, read("BaTiO3-tetragonal.cif"), supercell=(4, 4, 4))
    with pytest.raises(MotifError, match="no supercell"):
        decompose(parent, parent, supercell="big")
    with pytest.raises(MotifError, match="there is no child"):
        motif_amplitudes(parent)
