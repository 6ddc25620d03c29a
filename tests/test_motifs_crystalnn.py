"""Neighbour sets against pymatgen's CrystalNN: stored for 233 real structures, and live for some."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import find_motifs
from motifdesk.motifs.detection.crystalnn import neighbour_sets
from motifdesk.motifs.detection.neighbours import NeighbourList, reduce_cell
from motifdesk.motifs.detection.voronoi import voronoi_faces
from motifdesk.structures import read
from tests.minerals import corundum, spinel

REFERENCE = Path(__file__).parent / "data" / "crystalnn_reference.npz"  # scripts/make_crystalnn_reference.py


def stored():
    """(name, structure with oxidation states, sorted neighbours of each site as (site, a, b, c)) of the reference."""
    with np.load(REFERENCE, allow_pickle=False) as data:
        held = {key: data[key] for key in data.files}
    ends = np.cumsum(held["natoms"].astype(int))
    near = np.concatenate([held["sites"].astype(int)[:, None], held["images"].astype(int)], axis=1)
    sets = np.split(near, np.cumsum(held["counts"].astype(int))[:-1])
    for name, n, end, cell in zip(held["name"], held["natoms"].astype(int), ends, held["lattice"], strict=True):
        rows = slice(end - n, end)
        structure = Structure(Lattice(cell.astype(float)), held["Z"][rows].astype(int), held["frac_1e6"][rows] / 1e6)
        structure.add_oxidation_state_by_site(held["oxidation"][rows].tolist())
        yield str(name), structure, [[tuple(map(int, x)) for x in sets[k]] for k in range(end - n, end)]


def ours(graph, site):
    return sorted((x.site, *x.image) for x in graph.neighbours[site])


def test_every_site_of_the_stored_structures_has_crystalnns_neighbours():
    sites, structures, wrong = 0, 0, []
    for name, structure, expected in stored():
        graph = find_motifs(structure)
        wrong += [(name, site) for site, near in enumerate(expected) if ours(graph, site) != near]
        sites += len(structure)
        structures += 1
    assert wrong == []
    assert structures >= 200 and sites >= 2000


def test_unique_sites_alone_give_what_all_sites_give():
    """Symmetry carries neighbour sets; computing each site by itself gives the same."""
    for _, structure, expected in itertools.islice(stored(), 0, None, 9):
        neighbours = NeighbourList(structure.lattice.matrix, structure.frac_coords)
        symbols = [site.specie.symbol for site in structure]
        states = [float(site.specie.oxi_state) for site in structure]
        found = neighbour_sets(neighbours, symbols, states, range(len(structure)))
        rows = np.concatenate([found.sites[:, None], found.images], axis=1)
        for site, near in enumerate(expected):
            assert sorted(map(tuple, rows[found.start[site] : found.start[site + 1]].tolist())) == near


def test_the_stored_neighbours_are_what_pymatgen_gives_today():
    from pymatgen.analysis.local_env import CrystalNN

    reference = CrystalNN()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = [entry for entry in stored() if len(entry[1]) <= 9]
        for name, structure, expected in small[::12][:12]:
            for site, near in enumerate(expected):
                found = reference.get_nn_info(structure, site)
                assert sorted((x["site_index"], *map(int, x["image"])) for x in found) == near, (name, site)


def test_solid_angles_of_a_voronoi_cell_fill_the_sphere_and_its_cones_the_cell():
    for structure in (read("CaTiO3.cif"), corundum(), spinel(), read("quartz-SiO2.cif")):
        neighbours = NeighbourList(structure.lattice.matrix, structure.frac_coords)
        faces = voronoi_faces(neighbours, np.arange(len(structure)))
        solid = np.add.reduceat(faces.solid_angle, faces.start[:-1])
        np.testing.assert_allclose(solid, 4 * np.pi, rtol=1e-9)
        # the cones from the sites to their faces, at half the distances, fill the crystal
        volume = float((faces.area * faces.distances / 2).sum()) / 3
        assert volume == pytest.approx(structure.volume, rel=1e-9)


def test_charges_on_one_element_break_the_symmetry_that_carries_neighbours():
    """Each iron by its own charge: the neighbours are those of pymatgen, which knows no symmetry."""
    from pymatgen.analysis.local_env import CrystalNN

    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.33), ["Fe", "O"], [[0, 0, 0], [0.5] * 3])
    structure.add_oxidation_state_by_site([2, 3, 2, 3] + [-2.5] * 4)
    graph = find_motifs(structure)
    iron = {graph.oxidation[graph.motifs[orbit[0]].centre] for orbit in graph.orbits}
    assert iron == {2.0, 3.0}
    for orbit in graph.orbits:
        assert len({graph.oxidation[graph.motifs[k].centre] for k in orbit}) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for site in range(0, len(structure), 2):
            found = CrystalNN().get_nn_info(structure, site)
            assert ours(graph, site) == sorted((x["site_index"], *map(int, x["image"])) for x in found)


@pytest.mark.parametrize("angles", [(5, 5, 5), (90, 90, 175), (60, 60, 60), (20, 110, 120)])
def test_reduced_cells_are_the_same_lattice_with_short_vectors(angles):
    cell = Lattice.from_parameters(6.0, 7.0, 8.0, *angles).matrix
    short, transform = reduce_cell(cell)
    assert abs(round(np.linalg.det(transform))) == 1
    np.testing.assert_allclose(transform @ cell, short, atol=1e-9)
    gram = short @ short.T
    assert all(2 * abs(gram[a, b]) <= min(gram[a, a], gram[b, b]) + 1e-9 for a, b in ((0, 1), (0, 2), (1, 2)))


def test_neighbours_are_complete_out_to_the_reach_that_is_stated():
    structure = read("quartz-SiO2.cif")
    neighbours = NeighbourList(structure.lattice.matrix, structure.frac_coords)
    near = neighbours.near(np.arange(len(structure)), 6.0, 20)
    for site in range(len(structure)):
        some = slice(near.start[site], near.start[site + 1])
        everything = structure.get_sites_in_sphere(structure[site].coords, 6.0)
        lengths = np.sort([x.nn_distance for x in everything])[1:]
        np.testing.assert_allclose(np.sqrt(near.squared[some]), lengths[:20], atol=1e-9)
        assert near.reach[site] == pytest.approx(min(6.0, lengths[19]))
        images = neighbours.images(np.full(20, site), near.sites[some], near.steps[some])
        ends = structure.frac_coords[near.sites[some]] + images - structure.frac_coords[site]
        np.testing.assert_allclose(ends @ structure.lattice.matrix, near.vectors[some], atol=1e-9)
