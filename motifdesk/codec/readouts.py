"""The bundled read-outs of codes: energy above the hull, density of motifs by shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from motifdesk.codec.codes import N_ELEMENTS, Codes
from motifdesk.codec.lattice import MOLECULE_SCALE

if TYPE_CHECKING:
    import torch

    from motifdesk.networks.readouts import Readout


def bundled_readouts(encoder: str) -> dict[str, Readout]:
    """The bundled read-outs of the encoder whose weights have this sha256; none for any other encoder.

    Raises :class:`motifdesk.networks.errors.NetworkError` for a damaged file.
    """
    from motifdesk.data import path
    from motifdesk.networks.readouts import load_readouts

    file = path("weights", "readouts.safetensors")
    if not file.is_file():
        return {}
    made, metadata = load_readouts(file)
    return made if metadata.get("encoder") == encoder else {}


def code_inputs(codes: Codes, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What heads and read-outs see of codes: geometry [B, 384], fractions [B, 118], log volume per atom [B]."""
    import torch

    counts = np.zeros((len(codes), 118), dtype=np.float32)
    counts[:, :N_ELEMENTS] = codes.counts
    fractions = counts / np.maximum(counts.sum(1, keepdims=True), 1e-9)
    volume = np.where(codes.is_crystal, codes.lattice[:, 1], 3.0 * np.log(MOLECULE_SCALE)).astype(np.float32)
    a, b, c = (torch.from_numpy(x).to(device) for x in (codes.geometry.copy(), fractions, volume))
    return a, b, c


def read_values(readouts: dict[str, Readout], codes: Codes, device: torch.device) -> dict[str, np.ndarray]:
    """Properties of the read-outs that give values: name -> float64 [B]."""
    import torch

    out: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for model in readouts.values():
            if model.kind == "value":
                made = model(*code_inputs(codes, device)).double().cpu().numpy()
                out |= {name: made[:, k] for k, name in enumerate(model.names)}
    if "energy_above_hull" in out:  # below the hull there is nothing
        out["energy_above_hull"] = np.maximum(out["energy_above_hull"], 0.0)
    return out


def read_densities(readouts: dict[str, Readout], codes: Codes, device: torch.device) -> dict[str, np.ndarray]:
    """Motifs per nm^3 by shape: name -> float64 [B]."""
    import torch

    atoms = 1000.0 / np.exp(codes.lattice[:, 1].astype(np.float64))  # per nm^3
    out: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for model in readouts.values():
            if model.kind == "share":
                made = model(*code_inputs(codes, device)).double().cpu().numpy()
                out |= {name: made[:, k] * atoms for k, name in enumerate(model.names)}
    return out
