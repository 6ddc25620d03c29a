"""Read-outs of the frozen encoder's root codes: small networks that need only codes, so that one more costs a minute.

A read-out maps ``[geometry 384, element fractions 118, log(V/N)]`` to some numbers. Two kinds of output:

- ``value``: a property in its own unit, trained on the absolute error (the median of what is likely: labels such as the
  energy above the hull are half zeros with a long tail);
- ``share``: the number of motifs of one shape per atom; over the volume per atom it is the density of that motif.
  Cut off at zero, because there is no negative number of motifs.

The file names the encoder whose codes it reads; codes of other weights mean nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from motifdesk.networks.batch import MAX_NUMBER
from motifdesk.networks.checkpoint import digest, load_verified, match, save_tensors
from motifdesk.networks.errors import NetworkError

FORMAT = "motifdesk-readouts-1"
KINDS = ("value", "share")


class Readout(nn.Module):
    """One network for ``names`` outputs of one ``kind``; see the module's docstring.

    ``forward(geometry [B, 384], fractions [B, 118], log_volume [B]) -> [B, names]`` in the outputs' own units.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, names: Sequence[str], kind: str, width: int = 384, hidden: int = 256, dropout: float = 0.2
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise NetworkError(f"kind {kind!r}", where="read-out", remedy=f"one of {', '.join(KINDS)}")
        self.names, self.kind, self.hidden = tuple(names), kind, hidden
        inputs = width + MAX_NUMBER + 1
        self.mlp = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(self.names)),
        )
        self.direct = nn.Linear(inputs, len(self.names))
        self.register_buffer("mean", torch.zeros(len(self.names)))
        self.register_buffer("std", torch.ones(len(self.names)))

    def forward(self, geometry: torch.Tensor, fractions: torch.Tensor, log_volume: torch.Tensor) -> torch.Tensor:
        x = torch.cat([geometry, fractions * 3.0, log_volume.unsqueeze(-1) - 2.7], dim=1)
        out = (self.mlp(x) + self.direct(x)) * self.std + self.mean
        # not while training: a rectified output that has once gone below zero learns nothing more
        return out if self.kind == "value" or self.training else out.clamp_min(0.0)


def train_readout(
    inputs: Mapping[str, np.ndarray],
    targets: np.ndarray,
    names: Sequence[str],
    kind: str,
    *,
    epochs: int = 60,
    rows: int = 128,
    rate: float = 2e-3,
    noise: float = 0.05,
    seed: int = 0,
) -> Readout:
    """Fit a read-out to ``targets [M, names]`` (NaN: unknown) on the absolute error; deterministic for one seed.

    ``inputs``: ``geometry [M, 384]``, ``fractions [M, 118]``, ``log_volume [M]``. The weights returned are an average
    over the last steps. ``noise``: of the standardised codes while training, against learning single structures.
    """
    tensors = [torch.from_numpy(np.asarray(inputs[k], np.float32)) for k in ("geometry", "fractions", "log_volume")]
    wanted = torch.from_numpy(np.asarray(targets, np.float32))
    if len(wanted) != len(tensors[0]) or wanted.shape[1] != len(names) or not len(wanted):
        raise NetworkError(
            f"{tuple(wanted.shape)} targets for {len(tensors[0])} codes and {len(names)} names", where="train_readout"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Readout(names, kind, tensors[0].shape[1])
        known = torch.isfinite(wanted)
        filled = torch.where(known, wanted, 0.0)
        count = known.sum(0).clamp_min(1)
        model.mean.copy_(filled.sum(0) / count)
        spread = (torch.where(known, wanted - model.mean, 0.0).square().sum(0) / count).sqrt()
        model.std.copy_(spread.clamp_min(1e-3))
        average = {k: v.detach().clone() for k, v in model.state_dict().items()}
        optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
        total, step = epochs * ((len(wanted) + rows - 1) // rows), 0
        model.train()
        for _ in range(epochs):
            for index in torch.randperm(len(wanted)).split(rows):
                for group in optimiser.param_groups:
                    group["lr"] = rate * min(1.0, (step + 1) / 50) * (0.01 + 0.495 * (1 + np.cos(np.pi * step / total)))
                geometry = tensors[0][index]
                geometry = geometry + noise * torch.randn_like(geometry)
                made = model(geometry, tensors[1][index], tensors[2][index])
                error = (made - filled[index]).abs() / model.std * known[index]
                loss = error.sum() / known[index].sum().clamp_min(1)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                step += 1
                weight = min(0.995, step / (step + 10))
                with torch.no_grad():
                    for name, value in model.state_dict().items():
                        average[name].lerp_(value, 1.0 - weight)
        model.load_state_dict(average)
    return model.eval().requires_grad_(False)


def save_readouts(path: Path | str, readouts: Mapping[str, Readout], encoder: str, facts: Mapping[str, Any]) -> str:
    """Write read-outs of the encoder with this digest into one safetensors file; returns the file's digest."""
    tensors = {f"{name}.{k}": v for name, model in readouts.items() for k, v in model.state_dict().items()}
    sha = digest(tensors)
    layout = {
        name: {
            "names": list(m.names),
            "kind": m.kind,
            "hidden": m.hidden,
            "width": m.direct.in_features - MAX_NUMBER - 1,
        }
        for name, m in readouts.items()
    }
    metadata = {"format": FORMAT, "readouts": layout, "encoder": encoder, "facts": dict(facts), "sha256": sha}
    save_tensors(path, tensors, metadata)
    return sha


def load_readouts(path: Path | str) -> tuple[dict[str, Readout], dict[str, Any]]:
    """The read-outs of a file of :func:`save_readouts` and its metadata; names, shapes and hash are verified."""
    tensors, metadata = load_verified(path, FORMAT)
    where = str(path)
    made = {}
    with torch.random.fork_rng(devices=[]):
        for name, layout in metadata["readouts"].items():
            made[name] = Readout(layout["names"], layout["kind"], layout["width"], layout["hidden"])
    for name, model in made.items():
        match(model, {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{name}.")}, where)
        model.eval().requires_grad_(False)
    return made, metadata
