"""Train the potential behind the desk's live energies on the labels of `benchmarks.make_force_labels`.

``python -m benchmarks.make_force_field runs/force motifdesk/data/weights [--epochs N] [--seed S]`` writes
``force_field.safetensors`` and ``FORCE_CARD.md`` there; killed and started again, it goes on after the last epoch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motifdesk.networks.card import machine
from motifdesk.networks.force_field import ForceField, ForceFieldConfig, load_force_field, save_force_field
from motifdesk.networks.force_training import Labelled, errors, note_species, prepare, read_labels, train


def main() -> None:
    from ase.data import covalent_radii

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, help="chunks read")
    parser.add_argument("--sources", type=int, default=12)
    parser.add_argument("--channels", type=int, default=48)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--size", type=int, default=8, help="structures a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", dest="warm", type=Path, help="weights to begin with, trained on fewer labels")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    config = ForceFieldConfig(sources=options.sources, channels=options.channels, hidden=options.hidden)
    known: dict[Path, tuple[list[Labelled], np.ndarray]] = {}

    def part(development: bool) -> list[Labelled]:
        """What is labelled by now, of the training or of the development part."""
        for file in sorted(options.labels.glob("*.npz"))[: options.limit]:
            if file not in known:
                found, held, _ = read_labels([file], config.cutoff)
                known[file] = (found, held)
        return [s for found, held in known.values() for s, out in zip(found, held, strict=True) if out == development]

    training = part(False)
    print(f"{len(training)} structures to train on, {len(part(True))} held out, so far", flush=True)
    if options.warm is None:
        model = ForceField(config)
        prepare(model, training, np.asarray(covalent_radii))
    else:
        model = load_force_field(options.warm)[0].requires_grad_(True)
        note_species(model, training)
    began = time.time()

    def told(epoch: int, loss: float, average: ForceField) -> None:
        e = errors(average.eval(), part(True), config.cutoff)
        print(
            f"epoch {epoch + 1}: loss {loss:.4f}, held out {e['energy']:.1f} meV/atom, {e['forces']:.1f} meV/A, "
            f"{e['stress']:.2f} GPa, {time.time() - began:.0f} s",
            flush=True,
        )

    options.folder.mkdir(parents=True, exist_ok=True)
    state = options.folder / "force_field.state"
    made = train(
        model,
        lambda: part(False),
        epochs=options.epochs,
        rate=options.rate,
        size=options.size,
        seed=options.seed,
        state=state,
        told=told,
    )
    facts = {
        "structures": len(part(False)),
        "development": len(part(True)),
        "epochs": options.epochs,
        "rate": options.rate,
        "size": options.size,
        "seed": options.seed,
        "seconds": round(time.time() - began),
        "machine": machine(),
        "torch": torch.__version__,
        "errors": errors(made, part(True), config.cutoff),
        "training_errors": errors(made, training[:2000], config.cutoff),
        "teacher": "chgnet 0.3.0",
    }
    digest = save_force_field(options.folder / "force_field.safetensors", made, facts)
    state.unlink(missing_ok=True)
    write_card(options.folder / "FORCE_CARD.md", digest, facts, made, part(True), part(False))
    print(digest, facts)


def _formula(numbers: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Elements and their counts, reduced."""
    species, counts = np.unique(numbers, return_counts=True)
    return tuple(zip(species.tolist(), (counts // np.gcd.reduce(counts)).tolist(), strict=True))


def write_card(
    target: Path, digest: str, facts: dict[str, Any], model: ForceField, held: list[Labelled], trained: list[Labelled]
) -> None:
    """The model card: what it was trained on, how far off it is on what it was not trained on."""
    formulas = {_formula(s.numbers) for s in trained}
    strange = [s for s in held if _formula(s.numbers) not in formulas]
    calm = [s for s in held if np.abs(s.forces).max() < 0.3]
    rough = [s for s in held if np.abs(s.forces).max() >= 0.3]
    rows = [
        ("all", held),
        ("near rest (no force above 0.3 eV/A)", calm),
        ("moved", rough),
        ("no training structure has their formula", strange),
    ]
    table = []
    for name, members in rows:
        e = errors(model, members, model.config.cutoff)
        plain = np.mean([np.abs(s.forces).mean() for s in members])
        figures = f"{e['energy']:.0f} | {e['forces']:.0f} | {1e3 * plain:.0f} | {e['stress']:.2f}"
        table.append(f"| {name} | {len(members)} | {figures} |")
    known, weights = int(model.seen.sum()), sum(p.numel() for p in model.parameters())
    own = facts["training_errors"]
    target.write_text(
        f"""# Model card: force_field.safetensors

A small interatomic potential (`motifdesk/networks/force_field.py`), distilled from CHGNet 0.3.0 (B. Deng et al.,
Nat. Mach. Intell. 5, 1031 (2023), modified BSD): live energies and forces on the desk, ranking and rough relaxation of
many candidates.

- weights: sha256 of tensors `{digest}`
- {weights:,} parameters, {known} elements
- training data: {facts["structures"]:,} structures made from bundled crystals of mp_20, mpts_52, perov_5 and carbon_24
  with at most 14 atoms: rattled (up to 0.3 A), strained and scaled; labels are CHGNet's energies, forces and stresses,
  not DFT's. Held out: {facts["development"]:,}, by `sha1(id) % 100 < 5` of the crystal they come from
- the official test splits of these corpora were neither seen nor used; licences: `motifdesk/data/SOURCES.md`
- run: {facts["epochs"]} epochs, {facts["seconds"]} s on {facts["machine"]} (one thread of a busy machine)
- to reproduce: `python -m benchmarks.make_force_labels runs/force --most-atoms 14`, then
  `python -m benchmarks.make_force_field runs/force DIR --epochs {facts["epochs"]} --seed {facts["seed"]}`
  (the first epochs saw fewer labels: they were still being made)
- for: better or worse, where it hurts, bad contacts. Not for: energies above a hull, molecules, elements that it has
  not seen (it says so)

## Against CHGNet on held-out crystals: mean absolute errors

| structures | n | energy, meV/atom | forces, meV/A | mean size of a force component, meV/A | stress, GPa |
|---|---|---|---|---|---|
{chr(10).join(table)}

On training structures: {own["energy"]:.0f} meV/atom, {own["forces"]:.0f} meV/A.
`motifdesk bench live-energy` measures anew, with milliseconds and rank correlations.
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
