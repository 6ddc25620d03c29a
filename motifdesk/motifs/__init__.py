"""Motifs: find, classify, group, measure and distort them.

>>> from motifdesk.motifs import find_motifs, distortion_modes, distort
>>> graph = find_motifs(structure)
>>> modes = distortion_modes(structure, graph.motifs[0], scope="orbit", graph=graph)
>>> distorted = distort(structure, {modes[0]: 0.05}, graph=graph)
"""

from .detection.covalent import Fragment
from .detection.finding import find_motifs
from .detection.functional import Group
from .detection.preview import NeighbourChanges, distance_neighbours
from .distortion.costs import MotifCost
from .distortion.distorting import Distorted, Distorter, distort
from .distortion.subgroups import Operations, operations_of, request_group
from .figures.measure import Contact, Measures, measure_motif, shortest_contact
from .figures.molecular_group import MolecularGroup, equivalent_atoms, molecule_point_group
from .figures.valence import bond_valence_sums
from .hierarchy.elements import Hole
from .hierarchy.graph import Ligand, Link, Motif, MotifGraph, Unit
from .hierarchy.layers import Layer
from .hierarchy.levels import Level
from .hierarchy.net import Net, Node
from .paths.decomposing import Decomposition, decompose
from .paths.matching import StructureMatch, match_structures
from .paths.morphing import Morph, morph
from .paths.motif_changes import motif_amplitudes
from .symmetry.characters import characters
from .symmetry.crystal_characters import motif_shares
from .symmetry.crystal_modes import CrystalMode, CrystalModes, crystal_modes
from .symmetry.isotropy import directions, subgroup_of
from .symmetry.modes import Mode, distortion_modes, mode_by_key
from .symmetry.molecule_modes import MoleculeMode, MoleculeModes, molecule_modes

__all__ = [
    "Contact",
    "CrystalMode",
    "CrystalModes",
    "Decomposition",
    "Distorted",
    "Distorter",
    "Fragment",
    "Group",
    "Hole",
    "Layer",
    "Level",
    "Ligand",
    "Link",
    "Measures",
    "Mode",
    "MolecularGroup",
    "MoleculeMode",
    "MoleculeModes",
    "Morph",
    "Motif",
    "MotifCost",
    "MotifGraph",
    "NeighbourChanges",
    "Net",
    "Node",
    "Operations",
    "StructureMatch",
    "Unit",
    "bond_valence_sums",
    "characters",
    "crystal_modes",
    "decompose",
    "directions",
    "distance_neighbours",
    "distort",
    "distortion_modes",
    "equivalent_atoms",
    "find_motifs",
    "match_structures",
    "measure_motif",
    "mode_by_key",
    "molecule_modes",
    "molecule_point_group",
    "morph",
    "motif_amplitudes",
    "motif_shares",
    "operations_of",
    "request_group",
    "shortest_contact",
    "subgroup_of",
]
