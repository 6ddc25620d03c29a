"""Label rattled, strained and substituted corpus crystals with CHGNet, for the distilled energies of the desk.

``python -m benchmarks.make_force_labels runs/force [--variants N] [--most-atoms 24] [--seed S]`` writes chunks
``runs/force/SEED-VARIANT-CHUNK.npz`` one after the other; killed and started again, it goes on where it stopped.
About 0.08 s a structure on one core. What a structure becomes depends on (corpus, id, variant, seed) alone; the
development part of a corpus stays the development part, whatever was done to its structures.

Variants 0 and 1 keep the species, every fifth of the others exchanges one element for a partner counted in the corpora
(:mod:`motifdesk.screening.similarity`), with the volume scaled by covalent radii. A quarter of all is moved by less
than 0.02 A (near equilibrium), the rest by 0.02 to 0.3 A, with strains of 0.1 to 4 % and volumes of -12 to +15 %."""

from __future__ import annotations

import argparse
import hashlib
import math
import warnings
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from motifdesk.networks.checkpoint import write_atomically
from motifdesk.screening.energies import make_calculator
from motifdesk.screening.similarity import partners
from motifdesk.structures import AtomArrays, corpus, from_arrays

CORPORA = ("mp_20", "mpts_52", "perov_5", "carbon_24")
CHUNK = 256
GPA = 1 / 160.21766208  # eV/A^3


def jobs(variant: int, most: int, seed: int) -> list[tuple[str, int]]:
    """(corpus, index) of every small crystal, in an order that mixes the corpora."""
    found = []
    for name in CORPORA:
        c = corpus(name)
        found += [(name, int(k)) for k in np.flatnonzero(c.natoms <= most)]
    order = np.random.default_rng([seed, variant]).permutation(len(found))
    return [found[k] for k in order]


def made(name: str, index: int, variant: int, seed: int) -> AtomArrays:
    """The structure to label."""
    c = corpus(name)
    key = hashlib.sha1(f"{name}/{c.ids[index]}/{variant}/{seed}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(key, dtype=np.uint32))
    a = c[index]
    numbers, cell = a.numbers.copy(), np.asarray(a.cell, dtype=np.float64)
    fractional = np.linalg.solve(cell.T, a.positions.T).T
    if variant >= 2 and rng.random() < 0.2:
        numbers, scale = _exchanged(numbers, rng)
        cell = cell * scale
    near = rng.random() < 0.25
    sigma = 0.02 * rng.random() if near else math.exp(rng.uniform(math.log(0.02), math.log(0.3)))
    strain = rng.normal(size=(3, 3)) * (0.002 if near else math.exp(rng.uniform(math.log(0.001), math.log(0.04))))
    volume = rng.normal() * 0.01 if near else rng.uniform(-0.12, 0.15)
    cell = cell @ (np.eye(3) + (strain + strain.T) / 2) * (1 + volume) ** (1 / 3)
    return AtomArrays(numbers, fractional @ cell + rng.normal(size=fractional.shape) * sigma, cell)


def _exchanged(numbers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """One element exchanged for a partner, and the factor of the lengths that goes with it."""
    from ase.data import covalent_radii

    old = int(rng.choice(np.unique(numbers)))
    others, chance = partners(old)
    if not len(others):
        return numbers, 1.0
    new = np.where(numbers == old, int(rng.choice(others, p=chance)), numbers)
    return new, float((covalent_radii[new] ** 3).sum() / (covalent_radii[numbers] ** 3).sum()) ** (1 / 3)


def label(batch: list[tuple[str, int]], variant: int, seed: int, model: object) -> dict[str, np.ndarray]:
    """CHGNet's answers for a chunk: those that make no graph, or whose answer is no physics, are left out."""
    graphs, kept = [], []
    for name, index in batch:
        structure = made(name, index, variant, seed)
        try:
            graphs.append(model.graph_converter(from_arrays(structure)))  # type: ignore[attr-defined]
        except (ValueError, RuntimeError, IndexError):
            continue
        kept.append((name, index, structure))
    answers = model.predict_graph(graphs, task="efs", batch_size=16)  # type: ignore[attr-defined]
    rows = []
    for (name, index, structure), answer in zip(kept, answers, strict=True):
        force = np.asarray(answer["f"], dtype=np.float64)
        if np.isfinite(force).all() and np.abs(force).max() < 60.0:
            c = corpus(name)
            stress = np.asarray(answer["s"]) * GPA
            place = f"{name}/{c.ids[index]}"
            rows.append((structure, float(answer["e"]), force, stress, bool(c.development[index]), place))
    return {
        "natoms": np.array([len(r[0].numbers) for r in rows]),
        "numbers": np.concatenate([r[0].numbers for r in rows]).astype(np.int16),
        "positions": np.concatenate([r[0].positions for r in rows]),
        "cells": np.array([r[0].cell for r in rows]),
        "energy": np.array([r[1] for r in rows]),
        "forces": np.concatenate([r[2] for r in rows]).astype(np.float32),
        "stress": np.array([r[3] for r in rows], dtype=np.float32),
        "development": np.array([r[4] for r in rows]),
        "id": np.array([r[5] for r in rows]),
    }


def main() -> None:
    import io

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", type=int, default=2)
    parser.add_argument("--most-atoms", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="first variant: two processes may share the work")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    model = make_calculator({"calculator": "chgnet"})._model  # type: ignore[attr-defined]
    options.folder.mkdir(parents=True, exist_ok=True)
    for variant in range(options.first, options.first + options.variants):
        work = jobs(variant, options.most_atoms, options.seed)
        for at in tqdm(range(0, len(work), CHUNK), desc=f"variant {variant}", mininterval=30):
            target = options.folder / f"{options.seed}-{variant}-{at // CHUNK:03d}.npz"
            if target.exists():
                continue
            buffer = io.BytesIO()
            np.savez(buffer, **label(work[at : at + CHUNK], variant, options.seed, model))
            write_atomically(target, buffer.getvalue())


if __name__ == "__main__":
    main()
