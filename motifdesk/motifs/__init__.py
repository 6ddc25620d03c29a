"""Motifs: find, classify, group, measure and distort them.

>>> from motifdesk.motifs import find_motifs, distortion_modes, distort
>>> graph = find_motifs(structure)
>>> modes = distortion_modes(structure, graph.motifs[0], scope="orbit", graph=graph)
>>> distorted = distort(structure, {modes[0]: 0.05}, graph=graph)
"""

from .crystal_modes import CrystalMode, CrystalModes, crystal_modes
from .decomposing import Decomposition, decompose
from .distorting import Distorted, Distorter, distort
from .finding import find_motifs
from .graph import Ligand, Link, Motif, MotifGraph, Unit
from .matching import StructureMatch, match_structures
from .measure import Contact, Measures, measure_motif, shortest_contact
from .modes import Mode, distortion_modes, mode_by_key
from .morphing import Morph, morph
from .valence import bond_valence_sums

__all__ = [
    "Contact",
    "CrystalMode",
    "CrystalModes",
    "Decomposition",
    "Distorted",
    "Distorter",
    "Ligand",
    "Link",
    "Measures",
    "Mode",
    "Motif",
    "Morph",
    "MotifGraph",
    "StructureMatch",
    "Unit",
    "bond_valence_sums",
    "crystal_modes",
    "decompose",
    "distort",
    "distortion_modes",
    "find_motifs",
    "match_structures",
    "measure_motif",
    "mode_by_key",
    "morph",
    "shortest_contact",
]
