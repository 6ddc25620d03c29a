"""The cheap rule of a drag: what it says, how often it is right, what it refuses."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs import find_motifs
from motifdesk.motifs.detection.preview import distance_neighbours
from motifdesk.structures import corpus, read
from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import MotifError


def moved(structure, site, vector):
    out = structure.copy()
    out.translate_sites([site], vector, frac_coords=False, to_unit_cell=False)
    return out


def test_nothing_has_changed_in_the_structure_itself():
    for name in ("beta-Li2IrO3.cif", "rutile-TiO2.cif", "quartz-SiO2.cif", "Si.cif"):
        structure = read(name)
        graph = find_motifs(structure)
        for same in (structure, to_arrays(structure)):
            changes = distance_neighbours(same, graph)
            assert not changes and changes.motifs == ()


def test_a_ligand_pulled_away_is_lost_by_the_motifs_that_hold_it_and_no_other():
    structure = read("rutile-TiO2.cif") * (2, 2, 2)
    graph = find_motifs(structure)
    oxygen = next(k for k, site in enumerate(structure) if site.specie.symbol == "O")
    holders = [m for m in graph.motifs if any(x.site == oxygen for x in m.ligands)]
    motif = holders[0]
    bond = next(x for x in motif.ligands if x.site == oxygen)
    away = structure.frac_coords[oxygen] + bond.image - structure.frac_coords[motif.centre]
    away = away @ structure.lattice.matrix
    changes = distance_neighbours(moved(structure, oxygen, 0.9 * away / np.linalg.norm(away)), graph)
    assert changes.lost[motif.index] == (bond,)
    assert set(changes.lost) <= {m.index for m in holders}


def test_an_atom_brought_near_is_gained():
    structure = Structure(
        Lattice.cubic(30), ["C", "O", "O", "O"], [[0.5] * 3, [0.54, 0.5, 0.5], [0.46, 0.5, 0.5], [0.5, 0.62, 0.5]]
    )
    graph = find_motifs(structure)
    carbon = graph.motif_at(0)
    assert carbon.coordination == 2
    changes = distance_neighbours(moved(structure, 3, [0, -2.45, 0]), graph)
    assert [x.site for x in changes.gained[carbon.index]] == [3] and carbon.index not in changes.lost


def test_atoms_wrapped_into_the_cell_and_a_strained_cell_are_no_change():
    structure = read("CaTiO3.cif")
    graph = find_motifs(structure)
    steps = np.arange(3 * len(structure)).reshape(-1, 3) % 3 - 1
    shifted = Structure(structure.lattice, structure.species, structure.frac_coords + steps)
    assert not distance_neighbours(shifted, graph)
    strained = Structure(Lattice(structure.lattice.matrix * 1.05), structure.species, structure.frac_coords)
    assert not distance_neighbours(strained, graph)


def test_flags_agree_with_crystalnn_on_most_motifs_of_displaced_crystals():
    source = corpus("mp_20")
    rng = np.random.default_rng(4)
    right, flagged, changed, both = 0, 0, 0, 0
    total = 0
    for k in rng.permutation(len(source))[:24]:
        structure = source.structure(int(k))
        graph = find_motifs(structure)
        for size in (0.05, 0.15, 0.3):
            shaken = structure.cart_coords + size * rng.standard_normal((len(structure), 3))
            other = Structure(structure.lattice, structure.species, shaken, coords_are_cartesian=True)
            flags = distance_neighbours(other, graph).motifs
            now = find_motifs(other).neighbours
            for motif in graph.motifs:
                is_changed = set(now[motif.centre]) != set(motif.ligands)
                right += is_changed == (motif.index in flags)
                flagged += motif.index in flags
                changed += is_changed
                both += is_changed and motif.index in flags
                total += 1
    assert total > 300
    assert right / total > 0.7 and both / flagged > 0.7 and both / changed > 0.5


def test_molecules_are_watched_too():
    water = Molecule(["O", "H", "H"], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    graph = find_motifs(water)
    assert not distance_neighbours(water, graph)
    torn = Molecule(water.species, water.cart_coords + np.array([[0, 0, 0], [0, 1.0, 0], [0, 0, 0]]))
    assert [x.site for x in distance_neighbours(torn, graph).lost[0]] == [1]


def test_another_structure_is_refused():
    graph = find_motifs(read("NaCl.cif", cell="primitive"))
    with pytest.raises(MotifError, match="not the structure of this graph"):
        distance_neighbours(read("NaCl.cif"), graph)
    with pytest.raises(MotifError, match="not the structure of this graph"):
        distance_neighbours(Molecule(["Na", "Cl"], [[0, 0, 0], [0, 0, 2.3]]), graph)
    broken = read("NaCl.cif", cell="primitive")
    broken.translate_sites([0], [np.nan, 0, 0], to_unit_cell=False)
    with pytest.raises(MotifError, match="finite"):
        distance_neighbours(broken, graph)
