"""Two structures laid on each other: matching, decomposition into modes, continuous paths."""
