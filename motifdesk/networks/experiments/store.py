"""All experiments' networks in one small file of weights, trained in some minutes and loaded in some milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from motifdesk.networks.checkpoint import digest, load_verified, match, save_tensors
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.experiments.gravity import GravityNet, train_gravity
from motifdesk.networks.experiments.inertia import InertiaNet, train_inertia
from motifdesk.networks.experiments.points import Fit, parameters
from motifdesk.networks.experiments.tetris import PointNet, TetrisNet, train_tetris
from motifdesk.networks.experiments.two_masses import Perceptron, TwoMassesNet, train_two_masses

FORMAT = "motifdesk-experiments-1"
#: Steps of each training, as shipped. The augmented baseline of Tetris is shown ten times as many pieces.
STEPS = {
    "tetris": 200,
    "tetris_pointnet": 200,
    "tetris_pointnet_turned": 2000,
    "gravity": 1000,
    "inertia": 3000,
    "two_masses": 1500,
    "two_masses_perceptron": 1500,
    "two_masses_perceptron_turned": 1500,
}
_MODELS: dict[str, Callable[[], nn.Module]] = {
    "tetris": TetrisNet,
    "tetris_pointnet": PointNet,
    "tetris_pointnet_turned": PointNet,
    "gravity": GravityNet,
    "inertia": InertiaNet,
    "two_masses": TwoMassesNet,
    "two_masses_perceptron": Perceptron,
    "two_masses_perceptron_turned": Perceptron,
}
NAMES = tuple(STEPS)


@dataclass(frozen=True)
class Experiments:
    """``models`` by name (:data:`NAMES`), in evaluation mode; ``training``: per name steps, seconds, seed, last loss
    and number of parameters; ``digest``: sha256 of all tensors."""

    models: dict[str, Any]
    training: dict[str, dict]
    digest: str

    def __getitem__(self, name: str) -> Any:
        if name not in self.models:
            raise NetworkError(
                f"holds no network {name!r}", where="experiments", remedy=f"One of: {', '.join(self.models)}."
            )
        return self.models[name]


def train_one(name: str, *, steps: int | None = None, seed: int = 0) -> tuple[Any, Fit]:
    """The network of this name, trained; the same on every run with one thread on one machine."""
    if name not in STEPS:
        raise NetworkError(f"no experiment is called {name!r}", where="experiments", remedy=f"One of: {NAMES}.")
    steps, turned = STEPS[name] if steps is None else steps, name.endswith("_turned")
    if name == "gravity":
        return train_gravity(steps, seed)
    if name == "inertia":
        return train_inertia(steps, seed)
    if name.startswith("tetris"):
        return train_tetris(_MODELS[name], steps=steps, seed=seed, turned=turned)
    return train_two_masses(_MODELS[name], steps=steps, seed=seed, turned=turned)


def train_all(seed: int = 0, *, steps: dict[str, int] | None = None, progress: bool = True) -> Experiments:
    """All networks; ``steps``: other numbers of steps than :data:`STEPS`, by name."""
    models: dict[str, Any] = {}
    training: dict[str, dict] = {}
    bar = tqdm(NAMES, disable=not progress, desc="experiments")
    for name in bar:
        bar.set_postfix_str(name)
        models[name], fitted = train_one(name, steps=(steps or {}).get(name), seed=seed)
        training[name] = {
            "steps": fitted.steps,
            "seconds": round(fitted.seconds, 1),
            "seed": seed,
            "last_loss": float(fitted.losses[-1]),
            "parameters": parameters(models[name]),
        }
    return Experiments(models, training, digest(_tensors(models)))


def _tensors(models: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The parameters alone: e3nn's buffers are constants that it builds anew."""
    return {f"{name}/{key}": value for name, model in models.items() for key, value in model.named_parameters()}


def save_experiments(path: Path | str, experiments: Experiments) -> Path:
    """One .safetensors file."""
    tensors = _tensors(experiments.models)
    return save_tensors(path, tensors, {"format": FORMAT, "training": experiments.training, "sha256": digest(tensors)})


def load_experiments(path: Path | str) -> Experiments:
    """The networks of a file of :func:`save_experiments`; names, shapes and hash are verified."""
    tensors, metadata = load_verified(path, FORMAT, "Give experiments.safetensors.")
    where = str(path)
    training = metadata.get("training", {})
    unknown = sorted(set(training) - set(_MODELS))
    if unknown or not training:
        raise NetworkError(
            f"holds networks {unknown} that are unknown here" if unknown else "holds no networks",
            where=where,
            remedy="The weights come from another version of motifdesk; use matching ones.",
        )
    models: dict[str, Any] = {}
    with torch.random.fork_rng(devices=[]):
        for name in training:
            model = _MODELS[name]()
            own = {key.split("/", 1)[1]: value for key, value in tensors.items() if key.startswith(f"{name}/")}
            constants = dict(model.state_dict())
            for key, _ in model.named_parameters():
                constants.pop(key, None)
            match(model, constants | own, f"{where}: {name}")
            models[name] = model.eval().requires_grad_(False)
    return Experiments(models, training, metadata["sha256"])
