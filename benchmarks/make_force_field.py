"""Train the potential behind the desk's live energies on the labels of `benchmarks.make_force_labels`.

``python -m benchmarks.make_force_field runs/force motifdesk/data/weights [--epochs N] [--limit N] [--seed S]`` writes
``force_field.safetensors`` there; killed and started again, it goes on after the last whole epoch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from motifdesk.networks.card import machine
from motifdesk.networks.force_field import ForceField, ForceFieldConfig, load_force_field, save_force_field
from motifdesk.networks.force_training import errors, note_species, prepare, read_labels, train


def main() -> None:
    from ase.data import covalent_radii

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, help="chunks read")
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--size", type=int, default=8, help="structures a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", dest="warm", type=Path, help="weights to begin with, trained on fewer labels")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    config = ForceFieldConfig(channels=options.channels, hidden=options.hidden)
    files = sorted(options.labels.glob("*.npz"))[: options.limit]
    structures, development, _ = read_labels(files, config.cutoff)
    training = [s for s, held in zip(structures, development, strict=True) if not held]
    held = [s for s, out in zip(structures, development, strict=True) if out]
    print(f"{len(training)} structures to train on, {len(held)} held out, from {len(files)} chunks", flush=True)
    if options.warm is None:
        model = ForceField(config)
        prepare(model, training, np.asarray(covalent_radii))
    else:
        model = load_force_field(options.warm)[0].requires_grad_(True)
        note_species(model, training)
    began = time.time()

    def told(epoch: int, loss: float, average: ForceField) -> None:
        e = errors(average.eval(), held, config.cutoff)
        print(
            f"epoch {epoch + 1}: loss {loss:.4f}, held out {e['energy']:.1f} meV/atom, {e['forces']:.1f} meV/A, "
            f"{e['stress']:.2f} GPa, {time.time() - began:.0f} s",
            flush=True,
        )

    options.folder.mkdir(parents=True, exist_ok=True)
    state = options.folder / "force_field.state"
    made = train(
        model,
        training,
        epochs=options.epochs,
        rate=options.rate,
        size=options.size,
        seed=options.seed,
        state=state,
        told=told,
    )
    facts = {
        "structures": len(training),
        "development": len(held),
        "epochs": options.epochs,
        "rate": options.rate,
        "size": options.size,
        "seed": options.seed,
        "seconds": round(time.time() - began),
        "machine": machine(),
        "torch": torch.__version__,
        "errors": errors(made, held, config.cutoff),
        "training_errors": errors(made, training[:2000], config.cutoff),
        "teacher": "chgnet 0.3.0",
    }
    digest = save_force_field(options.folder / "force_field.safetensors", made, facts)
    state.unlink(missing_ok=True)
    print(digest, facts)


if __name__ == "__main__":
    main()
