"""The map file: one ``.npz`` of plain arrays, no pickle."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from motifdesk.structures.errors import AtlasError

FORMAT = "motifdesk-atlas-1"
# columns of strings that repeat are stored once each, with an index
_CATEGORIES = ("source", "anonymous")
_TEXTS = ("id", "formula")


@dataclass(frozen=True)
class AtlasData:
    """What a fit produces and a map is opened from; M points, D components.

    Attributes
    ----------
    xy : float32 [M, 2]
    latent : float32 [M, D], principal components of the standardised geometry blocks (half precision on disk)
    mean, scale : float32 [384], ``latent = (geometry - mean) / scale @ components.T``
    components : float32 [D, 384], orthonormal rows
    columns : name -> [M]: source, index, id, formula, anonymous, natoms, spacegroup (0: none), formation_energy
        (eV/atom), band_gap (eV), energy_above_hull (eV/atom); NaN where unknown
    info : JSON-able facts of the fit; "weights" is the codec's version
    """

    xy: np.ndarray
    latent: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    columns: dict[str, np.ndarray]
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        m, d = len(self.xy), len(self.components)
        shapes = {
            "xy": (self.xy.shape, (m, 2)),
            "latent": (self.latent.shape, (m, d)),
            "mean": (self.mean.shape, self.scale.shape),
            "components": (self.components.shape, (d, len(self.mean))),
            **{f"column {name}": (column.shape, (m,)) for name, column in self.columns.items()},
        }
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise AtlasError(f"{name} has the shape {found} instead of {expected}", remedy="fit the map again")
        for name in ("xy", "latent", "mean", "scale", "components"):
            if not np.isfinite(getattr(self, name)).all():
                raise AtlasError(f"{name} holds NaN", remedy="fit the map again")
        missing = {"source", "index", "id", "formula", "natoms"} - set(self.columns)
        if missing or not m:
            raise AtlasError(f"no {', '.join(sorted(missing)) or 'points'}", remedy="fit the map again")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the map; complete or not at all."""
        arrays: dict[str, np.ndarray] = {
            "format": np.array(FORMAT),
            "info": np.frombuffer(json.dumps(self.info).encode(), dtype=np.uint8),
            "xy": self.xy.astype(np.float32),
            "latent": self.latent.astype(np.float16),
            "mean": self.mean.astype(np.float32),
            "scale": self.scale.astype(np.float32),
            "components": self.components.astype(np.float32),
        }
        for name, column in self.columns.items():
            if name in _CATEGORIES:
                values, index = np.unique(column.astype(str), return_inverse=True)
                arrays[f"category_{name}"] = index.astype(np.uint16 if len(values) < 65536 else np.uint32)
                arrays[f"names_{name}"] = _pack(values)
            elif name in _TEXTS:
                arrays[f"text_{name}"] = _pack(column.astype(str))
            else:
                arrays[f"column_{name}"] = column
        path = Path(path)
        try:
            handle, temporary = tempfile.mkstemp(prefix=".atlas-", suffix=".npz", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
                os.chmod(temporary, 0o644)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            raise AtlasError(
                f"it cannot be written ({error.strerror})", where=path, remedy="choose a folder that you may write to"
            ) from error
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AtlasData:
        """Read a map file; AtlasError if it is missing, damaged or something else."""
        refit = "run `motifdesk atlas-fit`, or reinstall motifdesk"
        try:
            with np.load(path, allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
        except FileNotFoundError:
            raise AtlasError("there is no map file", where=path, remedy=refit) from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise AtlasError(f"the map file is damaged ({error})", where=path, remedy=refit) from error
        if str(found.get("format")) != FORMAT:
            raise AtlasError("this is no map file of this version", where=path, remedy=refit)
        columns: dict[str, np.ndarray] = {}
        try:
            for name, value in found.items():
                kind, _, column = name.partition("_")
                if kind == "category":
                    columns[column] = _unpack(found[f"names_{column}"])[value]
                elif kind == "text":
                    columns[column] = _unpack(value)
                elif kind == "column":
                    columns[column] = value
            return cls(
                xy=found["xy"].astype(np.float32),
                latent=found["latent"].astype(np.float32),
                mean=found["mean"],
                scale=found["scale"],
                components=found["components"],
                columns=columns,
                info=json.loads(found["info"].tobytes()),
            )
        except (KeyError, IndexError, ValueError) as error:
            if isinstance(error, AtlasError):
                raise AtlasError(error.what, where=path, remedy=refit) from error
            raise AtlasError(f"the map file is damaged ({error})", where=path, remedy=refit) from error


def _pack(strings: np.ndarray) -> np.ndarray:
    return np.frombuffer("\n".join(strings.tolist()).encode(), dtype=np.uint8)


def _unpack(packed: np.ndarray) -> np.ndarray:
    return np.array(packed.tobytes().decode().split("\n"))
