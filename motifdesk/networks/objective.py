"""The training objective: properties, a well conditioned code, and recall of the motif hierarchy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from motifdesk.networks.augment import STEPS, Views
from motifdesk.networks.batch import GraphBatch
from motifdesk.networks.dataset import Dataset
from motifdesk.networks.encoder import Encoder
from motifdesk.networks.heads import PropertyHeads, RecallHeads, fractions_of, recall_targets

SMALLEST_STEP = 1e-3  # scaled lengths; what is left of a step that symmetry or one atom forbids


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts."""

    properties: float = 1.0
    isometry: float = 1.0
    gain: float = 0.05
    atom_blind: float = 0.5
    atom_aware: float = 0.5
    own_element: float = 0.1
    root_blind: float = 0.5
    root_aware: float = 0.5
    composition: float = 0.1


def base_half(batch: GraphBatch, graphs: int) -> GraphBatch:
    """The first ``graphs`` graphs of a batch, without their edges (for blocks that need species and scale only)."""
    atoms = batch.batch < graphs
    none = batch.edge_vec[:0]
    return replace(
        batch,
        numbers=batch.numbers[atoms],
        batch=batch.batch[atoms],
        scale=batch.scale[:graphs],
        natoms=batch.natoms[:graphs],
        crystal=batch.crystal[:graphs],
        edge_vec=none,
        edge_index=batch.edge_index[:, :0],
        edge_shift=batch.edge_shift[:0],
    )


class Objective(nn.Module):
    """Encoder, heads and the losses over :class:`~motifdesk.networks.augment.Views`."""

    def __init__(self, encoder: Encoder, heads: PropertyHeads, weights: LossWeights) -> None:
        super().__init__()
        self.encoder, self.heads, self.recall, self.weights = encoder, heads, RecallHeads(encoder), weights

    def code_steps(self, codes: torch.Tensor) -> torch.Tensor:
        """RMS change of the aware and of the blind part between the two views, ``[B, 2]``."""
        half, split = len(codes) // 2, 2 * self.encoder.config.out_aware
        change = (codes[half:] - codes[:half]).square()
        return torch.stack([change[:, :split].mean(1), change[:, split:].mean(1)], dim=1).add(1e-12).sqrt()

    def log_ratios(self, codes: torch.Tensor, views: Views) -> tuple[torch.Tensor, torch.Tensor]:
        """``log(|code step| / |geometric step|)`` of both towers ``[B', 2]`` and the rows B' where a step was taken."""
        rows = torch.nonzero(views.step > SMALLEST_STEP).squeeze(1)
        return (self.code_steps(codes)[rows] / views.step[rows].unsqueeze(1)).log(), rows

    def forward(self, views: Views, labels: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Total loss, its parts, raw pooled codes ``[2B, width]``; ``labels [B, properties]``, NaN where unknown."""
        batch, encoder, w = views.graphs, self.encoder, self.weights
        basis = encoder.edge_basis(batch)
        density = encoder.convolve(batch, basis)
        atoms = encoder.from_density(density, batch.numbers)
        raw = encoder.pool_raw(atoms, batch)
        codes = encoder.standardise(raw)
        targets = recall_targets(basis, density[:, -1].detach(), batch, self.recall.family, encoder.config.norm)
        parts = self.recall(atoms, codes, batch, targets)

        ratio, rows = self.log_ratios(codes, views)
        if len(rows):
            deviation = ratio - self.recall.log_gain
            # squared near zero, linear for the hopeless (symmetry can forbid a first-order change)
            parts["isometry"] = nn.functional.huber_loss(deviation, torch.zeros_like(deviation), delta=1.5)
            parts["gain"] = -self.recall.log_gain.mean()
        half = len(views.step)
        base = base_half(batch, half)
        predicted = self.heads.normalised(codes[:half], fractions_of(base), 3.0 * base.scale.log())
        wanted = (labels - self.heads.mean) / self.heads.std
        known = torch.isfinite(wanted) & views.clean.unsqueeze(1)
        losses = nn.functional.huber_loss(predicted, torch.where(known, wanted, predicted.detach()), reduction="none")
        present = known.sum(0)
        # per property: a mean over its own structures, weighed by how many of the batch have it
        parts["properties"] = (losses.sum(0) / present.clamp_min(1) * present.clamp_max(8) / 8).sum()
        total = sum(getattr(w, name) * value for name, value in parts.items())
        return total, parts, raw


def ridge(fractions: np.ndarray, values: np.ndarray, strength: float = 1e-2) -> tuple[np.ndarray, float]:
    """Composition-only least squares: weights ``[118]`` and intercept of ``values ~ fractions @ w + b``."""
    centre, mean = fractions.mean(axis=0), values.mean()
    x = fractions - centre
    w = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ (values - mean))
    return w, float(mean - centre @ w)


def fit_baselines(data: Dataset, members: np.ndarray, names: tuple[str, ...]) -> dict[str, dict]:
    """Mean predictor and composition ridge of each property on ``members``."""
    fractions = data.fractions()
    out = {}
    for name in names:
        rows = members[np.isfinite(data.labels[name][members])]
        values = data.labels[name][rows]
        weights, intercept = ridge(fractions[rows], values)
        out[name] = {
            "mean": float(values.mean()),
            "std": float(values.std()) or 1.0,
            "count": len(rows),
            "weights": weights,
            "intercept": intercept,
        }
    return out


@torch.no_grad()
def start_heads(heads: PropertyHeads, baselines: Mapping[str, dict]) -> None:
    """Scale the heads to their labels and start each at the composition ridge."""
    for k, name in enumerate(heads.names):
        b = baselines[name]
        heads.mean[k], heads.std[k] = b["mean"], b["std"]
        linear: Any = heads.composition[name]
        linear.weight.copy_(torch.from_numpy(b["weights"] / b["std"]).unsqueeze(0))
        linear.bias.fill_((b["intercept"] - b["mean"]) / b["std"])
        mlp: Any = heads.mlp[name]
        mlp[3].weight.mul_(0.1)


def isometry_summary(ratios: np.ndarray, kinds: np.ndarray) -> dict[str, dict[str, float]]:
    """Spread of ``log(code step / geometric step)``: standard deviation and 5th percentile below the median, per tower.

    ``ratios [S, 2]``, ``kinds [S]`` indices into STEPS. A spread of 0 is an isometry; e^spread is the typical factor.
    """
    out: dict[str, dict[str, float]] = {}
    for label, rows in [("all", np.ones(len(kinds), bool)), *((n, kinds == k) for k, n in enumerate(STEPS))]:
        if rows.sum() < 2:
            continue
        r = ratios[rows]
        middle = np.median(ratios, axis=0)
        out[label] = {"count": int(rows.sum())}
        for t, tower in enumerate(("aware", "blind")):
            out[label] |= {
                f"{tower}_spread": float(r[:, t].std()),
                f"{tower}_median_ratio": float(np.exp(np.median(r[:, t]))),
                f"{tower}_weakest_5_percent": float(np.exp(np.percentile(r[:, t], 5) - middle[t])),
            }
    return out
