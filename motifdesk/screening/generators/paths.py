"""The way between two designs: morphs of one composition, evenly spaced, both ends left out."""

from __future__ import annotations

from typing import Any, ClassVar

from motifdesk.motifs import morph
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError

from ..options import Option
from .base import Generator


class PathGenerator(Generator):
    """`steps` structures between two of one composition (`motifdesk.motifs.morph`)."""

    OPTIONS: ClassVar = {
        "first": Option("", "file or bundled example", needed=True),
        "last": Option("", "file or bundled example", needed=True),
        "steps": Option(9, "structures between the two", 1, 1000),
    }

    def prepare(self) -> None:
        try:
            self._morph = morph(read(self.options["first"]), read(self.options["last"]))
        except MotifDeskError as error:
            raise self.refused(error) from error

    def most(self) -> int:
        return int(self.options["steps"])

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        t = (index + 1) / (self.options["steps"] + 1)
        recipe = {"kind": "path", "first": self.options["first"], "last": self.options["last"], "t": t}
        return self._morph.at(t), recipe
