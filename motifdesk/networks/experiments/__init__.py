"""The experiments that tensor field networks were introduced with, on the layers of the codec.

``tetris`` shapes in any orientation; ``gravity`` and ``inertia``: a law learned as a radial function; ``two_masses``:
vectors in, vectors out; ``rebuild``: a piece reduced to one point and created again; ``store``: all of them trained,
saved and loaded. Every network here is made of :class:`motifdesk.networks.convolution.Convolution` and
:class:`motifdesk.networks.reduce.Reduce`. Names resolve on first use, as in :mod:`motifdesk.networks`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Experiments": "store",
    "GravityNet": "gravity",
    "InertiaNet": "inertia",
    "TetrisNet": "tetris",
    "TwoMassesNet": "two_masses",
    "load_experiments": "store",
    "save_experiments": "store",
    "train_all": "store",
    "train_one": "store",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'motifdesk.networks.experiments' has no attribute {name!r}")
    return getattr(import_module(f"motifdesk.networks.experiments.{_HOME[name]}"), name)
