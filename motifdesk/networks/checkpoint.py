"""Weights and training states on disk: safetensors with JSON metadata, written whole or not at all; never pickle."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from motifdesk.networks.encoder import Encoder, EncoderConfig
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.heads import PropertyHeads

FORMAT = "motifdesk-codec-1"


def write_atomically(path: Path, content: bytes) -> Path:
    """Replace ``path`` in one step, so that a kill at any moment leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def save_tensors(path: Path | str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, object]) -> Path:
    """``metadata`` values are stored as JSON texts in the file's own header: one file, one state."""
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    return write_atomically(Path(path), save(plain, {k: json.dumps(v) for k, v in metadata.items()}))


def load_tensors(path: Path | str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and JSON metadata of a file of :func:`save_tensors`; a ``NetworkError`` for any other file."""
    path = Path(path)
    if not path.is_file():
        raise NetworkError("no such file", where=str(path), remedy="Give a .safetensors file of motifdesk.")
    try:
        with safe_open(str(path), framework="pt", device="cpu") as stream:
            metadata = {k: json.loads(v) for k, v in (stream.metadata() or {}).items()}
            tensors = {k: stream.get_tensor(k) for k in stream.keys()}
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise NetworkError(
            f"is not a readable safetensors file ({error})",
            where=str(path),
            remedy="Copy it again; it may be cut short.",
        ) from error
    return tensors, metadata


def load_verified(path: Path | str, form: str, remedy: str | None = None) -> tuple[dict[str, torch.Tensor], dict]:
    """As :func:`load_tensors`, of a file whose metadata name this format and the sha256 that its tensors have."""
    tensors, metadata = load_tensors(path)
    if metadata.get("format") != form:
        raise NetworkError(f"format is {metadata.get('format')!r}, expected {form!r}", where=str(path), remedy=remedy)
    if digest(tensors) != metadata.get("sha256"):
        raise NetworkError(
            "the tensors do not match their recorded sha256", where=str(path), remedy="Copy the file again."
        )
    return tensors, metadata


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """sha256 of names, shapes and values."""
    h = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        h.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        h.update(value.numpy().tobytes())
    return h.hexdigest()


def match(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Load exactly these tensors, or say which is missing, unknown, misshapen or not finite."""
    expected = module.state_dict()
    missing, unknown = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or unknown:
        raise NetworkError(
            f"tensors missing {missing[:4]}, unknown {unknown[:4]}",
            where=where,
            remedy="The weights come from another version of motifdesk; use matching ones.",
        )
    for name, value in tensors.items():
        if value.shape != expected[name].shape:
            raise NetworkError(
                f"{name} has shape {tuple(value.shape)}, expected {tuple(expected[name].shape)}",
                where=where,
                remedy="The weights do not fit their own configuration.",
            )
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NetworkError(f"{name} holds NaN or infinity", where=where, remedy="Use weights of a healthy run.")
    module.load_state_dict(dict(tensors))


@dataclass
class Weights:
    """A trained encoder with its property heads, in evaluation mode. ``digest``: sha256 of all tensors."""

    encoder: Encoder
    heads: PropertyHeads
    metadata: dict
    digest: str


def save_weights(path: Path | str, encoder: Encoder, heads: PropertyHeads, training: Mapping[str, object]) -> str:
    """Write the shipped file; returns its digest."""
    tensors = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    tensors |= {f"heads.{k}": v for k, v in heads.state_dict().items()}
    sha = digest(tensors)
    save_tensors(
        path,
        tensors,
        {
            "format": FORMAT,
            "config": encoder.config.to_dict(),
            "heads": {"names": list(heads.names), "hidden": heads.hidden},
            "training": dict(training),
            "sha256": sha,
        },
    )
    return sha


def load_weights(path: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Weights:
    """The encoder and heads of a ``codec.safetensors``; configuration, names, shapes and hash are verified."""
    where = str(path)
    tensors, metadata = load_verified(path, FORMAT, "Give the codec.safetensors of a training run, not a checkpoint.")
    with torch.random.fork_rng(devices=[]):  # building modules draws initial weights
        encoder = Encoder(EncoderConfig.from_dict(metadata["config"]))
        heads = PropertyHeads(metadata["heads"]["names"], encoder.config.width, metadata["heads"]["hidden"])
    # e3nn keeps empty and constant buffers in its state: they come back with the rest
    for prefix, module in (("encoder.", encoder), ("heads.", heads)):
        match(module, {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}, where)
        module.to(device=device, dtype=dtype).eval().requires_grad_(False)
    return Weights(encoder, heads, metadata, metadata["sha256"])
