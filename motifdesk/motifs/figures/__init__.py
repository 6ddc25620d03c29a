"""Ideal figures and how far a motif is from them: shape measures, point groups, distortion indices, bond valence."""
