"""Symmetry-adapted modes: of a motif, of a whole crystal, and where they lead."""
