"""Training of the encoder on arrays alone: deterministic, resumable after a kill at any moment, and self-describing.

``train`` writes into one folder:

- ``checkpoint.safetensors``: every tensor of the run and its place in it, replaced atomically. All randomness of a step
  is a function of (seed, epoch, step), so a resumed run is the uninterrupted run, bit for bit on the same machine.
- ``log.jsonl``: one JSON record a line (settings, steps, epochs, final figures).
- ``codec.safetensors`` and ``CARD.md``: the averaged weights with frozen standardisation, and what they are worth.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from motifdesk.networks.augment import Views, make_batches, make_views, plain_views
from motifdesk.networks.card import evaluate, write_card
from motifdesk.networks.checkpoint import load_tensors, save_tensors, save_weights
from motifdesk.networks.dataset import PROPERTIES, Dataset, development_split, load_arrays
from motifdesk.networks.encoder import Encoder, EncoderConfig
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.heads import PropertyHeads, recall_targets
from motifdesk.networks.objective import LossWeights, Objective, fit_baselines, start_heads

CHECKPOINT_FORMAT = "motifdesk-checkpoint-1"


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run. ``rate`` is the peak of a cosine schedule after ``warmup`` steps."""

    epochs: int = 24
    structures: int = 64
    edges: int = 60_000
    rate: float = 2e-3
    final_rate: float = 0.02
    warmup: int = 200
    weight_decay: float = 1e-3
    clip: float = 2.0
    average: float = 0.998
    standardise: float = 0.01
    clean: float = 0.6
    relabel: float = 0.15
    checkpoint_steps: int = 200
    calibration: int = 40
    limit: int | None = None
    losses: LossWeights = field(default_factory=LossWeights)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)


class _Run:
    """The moving parts of one run; ``state`` and ``restore`` are each other's inverse."""

    def __init__(self, data: Dataset, config: TrainConfig, seed: int, device: torch.device) -> None:
        self.data, self.config, self.seed, self.device = data, config, seed, device
        split = development_split(data.ids)
        self.training, self.development = np.flatnonzero(~split), np.flatnonzero(split)
        names = tuple(p for p in PROPERTIES if np.isfinite(data.labels[p][self.training]).sum() >= 10)
        self.baselines = fit_baselines(data, self.training, names)
        torch.manual_seed(seed)
        encoder = Encoder(config.encoder)
        heads = PropertyHeads(names, config.encoder.width)
        start_heads(heads, self.baselines)
        self.objective = Objective(encoder, heads, config.losses).to(device)
        self.labels = (
            torch.from_numpy(np.stack([data.labels[p] for p in names], axis=1)).float().to(device)
            if names
            else torch.zeros(len(data), 0, device=device)
        )
        decay: list[torch.nn.Parameter] = []
        plain: list[torch.nn.Parameter] = []
        for name, parameter in self.objective.named_parameters():
            (decay if parameter.dim() > 1 and "composition" not in name else plain).append(parameter)
        self.optimiser = torch.optim.AdamW(
            [{"params": decay, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=config.rate,
            betas=(0.9, 0.99),
        )
        self.names = {id(p): n for n, p in self.objective.named_parameters()}
        self.average = {n: p.detach().clone() for n, p in self.objective.named_parameters()}
        self.epoch = self.place = self.step = 0
        self.seconds = 0.0

    def calibrate(self) -> None:
        """Scales of recall targets and a first standardisation of codes, from some batches."""
        rng = np.random.default_rng([self.seed, 2])
        objective, collected, raw = self.objective, [], []
        objective.eval()
        with torch.no_grad():
            for index in self.batches(rng)[: self.config.calibration]:
                graphs = self.views(index, rng).graphs
                basis = objective.encoder.edge_basis(graphs)
                density = objective.encoder.convolve(graphs, basis)
                collected.append(
                    recall_targets(basis, density[:, -1], graphs, objective.recall.family, self.config.encoder.norm)
                )
                raw.append(objective.encoder.pool_raw(objective.encoder.from_density(density, graphs.numbers), graphs))
            objective.recall.calibrate(collected)
            codes = torch.cat(raw)
            objective.encoder.code_mean.copy_(codes.mean(0))
            objective.encoder.code_std.copy_(codes.std(0).clamp_min(1e-3))

    def batches(self, rng: np.random.Generator) -> list[np.ndarray]:
        return make_batches(self.data, self.training, rng, structures=self.config.structures, edges=self.config.edges)

    def views(self, index: np.ndarray, rng: np.random.Generator) -> Views:
        c = self.config
        return make_views(
            self.data, index, rng, cutoff=c.encoder.cutoff, clean=c.clean, relabel=c.relabel, device=self.device
        )

    def learn(self, index: np.ndarray, progress: float) -> dict[str, float]:
        """One step; ``progress`` in [0, 1) places it on the schedule."""
        c, objective = self.config, self.objective
        rng = np.random.default_rng([self.seed, 3, self.epoch, self.place])
        torch.manual_seed(int(rng.integers(2**62)))
        rate = c.rate * (c.final_rate + (1 - c.final_rate) * 0.5 * (1 + np.cos(np.pi * progress)))
        rate *= min(1.0, (self.step + 1) / max(1, c.warmup))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        objective.train()
        views = self.views(index, rng)
        total, parts, raw = objective(views, self.labels[torch.from_numpy(index).to(self.device)])
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        size = torch.nn.utils.clip_grad_norm_(objective.parameters(), c.clip)
        if not torch.isfinite(size):
            raise NetworkError(
                f"loss is {total.item()} at step {self.step}",
                where="training",
                remedy="Lower the learning rate; the last checkpoint is intact.",
            )
        self.optimiser.step()
        with torch.no_grad():
            weight = min(c.average, (self.step + 1) / (self.step + 10))
            for name, parameter in objective.named_parameters():
                self.average[name].lerp_(parameter, 1 - weight)
            bases = raw[: len(views.step)]
            if len(bases) > 1:
                objective.encoder.code_mean.lerp_(bases.mean(0), c.standardise)
                objective.encoder.code_std.lerp_(bases.std(0).clamp_min(1e-3), c.standardise)
        values = {"loss": total.item(), "rate": float(rate), "gradient": size.item()}
        return values | {name: value.item() for name, value in parts.items()}

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        tensors = {f"model.{k}": v for k, v in self.objective.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for parameter, moments in self.optimiser.state.items():
            for key, value in moments.items():
                tensors[f"optimiser.{key}.{self.names[id(parameter)]}"] = value
        place = {"epoch": self.epoch, "place": self.place, "step": self.step, "seconds": self.seconds}
        return tensors, {
            "format": CHECKPOINT_FORMAT,
            "seed": self.seed,
            "config": asdict(self.config),
            "data": self.data.digest(),
            "place": place,
        }

    def restore(self, path: Path) -> None:
        tensors, meta = load_tensors(path)
        if meta.get("format") != CHECKPOINT_FORMAT:
            raise NetworkError("is not a training checkpoint", where=str(path))
        mine = json.loads(json.dumps(asdict(self.config)))
        theirs = meta["config"]
        changed = sorted(k for k in mine if mine[k] != theirs.get(k) and k not in ("epochs", "checkpoint_steps"))
        if meta["seed"] != self.seed:
            changed.append("seed")
        if meta["data"] != self.data.digest():
            changed.append("data")
        if changed:
            raise NetworkError(
                f"was written with other {', '.join(changed)}",
                where=str(path),
                remedy="Resume with the same settings, or train into an empty folder.",
            )
        part = {
            p: {k[len(p) :]: v for k, v in tensors.items() if k.startswith(p)}
            for p in ("model.", "average.", "optimiser.")
        }
        self.objective.load_state_dict(part["model."])
        self.average = {k: v.to(self.device) for k, v in part["average."].items()}
        by_name = dict(self.objective.named_parameters())
        for key, value in part["optimiser."].items():
            moment, name = key.split(".", 1)
            self.optimiser.state[by_name[name]][moment] = value if moment == "step" else value.to(self.device)
        for key, value in meta["place"].items():
            setattr(self, key, value)

    def averaged(self) -> Objective:
        """The run's model with averaged weights and the exact standardisation of the training set; heads follow it."""
        with torch.random.fork_rng(devices=[]):
            encoder = Encoder(self.config.encoder)
            model = Objective(
                encoder, PropertyHeads(self.objective.heads.names, self.config.encoder.width), self.config.losses
            ).to(self.device)
        model.load_state_dict(self.objective.state_dict() | self.average)
        model.eval()
        with torch.no_grad():
            # The heads were averaged while the code drifted under them: what they expect is a code standardised over
            # views such as they were trained on, so take those statistics with the averaged encoder, not the live ones.
            rng = np.random.default_rng([self.seed, 4])
            seen = [
                encoder.pool_raw(encoder.atoms(v.graphs), v.graphs)[: len(v.step)]
                for v in (self.views(i, rng) for i in self.batches(rng)[: 2 * self.config.calibration])
                if len(v.step) > 1
            ]
            old = (
                torch.stack([r.mean(0) for r in seen]).mean(0),
                torch.stack([r.std(0).clamp_min(1e-3) for r in seen]).mean(0),
            )
            raw = torch.cat(
                [
                    encoder.pool_raw(encoder.atoms(g), g).double()
                    for g in (
                        plain_views(self.data, i, cutoff=self.config.encoder.cutoff, device=self.device)
                        for i in make_batches(self.data, self.training, None)
                    )
                ]
            )
            new = raw.mean(0).to(old[0].dtype), raw.std(0).clamp_min(1e-3).to(old[0].dtype)
            encoder.code_mean.copy_(new[0])
            encoder.code_std.copy_(new[1])
            model.heads.follow_standardisation(old, new)
            model.recall.follow_standardisation(old, new)
        return model


def _trim_log(path: Path, step: int) -> None:
    """Drop records of steps that a resumed run will do again (and a last line cut short by a kill)."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record.get("step", 0) <= step:
            kept.append(line)
    path.write_text("".join(f"{line}\n" for line in kept))


def train(
    arrays: Mapping[str, Mapping | str | Path],
    out_dir: str | Path,
    config: TrainConfig | None = None,
    seed: int = 0,
    device: str = "auto",
    resume: bool = True,
    progress: bool | Callable[[dict], None] = True,
    finish: bool = False,
) -> dict[str, Any]:
    """Train on ``arrays`` (``{name: npz path or mapping of arrays}``) and write weights and card into ``out_dir``.

    ``resume``: go on from the folder's checkpoint where there is one (other settings or data there are an error;
    ``epochs`` may differ, which changes the schedule). ``finish``: do not train, only turn the checkpoint into weights.
    ``progress``: a bar, nothing, or a function called with every step's record. Returns the final figures.
    """
    config = config or TrainConfig()
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if where.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic matrix products ask for
    checkpoint, log = out / "checkpoint.safetensors", out / "log.jsonl"
    bar_shown = progress is True
    data = load_arrays(arrays, config.limit)
    data.find_neighbours(config.encoder.cutoff, progress=bar_shown)
    before = torch.are_deterministic_algorithms_enabled()
    if where.type == "cuda":  # on a CPU every operation used here is deterministic already, and the flag is slow
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
            run = _Run(data, config, seed, where)
            if checkpoint.is_file() and (resume or finish):
                run.restore(checkpoint)
            elif finish:
                raise NetworkError("no checkpoint to finish", where=str(out), remedy="Train first.")
            else:
                run.calibrate()
            if not finish:
                _trim_log(log, run.step)
                _loop(run, checkpoint, log, progress)
            return _finalise(run, out, log)
    finally:
        torch.use_deterministic_algorithms(before)


def _loop(run: _Run, checkpoint: Path, log: Path, progress: bool | Callable[[dict], None]) -> None:
    config = run.config

    def record(stream: Any, entry: dict) -> None:
        stream.write(json.dumps(entry) + "\n")
        stream.flush()

    with log.open("a") as stream:
        record(
            stream,
            {
                "event": "start",
                "step": run.step,
                "seed": run.seed,
                "threads": torch.get_num_threads(),
                "device": str(run.device),
                "torch": torch.__version__,
                "training": len(run.training),
                "development": len(run.development),
                "config": asdict(config),
            },
        )
        started = time.monotonic() - run.seconds
        while run.epoch < config.epochs:
            batches = run.batches(np.random.default_rng([run.seed, 1, run.epoch]))
            sums: dict[str, float] = {}
            bar = tqdm(
                total=len(batches),
                initial=run.place,
                desc=f"epoch {run.epoch + 1}/{config.epochs}",
                disable=progress is not True,
                mininterval=5.0,
            )
            while run.place < len(batches):
                entry = run.learn(batches[run.place], (run.epoch + run.place / len(batches)) / config.epochs)
                run.place += 1
                run.step += 1
                run.seconds = time.monotonic() - started
                for key, value in entry.items():
                    sums[key] = sums.get(key, 0.0) * 0.98 + 0.02 * value if key in sums else value
                bar.update()
                bar.set_postfix(loss=f"{sums['loss']:.3f}", refresh=False)
                entry = {"step": run.step, "epoch": run.epoch, **entry, "seconds": round(run.seconds, 2)}
                if run.step % 20 == 0:
                    record(stream, {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in entry.items()})
                if callable(progress):
                    progress(entry)
                if run.step % config.checkpoint_steps == 0:
                    save_tensors(checkpoint, *run.state())
            bar.close()
            run.epoch, run.place = run.epoch + 1, 0
            record(
                stream,
                {
                    "event": "epoch",
                    "step": run.step,
                    "epoch": run.epoch,
                    "seconds": round(run.seconds, 1),
                    **{f"recent_{k}": float(f"{v:.5g}") for k, v in sums.items()},
                },
            )
            save_tensors(checkpoint, *run.state())


def _finalise(run: _Run, out: Path, log: Path) -> dict[str, Any]:
    model = run.averaged()
    figures = evaluate(model, run.data, run.training, run.development, run.baselines, seed=run.seed)
    names, counts = np.unique(run.data.source[run.training], return_counts=True)
    training = {
        "seed": run.seed,
        "epochs_done": run.epoch,
        "epochs_planned": run.config.epochs,
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "threads": torch.get_num_threads(),
        "device": str(run.device),
        "torch": torch.__version__,
        "data_sha256": run.data.digest(),
        "training_counts": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "development_count": len(run.development),
        "settings": asdict(run.config),
        "figures": figures,
    }
    sha = save_weights(out / "codec.safetensors", model.encoder, model.heads, training)
    write_card(out / "CARD.md", training, sha)
    with log.open("a") as stream:
        stream.write(json.dumps({"event": "final", "step": run.step, "sha256": sha, "figures": figures}) + "\n")
    return {"sha256": sha, **training}
