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

from motifdesk.networks.batch import GraphBatch
from motifdesk.networks.checkpoint import digest, load_tensors, match, save_tensors
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing import Holes, MissingAtom, MissingConfig, negative_log_likelihood
from motifdesk.networks.missing_data import Molecules, hole_batch, hole_batches, hole_list, one_hole_each
from motifdesk.networks.missing_votes import ballots, count_votes, nearest_image

CHECKPOINT_FORMAT = "motifdesk-missing-checkpoint-2"
WEIGHTS_FORMAT = "motifdesk-missing-2"
#: Angstrom: a proposal this near with the right element is right (Thomas et al. 2018).
RIGHT = 0.5


@dataclass(frozen=True)
class MissingTraining:
    """Settings of a run: ``rate`` after ``warmup`` steps, falling as a cosine to ``final_rate`` of itself in the last
    ``cooldown`` epochs. Before these begin, a run can be gone on with for other ``epochs`` and ``cooldown``: nothing
    that was done depends on them.

    ``one_hole_each``: an epoch has one hole of every structure, drawn anew, instead of all their holes. ``head_alone``:
    the convolutions stay as they begin (see ``start`` of :func:`train_missing`); what they know of a hole is computed
    once and kept in memory, and a step costs a tenth.
    """

    epochs: int = 24
    cooldown: int = 10
    batch: int = 64
    rate: float = 4e-3
    final_rate: float = 0.01
    warmup: int = 200
    weight_decay: float = 1e-4
    clip: float = 5.0
    average: float = 0.998
    one_hole_each: bool = False
    head_alone: bool = False
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
    start: Mapping[str, torch.Tensor] | None = None,
) -> MissingAtom:
    """Train on every hole of ``data`` and write ``missing.safetensors``, ``checkpoint.safetensors`` and ``log.jsonl``.

    A folder with a checkpoint of the same settings, seed and data is gone on with; other settings are an error.
    ``about`` is kept in the metadata of the weights (what they were trained on). ``start``: tensors of an earlier run;
    those whose names and shapes occur here are begun with. Returns the averaged network.
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
    steps = -(-(int((data.sizes >= 2).sum()) if config.one_hole_each else len(holes)) // config.batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MissingAtom(config.network)
    own = dict(model.named_parameters())
    begun = {k: v for k, v in (start or {}).items() if k in own and own[k].shape == v.shape}
    model.load_state_dict(model.state_dict() | begun)
    model.to(device)
    source = _Source(model, data, config, device)
    average = {k: v.detach().clone() for k, v in model.named_parameters() if v.requires_grad}
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=config.rate, weight_decay=config.weight_decay, betas=(0.9, 0.99))
    names = {id(p): n for n, p in model.named_parameters()}
    same = {
        "config": json.loads(json.dumps(asdict(config))),
        "seed": seed,
        "data": data.digest(),
        "start": digest(begun) if begun else None,
    }
    step, seconds = 0, 0.0
    if checkpoint.is_file():
        step, seconds = _restore(checkpoint, same, model, average, optimiser, steps)
    total = config.epochs * steps
    started = time.monotonic() - seconds
    bar = tqdm(total=total, initial=step, desc="missing atom", disable=progress is not True, mininterval=5.0)
    smooth: dict[str, float] = {}
    with log.open("a") as stream:
        while step < total:
            epoch, place = divmod(step, steps)
            if place == 0 or step == 0 or "batches" not in locals():
                rng = np.random.default_rng([seed, 1, epoch])
                chosen = one_hole_each(data, rng) if config.one_hole_each else holes
                batches = list(hole_batches(chosen, config.batch, rng))
            falling = max(0.0, 1.0 - (total - step) / max(1, config.cooldown * steps))
            fall = config.final_rate + (1 - config.final_rate) * 0.5 * (1 + np.cos(np.pi * falling))
            for group in optimiser.param_groups:
                group["lr"] = config.rate * fall * min(1.0, (step + 1) / config.warmup)
            model.train()
            known, embedded, hole, member = source(batches[place])
            loss = negative_log_likelihood(model.votes(known, embedded), hole, member, model.index).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            size = torch.nn.utils.clip_grad_norm_(learned, config.clip)
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
                    if name in average:
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
        "start": same["start"],
    }
    save_tensors(
        out / "missing.safetensors",
        dict(model.named_parameters()),
        {"format": WEIGHTS_FORMAT, "config": config.network.to_dict(), "training": training},
    )
    return model


class _Source:
    """What the convolutions know of the nodes around holes: ``(features [N, ...], species [N, ...], Holes,
    member [N])`` for rows (structure, atom)."""

    def __init__(self, model: MissingAtom, data: Molecules, config: MissingTraining, device: str) -> None:
        self.model, self.data, self.config, self.device = model, data, config, device
        self.kept: dict[tuple[int, int], tuple[torch.Tensor, ...]] = {}
        if config.head_alone:
            model.species.requires_grad_(False)
            model.layers.requires_grad_(False)

    def __call__(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, Holes, torch.Tensor]:
        if not self.config.head_alone:
            known, embedded, holes, graphs = self._fresh(rows)
            return known, embedded, holes, graphs.batch
        keys = [(int(k), int(a)) for k, a in rows]
        new = np.array([key for key in keys if key not in self.kept])
        if len(new):
            known, embedded, holes, graphs = self._fresh(new)
            counts = graphs.natoms.tolist()
            parts = zip(known.split(counts), embedded.split(counts), holes.offset.split(counts), strict=True)
            for (k, a), part, kind in zip(new.tolist(), parts, holes.species, strict=True):
                self.kept[k, a] = (*(x.clone() for x in part), kind)
        found = [self.kept[key] for key in keys]
        member = torch.repeat_interleave(
            torch.arange(len(found), device=self.device),
            torch.tensor([len(x[0]) for x in found], device=self.device),
        )
        columns = [torch.cat([x[i] for x in found]) for i in range(3)]
        return columns[0], columns[1], Holes(columns[2], torch.stack([x[3] for x in found])), member

    def _fresh(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, Holes, GraphBatch]:
        structures = [self.data.structures[k] for k in rows[:, 0]]
        graphs, holes = hole_batch(structures, rows[:, 1], self.config.network, device=self.device)
        return *self.model.features(graphs), holes, graphs


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
    steps: int,
) -> tuple[int, float]:
    tensors, meta = load_tensors(path)
    if meta.get("format") != CHECKPOINT_FORMAT:
        raise NetworkError("is not a checkpoint of the missing-atom network", where=str(path))
    before, now = meta.get("config", {}), same["config"]
    lengths = ("epochs", "cooldown")
    least = min(c.get("epochs", 0) - c.get("cooldown", 0) for c in (before, now))
    if meta["step"] <= steps * least:  # the rate has not begun to fall: nothing done depends on when it will
        before = before | {k: now[k] for k in lengths}
    changed = [k for k in same if (before if k == "config" else meta.get(k)) != same[k]]
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
    distances, kinds, confidences = [], [], []
    for chosen in tqdm(list(hole_batches(holes, batch, None)), disable=not progress, mininterval=5.0):
        structures = [data.structures[k] for k in chosen[:, 0]]
        graphs, asked = hole_batch(structures, chosen[:, 1], model.config, device=device)
        found = ballots(model(graphs), graphs)
        nearest = asked.offset[:, :1].double().cpu().split(graphs.natoms.tolist())
        for k, (votes, offset) in enumerate(zip(found, nearest, strict=True)):
            scale, cell = float(graphs.scale[k]), structures[k][2]
            # in the frame of the hole: a perfect vote is the zero vector
            places = (votes.displacement - offset.numpy()).reshape(-1, 3)
            frame = None if cell is None else cell / scale
            answer = count_votes(places, votes.weight, votes.width, votes.types, RIGHT / scale, cell=frame)[0]
            distances.append(float(np.linalg.norm(nearest_image(answer.position, frame))) * scale)
            kinds.append(model.config.elements[int(answer.species.argmax())] == int(asked.species[k]))
            confidences.append(answer.confidence * float(answer.species.max()))
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
