"""Generators: whatever proposes candidates, behind one interface, seeded and streamed.

>>> generator = make_generator({"kind": "substitution", "name": "sub", "count": 100}, seed=0)
>>> for candidate in generator: candidate.structure

`KINDS` names the bundled ones; ``"module:Class"`` names any other class that is built like `Generator`.
"""

from .base import KINDS, Generator, make_generator

__all__ = ["KINDS", "Generator", "make_generator"]
