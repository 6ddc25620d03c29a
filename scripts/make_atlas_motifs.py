"""Find the motifs of every structure of the bundled map: ``python scripts/make_atlas_motifs.py``.

Writes ``motifdesk/data/atlas/motifs.npz`` (a few minutes on one core): which shapes of motifs each point has, and the
shape that most of its motifs have, for colouring and searching the map. See `motifdesk.atlas.shapes`.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from pathlib import Path

from motifdesk.atlas import load_atlas
from motifdesk.atlas.shapes import FILE, Shapes
from motifdesk.motifs import find_motifs
from motifdesk.structures.errors import MotifDeskError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    from tqdm import tqdm

    atlas = load_atlas()
    counts = []
    for i in tqdm(range(len(atlas)), disable=None):
        found: Counter[str] = Counter()
        if atlas.arrays(i).is_crystal:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = Counter(motif.shape for motif in find_motifs(atlas.structure(i)).motifs)
            except MotifDeskError:
                pass  # counted below as a structure without motifs
        counts.append(found)
    made = Shapes.counted(atlas, counts)
    made.save(args.out)
    print(f"{len(atlas)} structures, {sum(1 for c in counts if c)} with motifs, {len(made.names)} shapes: {args.out}")


if __name__ == "__main__":
    main()
