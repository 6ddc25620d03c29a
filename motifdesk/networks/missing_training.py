"""Train and measure the missing-atom network: deterministic, resumable after a kill at any moment, arrays alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from motifdesk.networks.checkpoint import digest, load_tensors, match, save_tensors
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing import MissingAtom, MissingConfig, count_votes, negative_log_likelihood
from motifdesk.networks.missing_data import Molecules, hole_batch, hole_batches, hole_list

CHECKPOINT_FORMAT = "motifdesk-missing-checkpoint-1"
WEIGHTS_FORMAT = "motifdesk-missing-1"
#: Angstrom: a proposal this near with the right element is right (Thomas et al. 2018).
RIGHT = 0.5


@dataclass(frozen=True)
class MissingTraining:
    """Settings of a run; ``rate`` is the peak of a cosine schedule after ``warmup`` steps. ``holes_per_epoch``: at most
    so many holes of the training structures, drawn anew each epoch (None: all of them)."""

    epochs: int = 24
    batch: int = 64
    rate: float = 4e-3
    final_rate: float = 0.01
    warmup: int = 200
    weight_decay: float = 1e-4
    clip: float = 5.0
    average: float = 0.998
    holes_per_epoch: int | None = None
    checkpoint_steps: int = 100
    network: MissingConfig = field(default_factory=MissingConfig)


def train_missing(
    data: Molecules,
    out: str | Path,
    config: MissingTraining | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: bool | Callable[[dict], None] = True,
    about: Mapping[str, Any] | None = None,
) -> MissingAtom:
    """Train on every hole of ``data`` and write ``missing.safetensors``, ``checkpoint.safetensors`` and ``log.jsonl``.

    A folder with a checkpoint of the same settings, seed and data is gone on with; other settings are an error.
    ``about`` is kept in the metadata of the weights (what they were trained on). Returns the averaged network.
    """
    config = config or MissingTraining()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / "checkpoint.safetensors", out / "log.jsonl"
    holes = hole_list(data)
    if not len(holes):
        raise NetworkError(
            "no structure has two atoms", where="missing atom", remedy="Give structures of at least two atoms."
        )
    per_epoch = min(len(holes), config.holes_per_epoch or len(holes))
    steps = -(-per_epoch // config.batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MissingAtom(config.network).to(device)
    average = {k: v.detach().clone() for k, v in model.named_parameters()}
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.rate, weight_decay=config.weight_decay, betas=(0.9, 0.99)
    )
    names = {id(p): n for n, p in model.named_parameters()}
    same = {"config": json.loads(json.dumps(asdict(config))), "seed": seed, "data": data.digest()}
    step, seconds = 0, 0.0
    if checkpoint.is_file():
        step, seconds = _restore(checkpoint, same, model, average, optimiser)
    total = config.epochs * steps
    started = time.monotonic() - seconds
    bar = tqdm(total=total, initial=step, desc="missing atom", disable=progress is not True, mininterval=5.0)
    smooth: dict[str, float] = {}
    with log.open("a") as stream:
        while step < total:
            epoch, place = divmod(step, steps)
            if place == 0 or step == 0 or "batches" not in locals():
                rng = np.random.default_rng([seed, 1, epoch])
                chosen = holes[rng.permutation(len(holes))[:per_epoch]]
                batches = list(hole_batches(chosen, config.batch, None))
            rate = config.rate * (
                config.final_rate + (1 - config.final_rate) * 0.5 * (1 + np.cos(np.pi * step / total))
            )
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / config.warmup)
            rows = batches[place]
            graphs, hole = hole_batch(
                [data.structures[k] for k in rows[:, 0]], rows[:, 1], cutoff=config.network.cutoff, device=device
            )
            model.train()
            loss = negative_log_likelihood(model(graphs), hole, graphs, model.index).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            size = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            if not torch.isfinite(size):
                raise NetworkError(
                    f"loss is {loss.item()} at step {step}",
                    where="training",
                    remedy="Lower the learning rate; the last checkpoint is intact.",
                )
            optimiser.step()
            step += 1
            with torch.no_grad():
                weight = min(config.average, step / (step + 9))
                for name, parameter in model.named_parameters():
                    average[name].lerp_(parameter, 1 - weight)
            seconds = time.monotonic() - started
            smooth["loss"] = 0.98 * smooth.get("loss", loss.item()) + 0.02 * loss.item()
            bar.update()
            bar.set_postfix(loss=f"{smooth['loss']:.3f}", refresh=False)
            entry = {"step": step, "epoch": epoch, "loss": round(loss.item(), 5), "seconds": round(seconds, 1)}
            if step % 20 == 0:
                stream.write(json.dumps(entry | {"recent": round(smooth["loss"], 4)}) + "\n")
                stream.flush()
            if callable(progress):
                progress(entry)
            if step % config.checkpoint_steps == 0 or step == total:
                _save(checkpoint, same, model, average, optimiser, names, step, seconds)
    bar.close()
    model.load_state_dict(model.state_dict() | average)
    model.eval()
    training = {
        **dict(about or {}),
        "seed": seed,
        "structures": len(data),
        "holes": len(holes),
        "steps": step,
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "device": device,
        "torch": torch.__version__,
        "data_sha256": data.digest(),
        "ids": data.ids if len(data) <= 2000 else [],
        "settings": same["config"],
    }
    save_tensors(
        out / "missing.safetensors",
        dict(model.named_parameters()),
        {"format": WEIGHTS_FORMAT, "config": config.network.to_dict(), "training": training},
    )
    return model


def _save(
    path: Path,
    same: dict[str, Any],
    model: MissingAtom,
    average: dict[str, torch.Tensor],
    optimiser: torch.optim.Optimizer,
    names: dict[int, str],
    step: int,
    seconds: float,
) -> None:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    for parameter, moments in optimiser.state.items():
        for key, value in moments.items():
            tensors[f"optimiser.{key}.{names[id(parameter)]}"] = value
    save_tensors(path, tensors, {"format": CHECKPOINT_FORMAT, **same, "step": step, "seconds": seconds})


def _restore(
    path: Path,
    same: dict[str, Any],
    model: MissingAtom,
    average: dict[str, torch.Tensor],
    optimiser: torch.optim.Optimizer,
) -> tuple[int, float]:
    tensors, meta = load_tensors(path)
    if meta.get("format") != CHECKPOINT_FORMAT:
        raise NetworkError("is not a checkpoint of the missing-atom network", where=str(path))
    changed = [k for k in same if meta.get(k) != same[k]]
    if changed:
        raise NetworkError(
            f"was written with other {', '.join(changed)}",
            where=str(path),
            remedy="Resume with the same settings, or train into an empty folder.",
        )
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    for k in average:
        average[k] = tensors[f"average.{k}"]
    by_name = dict(model.named_parameters())
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            moment, name = key[len("optimiser.") :].split(".", 1)
            optimiser.state[by_name[name]][moment] = value
    return int(meta["step"]), float(meta["seconds"])


def load_missing(path: str | Path, device: torch.device | str = "cpu") -> tuple[MissingAtom, dict]:
    """A trained network in evaluation mode and what its file says of the training. NetworkError for any other file."""
    tensors, meta = load_tensors(path)
    if meta.get("format") != WEIGHTS_FORMAT:
        raise NetworkError("are no weights of the missing-atom network", where=str(path), remedy="Choose another file.")
    model = MissingAtom(MissingConfig.from_dict(meta["config"]))
    missing = sorted(set(dict(model.named_parameters())) - set(tensors))
    if missing:
        raise NetworkError(f"tensors missing {missing[:4]}", where=str(path), remedy="Copy the file again.")
    match(model, model.state_dict() | tensors, str(path))
    model.to(device).eval()
    return model, meta["training"] | {"digest": digest(tensors)}


@torch.no_grad()
def evaluate_missing(
    model: MissingAtom, data: Molecules, *, batch: int = 128, progress: bool = False, rows: np.ndarray | None = None
) -> dict[str, float]:
    """Remove every atom of every structure once (or the ``rows [H, 2]`` given): ``accuracy``, the share with the right
    element within 0.5 Angstrom; ``mae``, the mean distance (Angstrom) over *all* holes; ``mae_right`` over the right
    ones; ``place`` the share within 0.5 Angstrom; ``element`` the share with the right element; ``holes``."""
    model.eval()
    holes = hole_list(data) if rows is None else rows
    if not len(holes):
        raise NetworkError("no structure has two atoms", where="missing atom")
    device = model.species.device
    distances, kinds = [], []
    for chosen in tqdm(list(hole_batches(holes, batch, None)), disable=not progress, mininterval=5.0):
        structures = [data.structures[k] for k in chosen[:, 0]]
        graphs, asked = hole_batch(structures, chosen[:, 1], cutoff=model.config.cutoff, device=device)
        votes = model(graphs)
        weight, width = votes.confidence, votes.log_width.exp()
        start = 0
        for k, n in enumerate(graphs.natoms.tolist()):
            own = slice(start, start + n)
            start += n
            # in the frame of the hole: a perfect vote is the zero vector
            answer = count_votes(
                votes.displacement[own] - asked.offset[own],
                weight[own].softmax(0),
                width[own],
                votes.types[own],
                RIGHT / float(graphs.scale[k]),
            )
            distances.append(float(answer.position.norm()) * float(graphs.scale[k]))
            kinds.append(model.config.elements[int(answer.species.argmax())] == int(asked.species[k]))
    d, right = np.array(distances), np.array(kinds)
    hit = (d <= RIGHT) & right
    return {
        "accuracy": float(hit.mean()),
        "mae": float(d.mean()),
        "mae_right": float(d[hit].mean()) if hit.any() else float("nan"),
        "place": float((d <= RIGHT).mean()),
        "element": float(right.mean()),
        "holes": len(d),
    }
