"""Motifs: find, classify, group, measure and distort them.

>>> from motifdesk.motifs import find_motifs
>>> graph = find_motifs(structure)
"""

from .finding import find_motifs
from .graph import Ligand, Link, Motif, MotifGraph, Unit

__all__ = ["Ligand", "Link", "Motif", "MotifGraph", "Unit", "find_motifs"]
