"""Motifs: find, classify, group, measure and distort them.

>>> from motifdesk.motifs import find_motifs, distortion_modes, distort
>>> graph = find_motifs(structure)
>>> modes = distortion_modes(structure, graph.motifs[0], scope="orbit", graph=graph)
>>> distorted = distort(structure, {modes[0]: 0.05}, graph=graph)
"""

from .characters import characters
from .costs import MotifCost
from .covalent import Fragment
from .crystal_characters import motif_shares
from .crystal_modes import CrystalMode, CrystalModes, crystal_modes
from .decomposing import Decomposition, decompose
from .distorting import Distorted, Distorter, distort
from .elements import Hole
from .finding import find_motifs
from .functional import Group
from .graph import Ligand, Link, Motif, MotifGraph, Unit
from .isotropy import directions, subgroup_of
from .layers import Layer
from .levels import Level
from .matching import StructureMatch, match_structures
from .measure import Contact, Measures, measure_motif, shortest_contact
from .modes import Mode, distortion_modes, mode_by_key
from .morphing import Morph, morph
from .net import Net, Node
from .subgroups import Operations, operations_of, request_group
from .valence import bond_valence_sums

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
    "Morph",
    "Motif",
    "MotifCost",
    "MotifGraph",
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
    "distort",
    "distortion_modes",
    "find_motifs",
    "match_structures",
    "measure_motif",
    "mode_by_key",
    "morph",
    "motif_shares",
    "operations_of",
    "request_group",
    "shortest_contact",
    "subgroup_of",
]
