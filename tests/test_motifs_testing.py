"""The assertions we ship can pass and can fail."""

import pytest
from octahedra import Frame
from pymatgen.core import Structure

import motifdesk as md
from motifdesk.motifs import Distorter
from motifdesk.motifs.distortion.subgroups import operations_of
from motifdesk.motifs.testing import assert_motifs_rigid, assert_symmetry_kept


def test_a_distortion_keeps_corners_and_a_torn_ligand_is_named():
    structure = md.read("beta-Li2IrO3.cif", cell="primitive")
    graph = md.find_motifs(structure)
    octahedron = next(m for m in graph.motifs if m.formula == "IrO6")
    elongation = next(
        m for m in md.distortion_modes(structure, octahedron, scope="orbit", graph=graph) if "elongation" in m.label
    )
    md.assert_corners_shared(structure, md.distort(structure, {elongation: 0.2}, graph=graph), graph=graph)
    torn = structure.copy()
    torn.translate_sites([octahedron.ligands[0].site], [1.5, 0.0, 0.0], frac_coords=False)
    with pytest.raises(AssertionError, match="torn: "):
        md.assert_corners_shared(structure, torn, graph=graph)
    torn.replace(0, "Na")
    with pytest.raises(AssertionError, match="site 0 is Li"):
        md.assert_corners_shared(structure, torn, graph=graph)


@pytest.mark.parametrize("name", ["CaTiO3.cif", "benzene.xyz"])
def test_roundtrips_hold_and_a_coarse_format_is_caught(name):
    structure = md.read(name)
    md.assert_roundtrip(structure)
    moved = structure.copy()
    moved.translate_sites([0], [1e-9, 0, 0])
    with pytest.raises(AssertionError, match="off by"):
        md.assert_roundtrip(moved, tolerance=0.0)


def test_kept_symmetry_is_seen_and_a_moved_site_or_a_sheared_cell_is_named():
    structure = md.read("SrTiO3.cif") * (2, 2, 2)
    graph = md.find_motifs(structure)
    octahedron = next(m for m in graph.motifs if m.formula == "TiO6")
    mode = md.distortion_modes(structure, octahedron, scope="orbit", graph=graph)[1]
    solved = Distorter(structure, graph, keep="request").solve({mode: 0.2})
    made = Structure(solved.cell, structure.species, solved.positions, coords_are_cartesian=True)
    assert_symmetry_kept(structure, made, solved.operations)
    elsewhere = made.copy()
    elsewhere.translate_sites(range(len(made)), [0.03, 0.01, -0.02])
    assert_symmetry_kept(structure, elsewhere, solved.operations)
    moved = made.copy()
    moved.translate_sites([9], [1e-3, 0, 0], frac_coords=False)
    with pytest.raises(AssertionError, match="from where operation"):
        assert_symmetry_kept(structure, moved, solved.operations)
    sheared = Structure(made.lattice.matrix @ [[1, 0.01, 0], [0, 1, 0], [0, 0, 1]], made.species, made.frac_coords)
    with pytest.raises(AssertionError, match="the cell is"):
        assert_symmetry_kept(structure, sheared, solved.operations)
    with pytest.raises(AssertionError):
        assert_symmetry_kept(structure, made, operations_of(structure))


def test_rigid_motifs_pass_and_a_strained_one_is_named():
    frame = Frame()
    tilted, strained = (frame.distorter.solve(x) for x in (frame.tilts(z_in=7), {frame.one("stretch:Eg:1"): 0.3}))
    assert_motifs_rigid(frame.graph, tilted)
    assert_motifs_rigid(frame.graph, strained, 0.4)
    with pytest.raises(AssertionError, match="is not rigid: "):
        assert_motifs_rigid(frame.graph, strained)
    with pytest.raises(AssertionError, match=frame.octahedra[0].name.split("(")[0]):
        assert_motifs_rigid(frame.graph, strained, 0.1, motifs=[frame.octahedra[0]])
