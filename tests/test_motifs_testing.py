"""The assertions we ship can pass and can fail."""

import pytest

import motifdesk as md


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
