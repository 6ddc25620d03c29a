"""The declared symmetry snap at the end of a decode."""

from __future__ import annotations

import numpy as np
import torch

from motifdesk.codec.blueprint import square_root
from motifdesk.codec.jacobian import EncoderArrays, GeometryMap
from motifdesk.codec.propose import Goal
from motifdesk.codec.refine import CONVERGED


def snapped(
    goal: Goal, arrays: EncoderArrays, positions: np.ndarray, cell: np.ndarray, residual: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The declared symmetry snap: atoms and cell averaged over the operations found at ``tolerance`` (Angstrom).

    Kept only if no atom moves more than 0.3 A and the residual does not get worse (or stays below the certificate's
    threshold); otherwise the input comes back.
    """
    import moyopy

    fractional = positions @ np.linalg.inv(cell)
    try:
        found = moyopy.MoyoDataset(
            moyopy.Cell(basis=cell.tolist(), positions=fractional.tolist(), numbers=goal.numbers.tolist()),
            symprec=tolerance,
        )
    except Exception:  # moyopy raises its own error types when no group fits; then there is nothing to snap to
        return positions, cell, residual
    rotations = np.array(found.operations.rotations, dtype=np.float64)
    translations = np.array(found.operations.translations)
    metric = np.mean([w.T @ (cell @ cell.T) @ w for w in rotations], axis=0)
    total = np.zeros_like(fractional)
    for w, t in zip(rotations, translations, strict=True):
        images = fractional @ w.T + t
        difference = images[None] - fractional[:, None]
        difference -= np.rint(difference)
        length = np.linalg.norm(difference @ cell, axis=-1)
        length[goal.numbers[:, None] != goal.numbers[None, :]] = np.inf
        total += difference[np.arange(len(fractional)), length.argmin(1)]
    shift = total / len(rotations)
    # the new cell in the frame of the old one: L' = sqrt(G') R with the rotation of L = sqrt(G) R
    new_cell = square_root(metric) @ np.linalg.inv(square_root(cell @ cell.T)) @ cell
    new_positions = (fractional + shift) @ new_cell
    if np.linalg.norm(shift @ cell, axis=1).max() > 0.3:
        return positions, cell, residual
    geometry = GeometryMap(arrays, goal.numbers)
    code, _ = geometry(torch.from_numpy(new_positions)[None], torch.from_numpy(new_cell)[None])
    new_residual = float((code[0] - torch.from_numpy(goal.geometry.astype(np.float64))).square().mean())
    if new_residual <= max(residual, CONVERGED):
        return new_positions, new_cell, new_residual
    return positions, cell, residual
