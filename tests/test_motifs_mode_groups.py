"""The space group that a motif's mode leads to, told before anything moves."""

import pytest

from motifdesk.motifs import Distorter, distortion_modes, find_motifs
from motifdesk.motifs.symmetry.isotropy import subgroup_of
from motifdesk.structures import read, space_group
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifDeskError


def test_the_group_a_motif_mode_leads_to_is_known_before_anything_moves():
    structure = read("rutile-TiO2.cif")
    graph = find_motifs(structure)
    titanium = next(m for m in graph.motifs if m.formula == "TiO6")
    found = {
        m.key: subgroup_of(structure, m, graph=graph).symbol
        for m in distortion_modes(structure, titanium, "orbit", graph=graph)
    }
    assert found[f"m{titanium.index}:orbit:stretch:A1g:1"] == "P4_2/mnm"
    key = f"m{titanium.index}:orbit:stretch:T1u:1"
    assert subgroup_of(structure, key, graph=graph).symbol == found[key] != "P4_2/mnm"
    assert subgroup_of(structure, {}, graph=graph).symbol == "P4_2/mnm"
    with pytest.raises(MotifDeskError):
        subgroup_of(structure, "m9:motif:stretch:A1g:1", graph=graph)


@pytest.mark.parametrize("scope", ["motif", "orbit"])
def test_the_distorted_structure_has_the_group_that_was_told_beforehand(scope):
    structure = read("quartz-SiO2.cif")
    graph = find_motifs(structure)
    distorter = Distorter(structure, graph)
    for mode in distortion_modes(structure, 0, scope, graph=graph):
        solved = distorter.solve({mode: 0.05})
        moved = AtomArrays(distorter.arrays.numbers, solved.positions, solved.cell)
        assert space_group(moved, 1e-3).number == subgroup_of(structure, mode, graph=graph).number, mode.key


def test_one_octahedron_of_a_cubic_perovskite_leads_to_the_groups_of_its_order_parameters():
    structure = read("SrTiO3.cif")
    graph = find_motifs(structure)
    titanium = next(m for m in graph.motifs if m.formula == "TiO6")
    found = {}
    for m in distortion_modes(structure, titanium, graph=graph):
        found.setdefault((m.block, m.irrep), []).append(subgroup_of(structure, m, graph=graph).symbol)
    assert found["stretch", "A1g"] == ["Pm-3m"]
    assert found["stretch", "Eg"] == ["P4/mmm", "Pmmm"]  # Q3, Q2
    assert found["stretch", "T1u"] == ["P4mm"] * 3
    assert found["bend", "T2g"] == ["Cmmm"] * 3
    assert found["rotation", "T1g"] == ["P4/m"] * 3
