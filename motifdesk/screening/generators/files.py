"""Candidates from structure files: somebody else's proposals through the same checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from motifdesk.structures import read

from ..errors import ScreeningError
from ..options import Option
from .base import Generator


class FilesGenerator(Generator):
    """Structure files, one candidate each, in the order of their names; a file that cannot be read is a candidate with
    that error."""

    OPTIONS: ClassVar = {
        "files": Option([], "files, or folders whose files are taken", needed=True),
        "disorder": Option("error", "'error' or 'majority', as motifdesk.read: what to do with partial occupancy"),
    }

    def prepare(self) -> None:
        self._files: list[str] = []
        for given in self.options["files"]:
            path = Path(str(given))
            self._files += sorted(str(p) for p in path.iterdir() if p.is_file()) if path.is_dir() else [str(given)]
        if self.options["disorder"] not in ("error", "majority"):
            raise ScreeningError(f"disorder = {self.options['disorder']!r}", where=f"generator {self.name}")
        if not self._files:
            raise ScreeningError("there are no files", where=f"generator {self.name}", remedy="give files or a folder")

    def most(self) -> int:
        return len(self._files)

    def made_of(self) -> list[str]:
        return self._files

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        structure = read(self._files[index], disorder=self.options["disorder"])
        return structure, {"kind": "files", "file": self._files[index]}
