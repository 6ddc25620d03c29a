"""Encoding throughput, and the convolution against e3nn's tensor products that compute the same; for ``bench speed``.

``M_i = sum_j W(d_ij) (e[Z_j] x Y(r_ij))`` has three forms here, of one and the same function class:

- ours: sum ``R_n Y_lm e`` over neighbours first, mix per l after (:meth:`motifdesk.networks.encoder.Encoder.convolve`);
- ``FullyConnectedTensorProduct`` with per-edge weights from a linear radial layer (Thomas et al. 2018, as e3nn has it);
- a depthwise (``uvu``) tensor product with per-edge weights, summed, then ``o3.Linear``.

All three run on one thread: with two, a machine that does anything else makes torch's threads wait for each other, and
the figures become the scheduler's. Throughput is given with one thread and with torch's own choice.

All three run forward and backward (gradients of all weights) in turn in the same process; ratios compare the fastest of
several rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.data import path
from motifdesk.networks.basis import radial_basis
from motifdesk.networks.batch import GraphBatch, collate
from motifdesk.networks.checkpoint import load_weights
from motifdesk.networks.dataset import development_split, load_arrays
from motifdesk.networks.encoder import Encoder

EDGES = 7_000


class EdgeProduct(nn.Module):
    """Tensor products with per-edge weights ``Linear(R(d))``, to the irreps of the encoder's aware tower."""

    def __init__(self, encoder: Encoder, depthwise: bool) -> None:
        super().__init__()
        c = encoder.config
        self.cutoff, self.norm, self.radial, self.depthwise = c.cutoff, c.norm, c.radial, depthwise
        scalars = o3.Irreps(f"{c.channels}x0e")
        harmonics = o3.Irreps.spherical_harmonics(c.l_max)
        self.table = nn.Parameter(torch.randn(119, c.channels))
        if depthwise:
            out = o3.Irreps([(c.channels, ir) for _, ir in harmonics])
            paths = [(0, k, k, "uvu", True) for k in range(len(harmonics))]
            self.product = o3.TensorProduct(
                scalars, harmonics, out, paths, shared_weights=False, internal_weights=False
            )
            self.linear = o3.Linear(out, encoder.irreps_aware)
        else:
            self.product = o3.FullyConnectedTensorProduct(
                scalars, harmonics, encoder.irreps_aware, shared_weights=False, internal_weights=False
            )
        self.weights = nn.Linear(c.radial, self.product.weight_numel, bias=False)
        self.harmonics = harmonics

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        vector = batch.edge_scaled
        radial = radial_basis(vector.norm(dim=-1), self.cutoff, self.radial)
        angular = o3.spherical_harmonics(self.harmonics, vector, True, "component")
        message = self.product(self.table[batch.numbers[batch.edge_index[1]]], angular, self.weights(radial))
        summed = message.new_zeros(batch.num_atoms, message.shape[1]).index_add(0, batch.edge_index[0], message)
        summed = summed / self.norm
        return self.linear(summed) if self.depthwise else summed


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def run(args: argparse.Namespace) -> dict[str, float]:
    """Figures per second and ratios; encodes ``args.limit`` structures (default 256) of the corpus ``args.data``."""
    source = Path(getattr(args, "data", None) or path("corpora", "mp_20.npz"))
    limit = getattr(args, "limit", None) or 256
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = load_arrays({source.stem: source})
    members = np.flatnonzero(development_split(data.ids))
    members = (members if len(members) else np.arange(len(data)))[:limit]
    structures = [data.triple(int(k)) for k in members]
    weights = path("weights", "codec.safetensors")
    encoder = load_weights(weights, device).encoder if weights.is_file() else Encoder().to(device)

    def encode() -> None:
        with torch.no_grad():
            for start in range(0, len(structures), 64):
                encoder(collate(structures[start : start + 64], device=device))

    collated = [collate(structures[start : start + 64], device=device) for start in range(0, len(structures), 64)]

    def network_only() -> None:
        with torch.no_grad():
            for batch in collated:
                encoder(batch)

    encode()
    threads = torch.get_num_threads()
    default = min(_seconds(encode, device) for _ in range(3))
    torch.set_num_threads(1)
    try:
        whole = min(_seconds(encode, device) for _ in range(3))
        network = min(_seconds(network_only, device) for _ in range(3))
        best, edges = _convolutions(encoder, structures, device, getattr(args, "seed", 0) or 0)
    finally:
        torch.set_num_threads(threads)
    return {
        "structures": len(structures),
        "atoms_per_structure": sum(len(s[0]) for s in structures) / len(structures),
        "threads": threads,
        "network_encode_per_s": len(structures) / default,
        "network_encode_one_thread_per_s": len(structures) / whole,
        "network_encode_one_thread_without_neighbour_search_per_s": len(structures) / network,
        "edges": edges,
        "convolution_ms": 1e3 * best["ours"],
        "fully_connected_ms": 1e3 * best["fully_connected"],
        "depthwise_ms": 1e3 * best["depthwise"],
        "times_faster_than_fully_connected": best["fully_connected"] / best["ours"],
        "times_faster_than_depthwise": best["depthwise"] / best["ours"],
        "depthwise_times_faster_than_fully_connected": best["fully_connected"] / best["depthwise"],
    }


def _convolutions(encoder: Encoder, structures: list, device: torch.device, seed: int) -> tuple[dict[str, float], int]:
    """Seconds of one forward and backward pass of each form, and the number of edges they ran on."""

    torch.manual_seed(seed)
    count, some = 0, []
    while count < EDGES and len(some) < len(structures):
        some.append(structures[len(some)])
        count = collate(some).num_edges
    batch = collate(some, device=device)
    ours = Encoder(encoder.config).to(device)

    def ours_step() -> None:
        density = ours.convolve(batch)
        ours.mix_aware(ours._degrees(density[:, :-1])).square().sum().backward()

    modules = {"fully_connected": EdgeProduct(ours, False).to(device), "depthwise": EdgeProduct(ours, True).to(device)}
    steps: dict[str, Callable[[], None]] = {"ours": ours_step}
    for name, module in modules.items():
        steps[name] = lambda module=module: module(batch).square().sum().backward()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(6):
        for name, step in steps.items():
            times[name].append(_seconds(step, device))
    return {name: min(values[1:]) for name, values in times.items()}, batch.num_edges
