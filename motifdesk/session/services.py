"""What a session borrows from other rooms: codec and map, loaded on first use, and the versions behind an edit."""

from __future__ import annotations

import platform
import threading
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from motifdesk.session.state import frozen_mapping
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session.calculators import Calculators


@lru_cache(maxsize=1)
def base_versions() -> Mapping[str, str]:
    """Versions of the software that every edit depends on."""
    import motifdesk

    found = {"motifdesk": motifdesk.__version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "pymatgen", "moyopy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return frozen_mapping(found)


class Services:
    """Holds codec and atlas: given objects, None (not available), or "lazy" (loaded on first use)."""

    def __init__(self, codec: Any = "lazy", atlas: Any = "lazy") -> None:
        self._codec = codec
        self._atlas = atlas
        self._lock = threading.RLock()
        self._calculators: Calculators | None = None

    @property
    def calculators(self) -> Calculators:
        """What gives energies: processes lent out, and what they said (none is started before it is asked for)."""
        from motifdesk.session.calculators import Calculators

        with self._lock:
            if self._calculators is None:
                self._calculators = Calculators()
            return self._calculators

    @staticmethod
    def _is_lazy(thing: Any) -> bool:
        return isinstance(thing, str) and thing == "lazy"

    @property
    def codec_loaded(self) -> bool:
        """Whether the codec is in memory."""
        return self._codec is not None and not self._is_lazy(self._codec)

    @property
    def atlas_loaded(self) -> bool:
        """Whether the map is in memory."""
        return self._atlas is not None and not self._is_lazy(self._atlas)

    @property
    def has_codec(self) -> bool:
        """Whether there is a codec at all (loaded or to be loaded)."""
        return self._codec is not None

    @property
    def has_atlas(self) -> bool:
        """Whether there is a map at all (loaded or to be loaded)."""
        return self._atlas is not None

    @property
    def codec(self) -> Any:
        """The codec, loading it on first use."""
        with self._lock:
            if self._is_lazy(self._codec):
                self._codec = self._bundled_codec()
            if self._codec is None:
                raise SessionError(
                    "this session has no codec", where="session", remedy="open it with codec='lazy' or a loaded codec"
                )
            return self._codec

    def _bundled_codec(self) -> Any:
        if self.atlas_loaded and hasattr(self._atlas, "codec"):
            try:
                return self._atlas.codec  # the one that lifts: no second copy in memory
            except MotifDeskError:
                pass  # the map is of other weights; encoding and predicting still work
        from motifdesk.codec import load_codec

        return load_codec()

    @property
    def atlas(self) -> Any:
        """The map, loading it on first use."""
        with self._lock:
            if self._is_lazy(self._atlas):
                from motifdesk.atlas import load_atlas

                # a codec that is there is shared; none is loaded for a map that is only looked at
                self._atlas = load_atlas(codec=self._codec) if self.codec_loaded else load_atlas()
            if self._atlas is None:
                raise SessionError(
                    "this session has no map", where="session", remedy="open it with atlas='lazy' or a loaded atlas"
                )
            return self._atlas

    def versions(self, kind: str) -> Mapping[str, str]:
        """Versions that an edit of this kind depends on (codec weights and map only where they were used)."""
        if kind not in ("drag", "decode", "along"):
            return base_versions()  # one mapping for all steps
        found = dict(base_versions())
        if self.codec_loaded:
            found["codec"] = str(getattr(self._codec, "version", "unknown"))
            found["device"] = str(getattr(self._codec, "device", "cpu"))
        if self.atlas_loaded:
            found["atlas"] = str(getattr(self._atlas, "version", "unknown"))
        try:
            found["torch"] = metadata.version("torch")
        except metadata.PackageNotFoundError:
            pass
        return frozen_mapping(found)
