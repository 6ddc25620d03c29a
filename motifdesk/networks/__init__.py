"""Tensor field networks: the encoder of atomic structures, its heads and its training.

Needs torch, e3nn, numpy and safetensors alone, so that training runs on a bare machine with arrays as input. Names
resolve on first use: e3nn costs a second to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Encoder": "encoder",
    "EncoderConfig": "encoder",
    "GraphBatch": "batch",
    "Hierarchy": "hierarchy",
    "MotifAutoencoder": "motif_autoencoder",
    "NetworkError": "errors",
    "PropertyHeads": "heads",
    "Reduce": "reduce",
    "TrainConfig": "training",
    "Weights": "checkpoint",
    "assert_equivariant": "testing",
    "collate": "batch",
    "load_weights": "checkpoint",
    "train": "training",
}

__all__ = list(_HOME)

if TYPE_CHECKING:
    from motifdesk.networks.batch import GraphBatch as GraphBatch
    from motifdesk.networks.batch import collate as collate
    from motifdesk.networks.checkpoint import Weights as Weights
    from motifdesk.networks.checkpoint import load_weights as load_weights
    from motifdesk.networks.encoder import Encoder as Encoder
    from motifdesk.networks.encoder import EncoderConfig as EncoderConfig
    from motifdesk.networks.errors import NetworkError as NetworkError
    from motifdesk.networks.heads import PropertyHeads as PropertyHeads
    from motifdesk.networks.hierarchy import Hierarchy as Hierarchy
    from motifdesk.networks.motif_autoencoder import MotifAutoencoder as MotifAutoencoder
    from motifdesk.networks.reduce import Reduce as Reduce
    from motifdesk.networks.testing import assert_equivariant as assert_equivariant
    from motifdesk.networks.training import TrainConfig as TrainConfig
    from motifdesk.networks.training import train as train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'motifdesk.networks' has no attribute {name!r}")
    return getattr(import_module(f"motifdesk.networks.{_HOME[name]}"), name)
