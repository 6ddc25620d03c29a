"""Motifs to units to nets: value objects, sharing, layers, holes, levels and the picture."""
