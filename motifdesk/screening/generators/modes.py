"""Mode scans: a parent crystal along its symmetry modes, alone and in pairs."""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from motifdesk.motifs import crystal_modes
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError

from ..errors import ScreeningError
from ..options import Option
from .base import Generator


class ModeGenerator(Generator):
    """Displacement modes of a supercell of a parent, each at every amplitude (Angstrom, root sum of squares over the
    supercell's atoms), then pairs of modes at the same amplitudes. Shifts of the whole crystal are left out."""

    OPTIONS: ClassVar = {
        "structure": Option("", "file of the parent, or the name of a bundled example", needed=True),
        "supercell": Option([1, 1, 1], "three whole numbers"),
        "sites": Option("", "orbits that move, such as 'O' or 'O 3c'; default: all", kind="any"),
        "irreps": Option([], "only modes whose irrep starts with one of these, such as 'R T1g'"),
        "amplitudes": Option([0.1, 0.3, 0.6], "Angstrom"),
        "pairs": Option(False, "pairs of modes too"),
        "polar": Option(False, "only modes that give a polar direction"),
    }

    def prepare(self) -> None:
        where = f"generator {self.name}"
        amplitudes = self.options["amplitudes"]
        if not amplitudes or not all(isinstance(a, int | float) and 0 < abs(a) <= 5 for a in amplitudes):
            raise ScreeningError(f"amplitudes = {amplitudes!r}", where=where, remedy="numbers up to 5 Angstrom")
        try:
            parent = read(self.options["structure"])
            self._modes = crystal_modes(parent, tuple(self.options["supercell"]), sites=self.options["sites"] or None)
        except MotifDeskError as error:
            raise self.refused(error) from error
        if not all(isinstance(i, str) for i in self.options["irreps"]):
            said = f"irreps = {self.options['irreps']!r} is no list of text"
            raise ScreeningError(said, where=where, remedy="such as ['R T1g']")
        irreps = tuple(self.options["irreps"])
        acoustic = self._modes.acoustic.reshape(3, -1)
        chosen = []
        for mode in self._modes:
            if np.linalg.norm(acoustic @ mode.vectors.ravel()) > 0.999:
                continue
            if (irreps and not mode.irrep.startswith(irreps)) or (self.options["polar"] and not mode.polar):
                continue
            chosen.append(mode.key)
        if not chosen:
            known = ", ".join(sorted({m.irrep for m in self._modes}))
            raise ScreeningError("no mode is left", where=where, remedy=f"irreps here: {known}")
        self._sets: list[tuple[str, ...]] = [(k,) for k in chosen]
        if self.options["pairs"]:
            self._sets += list(combinations(chosen, 2))

    def most(self) -> int:
        return len(self._sets) * len(self.options["amplitudes"])

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        amplitudes = self.options["amplitudes"]
        which, size = divmod(index, len(amplitudes))
        turned = {key: float(amplitudes[size]) for key in self._sets[which]}
        recipe = {
            "kind": "modes",
            "parent": self.options["structure"],
            "supercell": list(self.options["supercell"]),
            "amplitudes": turned,
        }
        return self._modes.apply(turned), recipe
