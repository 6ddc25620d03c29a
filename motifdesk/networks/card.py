"""What a trained encoder is worth, measured on the development split, and the model card that says so."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motifdesk.networks.augment import make_batches, make_views, plain_views
from motifdesk.networks.dataset import PROPERTIES, Dataset
from motifdesk.networks.encoder import Encoder
from motifdesk.networks.heads import PropertyHeads
from motifdesk.networks.objective import Objective, isometry_summary


def machine() -> str:
    """Processor and number of cores, or the CUDA device, in words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    cpu = f"{os.cpu_count()} cores, {model}"
    return f"{torch.cuda.get_device_name()} beside {cpu}" if torch.cuda.is_available() else cpu


@torch.no_grad()
def _ratios(model: Objective, data: Dataset, members: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng([seed, 9])
    ratios, kinds = [], []
    device = model.encoder.code_mean.device
    for index in make_batches(data, members, None):
        views = make_views(data, index, rng, cutoff=model.encoder.config.cutoff, clean=1.0, relabel=0.0, device=device)
        r, rows = model.log_ratios(model.encoder(views.graphs), views)
        ratios.append(r.cpu().numpy())
        kinds.append(views.kind[rows].cpu().numpy())
    return isometry_summary(np.concatenate(ratios), np.concatenate(kinds))


@torch.no_grad()
def _untrained_like(model: Objective, data: Dataset, training: np.ndarray, seed: int) -> Objective:
    """A freshly drawn encoder, standardised over a sample: what the objective started from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = Objective(Encoder(model.encoder.config), PropertyHeads((), model.encoder.config.width), model.weights)
    fresh = fresh.to(model.encoder.code_mean.device).eval()
    sample = np.random.default_rng([seed, 8]).permutation(training)[:1500]
    raw = torch.cat(
        [
            fresh.encoder.pool_raw(fresh.encoder.atoms(g), g)
            for g in (
                plain_views(data, i, cutoff=fresh.encoder.config.cutoff, device=fresh.encoder.code_mean.device)
                for i in make_batches(data, sample, None)
            )
        ]
    )
    fresh.encoder.code_mean.copy_(raw.mean(0))
    fresh.encoder.code_std.copy_(raw.std(0).clamp_min(1e-3))
    return fresh


@torch.no_grad()
def evaluate(
    model: Objective,
    data: Dataset,
    training: np.ndarray,
    development: np.ndarray,
    baselines: Mapping[str, dict],
    seed: int = 0,
) -> dict[str, Any]:
    """Figures on ``development``: property MAE beside two baselines, isometry before and after, recalled fractions."""
    model.eval()
    if len(development) == 0:
        return {"note": "the development split of this data is empty"}
    encoder, heads = model.encoder, model.heads
    device = encoder.code_mean.device
    predicted = {name: np.full(len(data), np.nan) for name in heads.names}
    recalled: dict[str, list[float]] = {}
    codes = []
    for index in make_batches(data, development, None):
        views = make_views(
            data,
            index,
            np.random.default_rng([seed, 7]),
            cutoff=encoder.config.cutoff,
            clean=1.0,
            relabel=0.0,
            device=device,
        )
        labels = torch.full((len(index), len(heads.names)), torch.nan, device=device)
        _, parts, _ = model(views, labels)
        for name in ("atom_blind", "atom_aware", "own_element", "root_blind", "root_aware", "composition"):
            recalled.setdefault(name, []).append(parts[name].item() * len(index))
        graphs = plain_views(data, index, cutoff=encoder.config.cutoff, device=device)
        code = encoder(graphs)
        codes.append(code)
        for name, values in heads.predict(code, graphs).items():
            predicted[name][index] = values.cpu().numpy()
    fractions = data.fractions()
    properties: dict[str, dict[str, Any]] = {}
    for name in heads.names:
        b = baselines[name]
        for source in sorted(set(data.source[development])):
            rows = development[(data.source[development] == source) & np.isfinite(data.labels[name][development])]
            if len(rows) == 0:
                continue
            truth = data.labels[name][rows]
            ridge = fractions[rows] @ b["weights"] + b["intercept"]
            properties[f"{name} ({source})"] = {
                "unit": PROPERTIES[name],
                "count": len(rows),
                "mae": float(np.abs(predicted[name][rows] - truth).mean()),
                "mean_baseline_mae": float(np.abs(b["mean"] - truth).mean()),
                "composition_baseline_mae": float(np.abs(ridge - truth).mean()),
            }
    code = torch.cat(codes)
    return {
        "properties": properties,
        "isometry_before": _ratios(_untrained_like(model, data, training, seed), data, development, seed),
        "isometry_after": _ratios(model, data, development, seed),
        "recall": {k: sum(v) / len(development) for k, v in recalled.items()},
        "code": {"std_of_components": float(code.std(0).mean()), "largest": float(code.abs().max())},
    }


def write_card(path: Path, training: Mapping[str, Any], sha: str) -> None:
    """The model card beside the weights."""
    f, s = training["figures"], training["settings"]
    early = training["epochs_done"] < training["epochs_planned"]
    stopped = f", stopped after step {training['steps']:,}, then the same with `--finish`" if early else ""
    lines = [
        "# Model card: codec.safetensors",
        "",
        "The equivariant encoder of MotifDesk (one tensor field convolution, l <= 3, an aware and a blind tower; its",
        "mathematics: `motifdesk/networks/encoder.py`) with property heads on the root code. Written by",
        "`motifdesk train`; every figure below was measured by that command.",
        "",
        f"- weights: sha256 of tensors `{sha}`",
        f"- training data: {sum(training['training_counts'].values()):,} structures: "
        + ", ".join(f"{k} {v:,}" for k, v in training["training_counts"].items()),
        f"  (sha256 of arrays `{training['data_sha256'][:16]}...`); held out: {training['development_count']:,} by "
        "`sha1(id) % 100 < 5`",
        "- the official test splits of these benchmarks were neither seen nor used; "
        "licences and citations: `motifdesk/data/SOURCES.md`",
        f"- run: {training['epochs_done']} of {training['epochs_planned']} epochs, {training['steps']:,} steps, "
        f"{training['seconds'] / 60:.1f} min on {machine()} (`{training['device']}`, {training['threads']} threads, "
        f"torch {training['torch']}), seed {training['seed']}",
        f"- to reproduce: `motifdesk train --out DIR --epochs {training['epochs_planned']} --seed {training['seed']} "
        f"--threads {training['threads']}`" + stopped,
        "- caveat: ids are disjoint, structures need not be: Carbon-24 repeats structures (a fifth of those held out",
        "  has a training structure of the same energy and volume), and the Materials Project files share compounds.",
        "- intended use: codes for decoding, for the map and for drag read-outs. Property heads are quick looks at",
        "  relaxed crystals, trained on structures near the hull (heat_all: cubic perovskites; energy_per_atom:",
        "  carbon): not a substitute for a calculation, and meaningless for molecules.",
        "",
        "## Properties, development split",
        "",
        "| property (corpus) | n | MAE | mean predictor | composition ridge | unit |",
        "|---|---|---|---|---|---|",
    ]
    for name, p in f.get("properties", {}).items():
        lines.append(
            f"| {name} | {p['count']} | {p['mae']:.3f} | {p['mean_baseline_mae']:.3f} | "
            f"{p['composition_baseline_mae']:.3f} | {p['unit']} |"
        )
    if "isometry_after" in f:
        lines += [
            "",
            "## Conditioning, development split",
            "",
            "log(code step / geometric step) over random steps of 0.02-0.3 A: its standard deviation",
            "(0 = isometry), and how weak the weakest twentieth of steps is against the median; freshly drawn",
            "weights -> trained.",
            "",
            "| step | n | aware spread | blind spread | aware weakest 5 % | blind weakest 5 % |",
            "|---|---|---|---|---|---|",
        ]
        for kind, after in f["isometry_after"].items():
            before = f["isometry_before"].get(kind, after)
            cells = [
                f"{before[k]:.2f} -> {after[k]:.2f}"
                for k in ("aware_spread", "blind_spread", "aware_weakest_5_percent", "blind_weakest_5_percent")
            ]
            lines.append(f"| {kind} | {after['count']} | " + " | ".join(cells) + " |")
        names = {
            "atom_blind": "shell of an atom from its blind code",
            "atom_aware": "shell and families from its aware code",
            "root_blind": "mean and spread of shells from the blind root",
            "root_aware": "partial radial distributions from the aware root",
        }
        lines += [
            "",
            "## What a point remembers, development split",
            "",
            "Unexplained fraction of variance (0 = all recalled, 1 = nothing), by small MLPs:",
            "",
        ]
        lines += [f"- {text}: {f['recall'][k]:.3f}" for k, text in names.items()]
        lines += [
            f"- own element of an atom from its aware code: cross entropy {f['recall']['own_element']:.3f} nats",
            "",
            "Code components on the development split: standard deviation "
            f"{f['code']['std_of_components']:.2f}, largest {f['code']['largest']:.1f}.",
        ]
    lines += ["", "## Settings", "", "```", *(f"{k} = {v}" for k, v in s.items()), "```", ""]
    path.write_text("\n".join(lines))
