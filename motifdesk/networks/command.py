"""The options of ``motifdesk train`` and what they do; :mod:`motifdesk.networks.training` does the work."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from motifdesk.networks.errors import NetworkError
from motifdesk.networks.training import TrainConfig, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``motifdesk train``."""
    defaults = TrainConfig()
    parser.add_argument("--out", required=True, help="folder for checkpoint, log, weights and card")
    parser.add_argument("--data", nargs="*", metavar="FILE.npz", help="corpora (default: all that come with motifdesk)")
    parser.add_argument("--epochs", type=int, default=defaults.epochs, help=f"default {defaults.epochs}")
    parser.add_argument(
        "--batch",
        type=int,
        default=defaults.structures,
        help=f"structures a batch at most (default {defaults.structures})",
    )
    parser.add_argument(
        "--rate", type=float, default=defaults.rate, help=f"peak learning rate (default {defaults.rate})"
    )
    parser.add_argument("--limit", type=int, help="only the first so many structures of each corpus")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto (CUDA where torch sees it), cpu, cuda, cuda:1, ...")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's; 1 is best on a busy machine)")
    parser.add_argument("--restart", action="store_true", help="ignore a checkpoint in the folder")
    parser.add_argument("--finish", action="store_true", help="do not train: turn the checkpoint into weights and card")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def main(args: argparse.Namespace) -> int:
    """Run ``motifdesk train``; 0 on success, 2 on bad input."""
    paths = {Path(name).stem: Path(name) for name in args.data}
    if args.threads:
        torch.set_num_threads(args.threads)
    config = replace(TrainConfig(), epochs=args.epochs, structures=args.batch, rate=args.rate, limit=args.limit)
    try:
        result = train(paths, args.out, config, args.seed, args.device, not args.restart, not args.quiet, args.finish)
    except NetworkError as error:
        print(error, file=sys.stderr)
        return 2
    for name, figures in result["figures"].get("properties", {}).items():
        print(
            f"{name}: MAE {figures['mae']:.3f} {figures['unit']} (mean predictor {figures['mean_baseline_mae']:.3f}, "
            f"composition {figures['composition_baseline_mae']:.3f})"
        )
    print(f"weights and card: {args.out}")
    return 0
