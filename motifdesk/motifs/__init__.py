"""Motifs: find, classify, group, measure and distort them.

>>> from motifdesk.motifs import find_motifs, distortion_modes, distort
>>> graph = find_motifs(structure)
>>> modes = distortion_modes(structure, graph.motifs[0], scope="orbit", graph=graph)
>>> distorted = distort(structure, {modes[0]: 0.05}, graph=graph)
"""

from .distorting import Distorted, Distorter, distort
from .finding import find_motifs
from .graph import Ligand, Link, Motif, MotifGraph, Unit
from .modes import Mode, distortion_modes, mode_by_key

__all__ = [
    "Distorted",
    "Distorter",
    "Ligand",
    "Link",
    "Mode",
    "Motif",
    "MotifGraph",
    "Unit",
    "distort",
    "distortion_modes",
    "find_motifs",
    "mode_by_key",
]
