"""Train the motif autoencoder: make a small change of the cluster a large, distinct change of its code.

Three terms, averaged over augmented shells; codes in units of their own spread over the batch, so that nothing is
gained by inflating numbers:

- *position*: the logarithm of the mean squared error (Angstrom^2) that noise of ``sigma`` on every number of the code
  leaves in the neighbours' positions at best, ``tr (J J^T / sigma^2 + 1/tau^2)^-1`` (the Cramer-Rao bound, with a prior
  of width ``tau``);
- *signal*: cross entropy of the proposal's signal at the true neighbours against decoys (other places, other species of
  the shell), with the matched filters of the batch;
- *species*: the noise at which two species would be confused, for the labels and for two neighbours exchanged.

Deterministic for a seed; a killed run goes on from its checkpoint. ``python -m motifdesk.networks.motif_training
--data shells.npz --out DIR`` needs the arrays alone (columns ``count, Z, offset, development``).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from motifdesk.networks.checkpoint import load_tensors, save_tensors
from motifdesk.networks.clusters import ELEMENTS, Clusters, from_flat
from motifdesk.networks.create import Create
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.motif_autoencoder import (
    FLOOR,
    MotifAutoencoder,
    MotifConfig,
    cluster_length,
    covariances,
    moments,
    save_motif_weights,
)
from motifdesk.networks.polynomials import harmonics

_DECOYS = 48
_APART = 0.45  # a decoy is further than this (cluster lengths) from the neighbours of its species


@dataclass(frozen=True)
class MotifTraining:
    """``steps`` of ``batch`` shells; ``sigma``: noise on the code to train for; ``tau``: prior of the positions."""

    steps: int = 5000
    batch: int = 96
    rate: float = 4e-3
    sigma: float = 0.03
    tau: float = 0.3
    signal: float = 1.0
    species: float = 0.05
    checkpoint: int = 200


def load_shells(path: Path | str) -> tuple[Clusters, np.ndarray]:
    """Shells of a file of columns ``count [S]``, ``Z [sum]``, ``offset [sum, 3]``, ``development bool [S]``."""
    path = Path(path)
    if not path.is_file():
        raise NetworkError("no such file", where=str(path), remedy="Make it with benchmarks/make_motif_shells.py.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            columns = {key: archive[key] for key in ("count", "Z", "offset", "development")}
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise NetworkError(f"is no file of shells ({error})", where=str(path)) from error
    if columns["count"].sum() != len(columns["Z"]) or len(columns["Z"]) != len(columns["offset"]):
        raise NetworkError("its columns have different lengths", where=str(path), remedy="Make the file again.")
    if not np.isfinite(columns["offset"]).all():
        raise NetworkError("has coordinates that are not finite", where=str(path))
    return from_flat(columns["count"], columns["Z"], columns["offset"]), columns["development"].astype(bool)


def augment(clusters: Clusters, rng: np.random.Generator) -> Clusters:
    """Other elements (a third of the shells), neighbours moved by up to 0.15 lengths, shells with neighbours missing,
    and a tenth of wholly random clusters: the code must serve fragments that no crystal has."""
    z, x = clusters.numbers.numpy().copy(), clusters.offsets.numpy().astype(np.float64)
    b, k = z.shape
    present = z > 0
    relabel = rng.random(b) < 0.33
    tables = np.argsort(rng.random((b, ELEMENTS)), axis=1) + 1
    z = np.where(relabel[:, None] & present, np.take_along_axis(tables, np.maximum(z - 1, 0), 1), z)
    length = np.sqrt((x**2).sum((1, 2)) / np.maximum(present.sum(1), 1))
    x = x + rng.normal(size=x.shape) * (rng.random(b) * 0.15 * (rng.random(b) < 0.8) * length)[:, None, None]
    fewer = present & ((rng.random((b, k)) > 0.3) | (rng.random(b) > 0.2)[:, None])
    fewer[:, 0] = present[:, 0]
    for row in np.flatnonzero(rng.random(b) < 0.1):
        fewer[row] = np.arange(k) < rng.integers(1, k + 1)
        u = rng.normal(size=(400, 3))
        u *= (length[row] * rng.uniform(0.8, 1.25, size=(400, 1))) / np.linalg.norm(u, axis=1, keepdims=True)
        chosen = [0]
        for j in range(1, 400):
            if len(chosen) < k and np.linalg.norm(u[chosen] - u[j], axis=1).min() > 0.7 * length[row]:
                chosen.append(j)
        fewer[row, len(chosen) :] = False
        x[row, : len(chosen)] = u[chosen]
        z[row] = rng.choice(rng.integers(1, ELEMENTS + 1, size=rng.integers(1, 4)), size=k)
    x *= fewer[:, :, None]
    return Clusters(torch.from_numpy(np.where(fewer, z, 0)), torch.from_numpy(x).float())


def objective(
    model: MotifAutoencoder, clusters: Clusters, config: MotifTraining, rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """The three terms of the module's docstring."""
    raw = model.raw(clusters)
    _, spread = moments(raw, model.irreps)
    create = Create(model.reduce, model.channels, spread[model.head :], dtype=raw.dtype)
    placed, z = clusters.present, clusters.numbers
    length = cluster_length(clusters)
    y = clusters.offsets / length[:, None, None]
    # a padded place gets a harmless position; its rows are masked
    y = torch.where(placed.unsqueeze(-1), y, torch.tensor([0.0, 0.0, 1.0]))
    code, slope = create.codes_and_jacobian(y, z, placed)
    n = placed.sum(1)
    free = placed.repeat_interleave(3, dim=1).to(raw.dtype)
    information = slope @ slope.mT / config.sigma**2 + torch.eye(free.shape[1]) / config.tau**2
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(information))
    error = (inverse.diagonal(dim1=1, dim2=2) * free).sum(1) / n * length**2
    position = (error + 1e-6).log().mean()

    # signal
    b, k = z.shape
    decoy = torch.from_numpy(rng.integers(0, 1 << 30, size=(b, _DECOYS))) % n.unsqueeze(1)
    decoy_z = z.gather(1, decoy)
    radius = y.norm(dim=-1).gather(1, torch.from_numpy(rng.integers(0, 1 << 30, size=(b, _DECOYS))) % n.unsqueeze(1))
    direction = nn.functional.normalize(torch.from_numpy(rng.normal(size=(b, _DECOYS, 3))).float(), dim=-1)
    place = direction * (radius * torch.from_numpy(rng.uniform(0.85, 1.18, size=(b, _DECOYS))).float()).unsqueeze(-1)
    other = torch.from_numpy(rng.integers(0, 1 << 30, size=(b, _DECOYS))) % n.unsqueeze(1)
    elsewhere = y.gather(1, other.unsqueeze(-1).expand(-1, -1, 3))  # another species on a neighbour's place
    place[:, : _DECOYS // 3] = elsewhere[:, : _DECOYS // 3]
    gap = (place.unsqueeze(2) - y.unsqueeze(1)).norm(dim=-1)
    taken = (gap < _APART) & (decoy_z.unsqueeze(2) == z.unsqueeze(1)) & placed.unsqueeze(1)
    points, species = torch.cat([y, place], 1), torch.cat([z, decoy_z], 1)
    size = points.norm(dim=-1)
    angular = harmonics(points / size.unsqueeze(-1), model.config.l_max)
    values, _ = create._channels(size, species, False)
    score, start = torch.zeros_like(size), 0
    moments2 = covariances(code, model.irreps_reduced)
    for degree, v in enumerate(values):
        m, kk = 2 * degree + 1, v.shape[-1]
        part = code[:, start : start + kk * m].view(b, kk, m)
        filtered = torch.linalg.solve(moments2[degree] + FLOOR * torch.eye(kk), v.flatten(0, 1).T).T.view_as(v)
        score = score + 2.0 * ((filtered @ part) * angular[..., degree**2 : (degree + 1) ** 2]).sum(-1)
        score = score - m * (filtered * v).sum(-1)
        start += kk * m
    score = score / math.sqrt(model.width)
    false = score[:, k:].masked_fill(taken.any(2), -1e4).logsumexp(1)
    signal = ((torch.logaddexp(score[:, :k], false.unsqueeze(1)) - score[:, :k]) * placed).sum() / placed.sum()

    # species: labels in units of their spread, and two neighbours exchanged
    labels = model.labels / spread[model.part_labels]
    apart = torch.pdist(labels).square() / config.sigma**2
    first, second = decoy[:, 0], other[:, 0]
    swapped = z.clone()
    rows = torch.arange(b)
    swapped[rows, first], swapped[rows, second] = z[rows, second], z[rows, first]
    distance = (create.codes(y, swapped, placed) - code).square().sum(1) / config.sigma**2
    mixed = z[rows, first] != z[rows, second]
    confusion = torch.logsumexp(-apart / 100.0, 0) - math.log(len(apart))
    exchange = -(distance[mixed] + 1.0).log().mean() if bool(mixed.any()) else distance.sum() * 0.0
    return {"position": position, "signal": signal, "species": confusion + exchange}


def train_motifs(
    clusters: Clusters,
    out: Path | str,
    config: MotifTraining | None = None,
    shape: MotifConfig | None = None,
    *,
    seed: int = 0,
    resume: bool = True,
    progress: bool = True,
    note: dict | None = None,
) -> dict:
    """Train on ``clusters``; writes ``checkpoint.safetensors``, ``log.jsonl`` and ``motifs.safetensors`` to ``out``.

    Returns the record that stands in the weights' metadata.
    """
    config = config or MotifTraining()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if not len(clusters) or int(clusters.counts.min()) < 1:
        raise NetworkError("there are no shells, or empty ones", where="training data", remedy="Make the file again.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MotifAutoencoder(shape)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.rate)
    begun, spent = 0, 0.0
    state = out / "checkpoint.safetensors"
    if resume and state.is_file():
        begun, spent = _restore(state, model, optimiser, config)
    # rare coordination numbers are seen more often than they occur, common ones less
    counts = clusters.counts.numpy()
    chance = np.bincount(counts)[counts] ** -0.6
    chance /= chance.sum()
    started = time.perf_counter()
    bar = tqdm(range(begun, config.steps), initial=begun, total=config.steps, desc="motifs", disable=not progress)
    with open(out / "log.jsonl", "a" if begun else "w") as log:
        for step in bar:
            rng = np.random.default_rng([seed, step])
            sample = clusters[torch.from_numpy(np.sort(rng.choice(len(clusters), config.batch, p=chance)))]
            parts = objective(model, augment(sample, rng), config, rng)
            loss = parts["position"] + config.signal * parts["signal"] + config.species * parts["species"]
            for group in optimiser.param_groups:
                warm = min(1.0, (step + 1) / 100)
                group["lr"] = config.rate * warm * 0.5 * (1 + math.cos(math.pi * step / config.steps)) + 1e-6
            optimiser.zero_grad()
            loss.backward()
            norm = float(nn.utils.clip_grad_norm_(model.parameters(), 1.0))
            if math.isfinite(norm):
                optimiser.step()
            if step % 20 == 0:
                row = {"step": step, "loss": loss.item(), **{k: v.item() for k, v in parts.items()}, "gradient": norm}
                row["seconds"] = round(spent + time.perf_counter() - started, 1)
                log.write(json.dumps(row) + "\n")
                log.flush()
                bar.set_postfix(loss=f"{row['loss']:.3f}", position=f"{row['position']:.3f}")
            if (step + 1) % config.checkpoint == 0 or step + 1 == config.steps:
                _save(state, model, optimiser, config, step + 1, spent + time.perf_counter() - started)
    model.standardise(clusters[:: max(1, len(clusters) // 20000)])
    record = {
        "steps": config.steps,
        "seed": seed,
        "shells": len(clusters),
        "seconds": round(spent + time.perf_counter() - started, 1),
        "threads": torch.get_num_threads(),
        "settings": asdict(config),
        **(note or {}),
    }
    record["sha256"] = save_motif_weights(out / "motifs.safetensors", model, record)
    return record


def _save(
    path: Path, model: nn.Module, optimiser: torch.optim.Adam, config: MotifTraining, step: int, t: float
) -> None:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for k, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{k}.{name}": torch.as_tensor(v) for name, v in entry.items()}
    save_tensors(path, tensors, {"step": step, "seconds": t, "settings": asdict(config)})


def _restore(path: Path, model: nn.Module, optimiser: torch.optim.Adam, config: MotifTraining) -> tuple[int, float]:
    tensors, metadata = load_tensors(path)
    if metadata.get("settings") != asdict(config):
        raise NetworkError(
            "the checkpoint was made with other settings",
            where=str(path),
            remedy="Use the same settings, another folder, or --restart.",
        )
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    state = optimiser.state_dict()
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, index, name = key.split(".", 2)
            state["state"].setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(state)
    return int(metadata["step"]), float(metadata["seconds"])


def main(arguments: list[str] | None = None) -> int:
    """``python -m motifdesk.networks.motif_training``."""
    parser = argparse.ArgumentParser(description="Train the motif autoencoder on a file of shells.")
    parser.add_argument("--data", required=True, help="shells .npz of benchmarks/make_motif_shells.py")
    parser.add_argument("--out", required=True, help="folder for checkpoint, log and weights")
    parser.add_argument("--steps", type=int, default=MotifTraining.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--restart", action="store_true", help="ignore a checkpoint in the folder")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    clusters, development = load_shells(args.data)
    training = clusters[torch.from_numpy(np.flatnonzero(~development))]
    record = train_motifs(
        training,
        args.out,
        MotifTraining(steps=args.steps),
        seed=args.seed,
        resume=not args.restart,
        note={"data": args.data},
    )
    print(json.dumps(record, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
