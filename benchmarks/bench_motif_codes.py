"""Motif codes: coordination shells to tensors at one point and back, and whole structures from root and motifs.

``motifdesk bench motif-codes [--data FILE.npz] [--limit N structures] [--seed S] --json OUT`` for any file in the
layout of the corpora; of a bundled corpus only the development part is used, which was never trained on.

- Shells (1 to 14 neighbours, one per orbit of motifs): share with the exact count, with the exact species, root mean
  square distance after the best pairing (an optimal assignment within species), and how often a failure is told by the
  misfit. With noise of 0.1, 1 and 5 % of each number's spread on the code, trained and untrained side by side: training
  must buy robustness, since an untrained code can be inverted as well.
- Structures: decoded from root and children alone, without corpus and without search.
- The depthwise product against ``FullyConnectedTensorProduct`` of the same irreps, forward and backward, one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from e3nn import o3
from scipy.optimize import linear_sum_assignment
from torch import nn

from benchmarks.make_motif_shells import collect
from motifdesk.codec import load_codec
from motifdesk.codec.children import motif_autoencoder, standard_frame
from motifdesk.codec.tree import decode_children
from motifdesk.data import path
from motifdesk.networks.clusters import Clusters, from_flat
from motifdesk.networks.motif_autoencoder import MotifAutoencoder
from motifdesk.networks.reduce import Reduce, gaussians
from motifdesk.structures.corpora import Corpus, corpora, corpus

NOISES = (0.0, 0.001, 0.01, 0.05)
FAILED = 0.05  # Angstrom


def members_of(source: Path) -> tuple[Corpus, np.ndarray]:
    """The corpus and the structures to use: all of a foreign file, the development part of a bundled one."""
    if source.stem in corpora() and source.resolve() == path("corpora", source.name).resolve():
        data = corpus(source.stem)
        return data, np.flatnonzero(data.development)
    data = Corpus.load(source)
    return data, np.arange(len(data))


def compare(given: Clusters, made: Clusters) -> np.ndarray:
    """``[S, 3]``: count exact, species exact, RMSD in Angstrom (NaN when the species differ)."""
    out = np.full((len(given), 3), np.nan)
    for row, (z, x), (w, y) in zip(out, given.split(), made.split(), strict=True):
        row[0], row[1] = len(z) == len(w), sorted(z) == sorted(w)
        if row[1]:
            cost = ((x[:, None] - y[None]) ** 2).sum(-1) + 1e3 * (z[:, None] != w[None])
            row[2] = np.sqrt(cost[linear_sum_assignment(cost)].mean())
    return out


def figures(model: MotifAutoencoder, shells: Clusters, noise: float, seed: int) -> dict[str, float]:
    with torch.no_grad():
        codes = model.encode(shells)
    began = time.perf_counter()
    draw = torch.randn(codes.shape, generator=torch.Generator().manual_seed(seed))
    made = model.decode(codes + noise * draw)
    seconds = time.perf_counter() - began
    table = compare(shells, made.clusters)
    apart = np.where(np.isnan(table[:, 2]), np.inf, table[:, 2])
    known = apart[np.isfinite(apart)]
    failed = apart > FAILED
    out = {
        "count_exact": float(table[:, 0].mean()),
        "species_exact": float(table[:, 1].mean()),
        "rmsd": float(known.mean()),
        "rmsd_median": float(np.median(known)),
        "rmsd_p95": float(np.quantile(known, 0.95)),
        "failed": float(failed.mean()),
        "ms_per_shell": 1e3 * seconds / len(shells),
    }
    if noise == 0.0:
        told = made.misfit.numpy() > 1e-7
        out |= {"failed_and_told": float((failed & told).mean()), "false_alarms": float((~failed & told).mean())}
    return out


def structures_from_trees(data: Corpus, members: np.ndarray) -> dict[str, float]:
    """Decode root and children, no corpus, no search: share of atoms of the right kind within 0.1 A, and the rest.

    Crystals: a common shift of all atoms is taken out."""
    codec = load_codec(device="cpu")
    atoms = near = 0
    converged, worst, encoding, decoding = [], [], 0.0, 0.0
    for k in members:
        structure = data.structure(int(k))
        arrays = data[int(k)]
        began = time.perf_counter()
        codes = codec.encode(structure, motifs=True)
        encoding += time.perf_counter() - began
        began = time.perf_counter()
        made = decode_children(codes, codec._arrays)
        decoding += time.perf_counter() - began
        atoms += len(arrays)
        converged.append(made.converged)
        if made.arrays is None:
            worst.append(np.inf)
            continue
        origin, cell, turn = standard_frame(arrays)
        delta = ((arrays.positions - origin) @ turn)[:, None] - made.arrays.positions[None]
        if cell is not None:
            delta = delta - np.rint(delta @ np.linalg.inv(cell)) @ cell
        cost = np.linalg.norm(delta, axis=-1) + 1e3 * (arrays.numbers[:, None] != made.arrays.numbers[None])
        pairs = linear_sum_assignment(cost)
        distance = cost[pairs]
        if cell is not None:  # where the whole crystal sits is nobody's to say
            distance = distance - np.linalg.norm(delta[pairs], axis=1)
            distance += np.linalg.norm(delta[pairs] - delta[pairs].mean(0), axis=1)
        near += int((distance <= 0.1).sum())
        worst.append(float(distance.max()))
    return {
        "tree_structures": len(members),
        "tree_atoms_within_0.1": near / atoms,
        "tree_structures_whole": float((np.array(worst) <= 0.1).mean()),
        "tree_converged": float(np.mean(converged)),
        "tree_converged_but_wrong": float((np.array(converged) & (np.array(worst) > 0.1)).mean()),
        "tree_encode_ms": 1e3 * encoding / len(members),
        "tree_decode_ms": 1e3 * decoding / len(members),
    }


def product_ratio(model: MotifAutoencoder, shells: Clusters, edges: int = 7000) -> dict[str, float]:
    """One forward and backward pass of the reduction, depthwise and fully connected, same irreps, same edges.

    ``product_...``: the products with their radial weights, sums and linear layer, on given harmonics;
    ``reduction_...``: with the harmonics, which both need alike.
    """
    graph, slot = shells.present.nonzero(as_tuple=True)
    again = -(-edges // len(graph))  # the same shells several times, so that every run times as many edges
    graph = torch.cat([graph + k * len(shells) for k in range(again)])[:edges]
    slot = slot.repeat(again)[:edges]
    shell = graph % len(shells)
    offsets = shells.offsets[shell, slot]
    offsets = offsets / offsets.norm(dim=1).mean()
    features = model.channels.detach()[shells.numbers[shell, slot]].requires_grad_()
    points = int(graph.max()) + 1
    ours = Reduce(model.reduce.irreps_in, model.reduce.irreps_out, l_max=model.config.l_max)
    harmonics = o3.Irreps.spherical_harmonics(model.config.l_max)
    full = o3.FullyConnectedTensorProduct(
        ours.irreps_in, harmonics, ours.irreps_out, shared_weights=False, internal_weights=False
    )
    weights = nn.Linear(ours.radial, full.weight_numel, bias=False)

    radial = gaussians(offsets.norm(dim=1), ours.radial)
    given = o3.spherical_harmonics(harmonics, offsets, True, "component")

    def depthwise(angular: torch.Tensor) -> torch.Tensor:
        message = ours.product(features, angular, ours.radial_weights(radial))
        return ours.linear(message.new_zeros(points, message.shape[1]).index_add(0, graph, message))

    def fully_connected(angular: torch.Tensor) -> torch.Tensor:
        message = full(features, angular, weights(radial))
        return message.new_zeros(points, message.shape[1]).index_add(0, graph, message)

    def fresh() -> torch.Tensor:
        return o3.spherical_harmonics(harmonics, offsets, True, "component")

    steps = {
        "product_depthwise_ms": lambda: depthwise(given),
        "product_fully_connected_ms": lambda: fully_connected(given),
        "reduction_depthwise_ms": lambda: depthwise(fresh()),
        "reduction_fully_connected_ms": lambda: fully_connected(fresh()),
    }
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(5):
        for name, step in steps.items():
            began = time.perf_counter()
            step().square().sum().backward()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - began))
    return {
        "product_edges": len(graph),
        **best,
        "depthwise_times_faster": best["product_fully_connected_ms"] / best["product_depthwise_ms"],
        "reduction_times_faster": best["reduction_fully_connected_ms"] / best["reduction_depthwise_ms"],
    }


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Figures on ``args.limit`` structures (default 200) of ``args.data`` (default the bundled MP-20)."""
    source = Path(getattr(args, "data", None) or path("corpora", "mp_20.npz"))
    limit = getattr(args, "limit", None) or 200
    seed = getattr(args, "seed", None) or 0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        data, members = members_of(source)
        rng = np.random.default_rng(seed)
        members = np.sort(rng.permutation(members)[:limit])
        found = collect(data, members, progress=False)
        shells = from_flat(found["count"], found["Z"], found["offset"])
        trained, version = motif_autoencoder()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            untrained = MotifAutoencoder(trained.config)
        sample = corpus("mp_20")
        index = np.flatnonzero(~sample.development)[:: max(1, len(sample) // 400)]
        other = collect(sample, index, progress=False)
        untrained.standardise(from_flat(other["count"], other["Z"], other["offset"]))
        untrained.requires_grad_(False)
        exact = figures(trained, shells, 0.0, seed)
        few = shells[:: max(1, len(shells) // 100)]
        noise = {
            f"{100 * level:g} %": {
                "trained": figures(trained, few, level, seed),
                "untrained": figures(untrained, few, level, seed),
            }
            for level in NOISES
        }
        summary = {
            "structures": len(members),
            "shells": len(shells),
            **exact,
            **structures_from_trees(data, members),
            **product_ratio(trained, shells),
        }
    finally:
        torch.set_num_threads(threads)
    return {"summary": summary, "noise": noise, "shells_in_noise": len(few), "weights": version, "data": source.name}
