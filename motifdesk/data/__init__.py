"""The data that comes with MotifDesk: corpora, examples, weights, the fitted map.

``SOURCES.md`` tells the origin, licence and citation of each.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parent


def path(*parts: str) -> Path:
    """The bundled file or folder named by `parts`, as in ``path("corpora", "mp_20.npz")``; it may be missing."""
    return _ROOT.joinpath(*parts)
