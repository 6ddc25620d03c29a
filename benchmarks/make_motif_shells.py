"""Collect the coordination shells of the bundled corpora for training the motif autoencoder.

``python benchmarks/make_motif_shells.py runs/shells.npz [--limit N]``: one shell per symmetry orbit of motifs. Columns:
``centre [S]``, ``count [S]``, ``Z [sum]``, ``offset [sum, 3]`` (Angstrom), ``corpus [S]``, ``development [S]`` (the
structures that are never trained on, ``motifdesk.structures.corpora.development_split``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from motifdesk.codec.shells import shells_of
from motifdesk.motifs import find_motifs
from motifdesk.structures.corpora import Corpus, corpora, corpus
from motifdesk.structures.errors import MotifDeskError


def collect(data: Corpus, index: np.ndarray, progress: bool = True) -> dict[str, np.ndarray]:
    """Shells (1 to 14 neighbours) of the structures ``index``, one per orbit, with ``structure [S]``."""
    centre, numbers, offsets, owner, skipped = [], [], [], [], 0
    for k in tqdm(index, desc=f"motifs of {data.name}", disable=not progress):
        structure = data.structure(int(k))
        try:
            graph = find_motifs(structure)
        except MotifDeskError:
            skipped += 1
            continue
        shells = shells_of(structure, graph)
        for orbit in graph.orbits:
            shell = shells[orbit[0]]
            if len(shell):
                centre.append(data.numbers(int(k))[shell.centre])
                numbers.append(shell.numbers)
                offsets.append(shell.offsets)
                owner.append(int(k))
    return {
        "centre": np.array(centre, dtype=np.int64),
        "count": np.array([len(z) for z in numbers], dtype=np.int64),
        "Z": np.concatenate([*numbers, np.zeros(0, np.int64)]),
        "offset": np.concatenate([*offsets, np.zeros((0, 3))]),
        "structure": np.array(owner, dtype=np.int64),
        "skipped": np.array(skipped),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, help="only the first so many structures of each corpus")
    args = parser.parse_args()
    parts: dict[str, list[np.ndarray]] = {}
    for name in corpora():
        data = corpus(name)
        found = collect(data, np.arange(len(data))[: args.limit])
        for key in ("centre", "count", "Z", "offset"):
            parts.setdefault(key, []).append(found[key])
        parts.setdefault("corpus", []).append(np.full(len(found["centre"]), name))
        parts.setdefault("development", []).append(data.development[found["structure"]])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, **{key: np.concatenate(values) for key, values in parts.items()})
    print(f"{args.out}: {sum(map(len, parts['centre']))} shells")


if __name__ == "__main__":
    main()
