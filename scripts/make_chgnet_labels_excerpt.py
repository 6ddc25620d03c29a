"""Draw the held-out labels that the tests read: ``python scripts/make_chgnet_labels_excerpt.py runs/force``.

48 structures of the development part, whatever their corpus, from the chunks of `benchmarks.make_force_labels`
(seed 0, variant 0), to ``tests/data/chgnet_labels.npz``."""

import sys
from pathlib import Path

import numpy as np

COUNT = 48


def main(folder: Path) -> None:
    rows = []
    for file in sorted(folder.glob("0-0-*.npz")):
        with np.load(file, allow_pickle=False) as archive:
            c = {k: archive[k] for k in archive.files}
        for k, (end, n) in enumerate(zip(np.cumsum(c["natoms"]), c["natoms"], strict=True)):
            if c["development"][k]:
                per_atom = [c[name][end - n : end] for name in ("numbers", "positions", "forces")]
                rows.append((*per_atom, c["cells"][k], c["energy"][k], c["stress"][k], c["id"][k]))
    chosen = sorted(np.random.default_rng(0).choice(len(rows), COUNT, replace=False))
    numbers, positions, forces, cells, energy, stress, ids = zip(*(rows[k] for k in chosen), strict=True)
    np.savez_compressed(
        Path(__file__).parents[1] / "tests/data/chgnet_labels.npz",
        natoms=np.array([len(n) for n in numbers], dtype=np.int16),
        numbers=np.concatenate(numbers),
        positions=np.concatenate(positions).astype(np.float32),
        cells=np.array(cells, dtype=np.float32),
        energy=np.array(energy, dtype=np.float32),
        forces=np.concatenate(forces),
        stress=np.array(stress),
        development=np.ones(COUNT, dtype=bool),
        id=np.array(ids),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
