"""Find motifs: neighbours, oxidation states, molecules in crystals, and the cheap rule of a drag."""
