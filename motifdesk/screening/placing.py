"""Where a candidate lies on the map."""

from __future__ import annotations

from functools import cache
from typing import Any

from motifdesk.structures import AtomArrays


@cache
def the_atlas() -> Any:
    """The bundled map, loaded once per process."""
    from motifdesk.atlas import load_atlas

    return load_atlas()


def place(codec: Any, arrays: AtomArrays) -> dict[str, float]:
    """{"x", "y"} on the map, and the properties that the codec's heads predict."""
    codes = codec.encode([arrays], symmetry=False)
    x, y = the_atlas().project(codes)[0].tolist()
    predicted = {f"predicted_{name}": float(v[0]) for name, v in codec.predict(codes).items()}
    return {"x": x, "y": y, **predicted}
