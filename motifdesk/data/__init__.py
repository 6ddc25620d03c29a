"""The data that comes with MotifDesk: corpora, examples, weights, the fitted map. ``SOURCES.md`` tells each one's origin,
licence and citation."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parent


def path(*parts: str) -> Path:
    """The file or folder of bundled data named by `parts`, for instance ``path("corpora", "mp_20.npz")``; it may be missing."""
    return _ROOT.joinpath(*parts)
