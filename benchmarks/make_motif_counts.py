"""Count the motifs of every bundled crystal by shape, for training the read-out of motif densities.

``python benchmarks/make_motif_counts.py runs/motif_counts.npz [--limit N]``: columns ``id [M]`` ("corpus/id"),
``natoms [M]``, ``shape [K]`` (all names found), ``counts [M, K]``; structures without motifs have zeros, those in which
no motifs can be found are left out.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from motifdesk.motifs import find_motifs
from motifdesk.structures.corpora import corpora, corpus
from motifdesk.structures.errors import MotifDeskError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, help="only the first so many structures of each corpus")
    args = parser.parse_args()
    ids, natoms, found = [], [], []
    for name in corpora():
        data = corpus(name)
        if not data.is_crystal:
            continue
        for k in tqdm(np.arange(len(data))[: args.limit], desc=f"motifs of {name}", disable=None):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    graph = find_motifs(data.structure(int(k)))
            except MotifDeskError:
                continue
            ids.append(f"{name}/{data.ids[k]}")
            natoms.append(int(data.natoms[k]))
            found.append(Counter(motif.shape for motif in graph.motifs))
    shapes = sorted({shape for counter in found for shape in counter})
    counts = np.array([[counter[shape] for shape in shapes] for counter in found], dtype=np.int64)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, id=np.array(ids), natoms=np.array(natoms), shape=np.array(shapes), counts=counts)
    print(f"{args.out}: {len(ids)} crystals, {len(shapes)} shapes")


if __name__ == "__main__":
    main()
