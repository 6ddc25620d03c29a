"""Compute the bundled energies of competing phases.

``python -m benchmarks.make_phase_energies motifdesk/data/phases`` writes ``chgnet-0.3.0.npz`` there: eV/atom (float32)
of every crystal of `mp_20` and `mpts_52` at its tabulated geometry, in the order of the corpora, and of the textbook
crystals of elements (`motifdesk.screening.energies.elements.element`). About ten minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from motifdesk.screening.energies import competing_phases, make_calculator
from motifdesk.screening.energies.hull import CORPORA
from motifdesk.structures import AtomArrays, corpus

_CHUNK = 64


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    calculator = make_calculator({"calculator": "chgnet"})
    table: dict[str, np.ndarray] = {}
    for name in CORPORA:
        c = corpus(name)
        found = np.full(len(c), np.nan, dtype=np.float32)
        order = np.argsort(c.natoms, kind="stable")
        for start in range(0, len(order), _CHUNK):  # of like size, so that batches are full
            chosen = order[start : start + _CHUNK]
            found[chosen] = calculator.energies([c[int(k)] for k in chosen])
            print(f"{name}: {start + len(chosen)} of {len(c)}", end="\r", flush=True)
        table[name] = found
    numbers, energies = [], []
    for z in range(1, 95):
        crystals: list[AtomArrays] = [a for i, a in competing_phases([z]).items() if i.startswith("element/")]
        if crystals:
            numbers.append(z)
            energies.append(calculator.energies(crystals)[0])
    table |= {"element_z": np.array(numbers, np.int16), "element_energy": np.array(energies, np.float32)}
    wrong = [k for k, v in table.items() if not np.isfinite(v).all()]
    if wrong:
        raise SystemExit(f"no energies for some of {wrong}")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{calculator.name}.npz", **table)


if __name__ == "__main__":
    main()
