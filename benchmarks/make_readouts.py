"""Train the read-outs of the bundled encoder's codes: energy above the hull, and the density of motifs by shape.

``python -m benchmarks.make_readouts runs/motif_counts.npz motifdesk/data/weights [--epochs N] [--seed S]`` writes
``readouts.safetensors`` and ``READOUTS_CARD.md`` there; the first file is that of `benchmarks.make_motif_counts`. The
development split is left out of the training and measured.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motifdesk.codec import load_codec
from motifdesk.data import path
from motifdesk.networks.card import machine
from motifdesk.networks.checkpoint import load_tensors
from motifdesk.networks.readouts import Readout, save_readouts, train_readout
from motifdesk.structures.corpora import corpora, corpus

LEAST = 150  # crystals that hold a shape for it to have a read-out of its own; the others are summed up
OTHER = "other"


def collect(counts: Path) -> dict[str, Any]:
    """Codes, labels and the split of every bundled crystal whose motifs were counted."""
    codec = load_codec(device="cpu")
    with np.load(counts, allow_pickle=False) as file:
        place = {i: k for k, i in enumerate(file["id"].tolist())}
        shapes, found = file["shape"].tolist(), file["counts"]
    common = [k for k in range(len(shapes)) if (found[:, k] > 0).sum() >= LEAST]
    table = np.concatenate([found[:, common], np.delete(found, common, axis=1).sum(1, keepdims=True)], axis=1)
    names = [shapes[k] for k in common] + [OTHER]
    parts: dict[str, list[Any]] = {k: [] for k in ("root", "share", "hull", "development", "source", "natoms")}
    for name in corpora():
        data = corpus(name)
        if not data.is_crystal:
            continue
        rows = [k for k in range(len(data)) if f"{name}/{data.ids[k]}" in place]
        parts["root"].append(codec.encode([data[k] for k in rows], symmetry=False).root)
        at = [place[f"{name}/{data.ids[k]}"] for k in rows]
        parts["share"].append(table[at] / data.natoms[rows][:, None])
        parts["hull"].append(data.labels.get("energy_above_hull", np.full(len(data), np.nan))[rows])
        parts["development"].append(data.development[rows])
        parts["source"].append(np.full(len(rows), name))
        parts["natoms"].append(data.natoms[rows])
    joined: dict[str, Any] = {k: np.concatenate(v) for k, v in parts.items()}
    return joined | {"shapes": names, "codec": codec}


def inputs(root: np.ndarray) -> dict[str, np.ndarray]:
    """What a read-out sees of a root code."""
    counts = np.zeros((len(root), 118), np.float32)
    counts[:, :94] = root[:, :94]
    return {
        "geometry": root[:, 102:486],
        "fractions": counts / counts.sum(1, keepdims=True),
        "log_volume": root[:, 95],
    }


def predict(model: Readout, root: np.ndarray) -> np.ndarray:
    x = inputs(root)
    with torch.no_grad():
        return model(*(torch.from_numpy(np.ascontiguousarray(x[k])) for k in x)).double().numpy()


def baselines(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, median and ridge regression on the composition, fitted on (x, y), for compositions ``asked``."""
    ridge = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    ones = np.ones((len(asked), 1))
    return {"mean": ones * y.mean(0), "median": ones * np.median(y, axis=0), "composition": y.mean(0) + asked @ ridge}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = collect(args.counts)
    root, development = data["root"], data["development"]
    fractions = inputs(root)["fractions"].astype(np.float64)
    began = time.process_time()
    models: dict[str, Readout] = {}
    table: list[str] = []
    hull = np.isfinite(data["hull"])
    train, test = hull & ~development, hull & development
    models["hull"] = train_readout(
        inputs(root[train]),
        data["hull"][train][:, None],
        ["energy_above_hull"],
        "value",
        epochs=args.epochs,
        seed=args.seed,
    )
    made = predict(models["hull"], root[test])[:, 0]
    for source in ("mp_20", "mpts_52"):
        here = data["source"][test] == source
        truth = data["hull"][test][here]
        plain = baselines(fractions[train], data["hull"][train][:, None], fractions[test][here])
        errors = [np.abs(truth - v).mean() for v in (made[here], *(p[:, 0] for p in plain.values()))]
        table.append(
            f"| energy above the hull ({source}) | {len(truth)} | "
            + " | ".join(f"{e:.3f}" for e in errors)
            + " | eV/atom |"
        )
    train, test = ~development, development
    models["motifs"] = train_readout(
        inputs(root[train]), data["share"][train], data["shapes"], "share", epochs=args.epochs, seed=args.seed
    )
    per_nm3 = 1000.0 / np.exp(root[test, 95].astype(np.float64))[:, None]  # atoms per nm^3
    truth = data["share"][test] * per_nm3
    made = predict(models["motifs"], root[test]) * per_nm3
    plain = {k: v * per_nm3 for k, v in baselines(fractions[train], data["share"][train], fractions[test]).items()}
    for k in np.argsort(-truth.mean(0), kind="stable"):
        errors = [np.abs(truth - v)[:, k].mean() for v in (made, *plain.values())]
        table.append(
            f"| {data['shapes'][k]} | {(truth[:, k] > 0).sum()} | "
            + " | ".join(f"{e:.2f}" for e in errors)
            + " | per nm^3 |"
        )
    totals = [np.abs(truth - v).sum(1).mean() for v in (made, *plain.values())]
    table.append(f"| all shapes, summed | {len(truth)} | " + " | ".join(f"{e:.2f}" for e in totals) + " | per nm^3 |")
    cpu = time.process_time() - began
    encoder = load_tensors(path("weights", "codec.safetensors"))[1]["sha256"]
    facts = {"training": int((~development).sum()), "epochs": args.epochs, "seed": args.seed, "cpu_seconds": round(cpu)}
    sha = save_readouts(args.out / "readouts.safetensors", models, encoder, facts)
    (args.out / "READOUTS_CARD.md").write_text(card(sha, encoder, facts, table, data))
    print("\n".join(table))


def card(sha: str, encoder: str, facts: dict[str, Any], table: list[str], data: dict[str, Any]) -> str:
    sources = {s: int((data["source"][~data["development"]] == s).sum()) for s in corpora() if corpus(s).is_crystal}
    return "\n".join(
        [
            "# Model card: readouts.safetensors",
            "",
            "Read-outs of the frozen encoder's root codes (`motifdesk/networks/readouts.py`): the energy above the",
            "hull, and how many motifs of each shape (named as by `motifdesk.find_motifs`) a crystal holds per volume.",
            "",
            f"- weights: sha256 of tensors `{sha}`; they read codes of the encoder `{encoder[:16]}...` only",
            f"- training data: {facts['training']:,} bundled crystals ("
            + ", ".join(f"{k} {v:,}" for k, v in sources.items())
            + "); the energy above the hull is known for mp_20 and mpts_52. Held out: `sha1(id) % 100 < 5`",
            "- the official test splits of these benchmarks were neither seen nor used; licences and citations: "
            "`motifdesk/data/SOURCES.md`",
            f"- run: {facts['epochs']} epochs, {facts['cpu_seconds']} s of CPU time on {machine()} (one thread), "
            f"seed {facts['seed']}",
            "- to reproduce: `python -m benchmarks.make_motif_counts runs/motif_counts.npz`, then `python -m "
            f"benchmarks.make_readouts runs/motif_counts.npz DIR --epochs {facts['epochs']} --seed {facts['seed']}`",
            "- trained on the absolute error. Half of the energies above the hull are zero and the rest has a long",
            "  tail: the median is the baseline that counts. The corpora are crystals on or near the hull: what no one",
            "  would make is not in them, and its energy above the hull will be guessed far too low.",
            f'- shapes in fewer than {LEAST} crystals are summed up as "{OTHER}"',
            "",
            "## Development split: mean absolute errors",
            "",
            "n: structures (energies), or crystals that hold the shape out of "
            f"{int(data['development'].sum())}; errors of densities are over all of these.",
            "",
            "| what | n | read-out | mean | median | composition ridge | unit |",
            "|---|---|---|---|---|---|---|",
            *table,
            "",
        ]
    )


if __name__ == "__main__":
    main()
