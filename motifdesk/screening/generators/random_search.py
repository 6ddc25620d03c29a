"""Random symmetric crystals by PyXtal: the baseline that every generator has to beat."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from motifdesk.structures.arrays import element_symbols

from ..checks.validating import as_formula
from ..errors import ScreeningError
from ..options import Option
from .base import Generator

_TRIES = 12


class RandomGenerator(Generator):
    """Random crystals of a random space group (`pyxtal`; S. Fredericks et al., Comput. Phys. Commun. 261, 107810
    (2021)): of the formulas given, or of the compositions of known crystals of the corpus `mp_20`."""

    OPTIONS: ClassVar = {
        "formulas": Option([], "atoms of one cell, such as 'Ti2O4'; default: compositions of mp_20"),
        "max_atoms": Option(12, "atoms of a cell, without formulas", 1, 60),
    }

    def prepare(self) -> None:
        from pymatgen.core import Composition

        self._compositions: list[dict[str, int]] = []
        for formula in self.options["formulas"]:
            as_formula(formula, f"generator {self.name}")
            parsed = Composition(str(formula)).get_el_amt_dict()
            self._compositions.append({k: int(v) for k, v in parsed.items()})
        try:
            import pyxtal  # noqa: F401
        except ImportError as error:
            raise ScreeningError(
                f"PyXtal is not installed: {error}", where=f"generator {self.name}", remedy="pip install pyxtal"
            ) from error
        if self._compositions:
            return
        from motifdesk.structures import corpus

        c = corpus("mp_20")
        symbols = element_symbols()
        for k in np.flatnonzero((c.natoms <= self.options["max_atoms"]) & ~c.development):
            z, n = np.unique(c.numbers(int(k)), return_counts=True)
            self._compositions.append({symbols[a]: int(b) for a, b in zip(z.tolist(), n.tolist(), strict=True)})

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        from pyxtal import pyxtal

        rng = self.rng(index)
        composition = self._compositions[int(rng.integers(len(self._compositions)))]
        for _ in range(_TRIES):
            group = int(rng.integers(2, 231))
            crystal = pyxtal()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    crystal.from_random(
                        3, group, list(composition), list(composition.values()), random_state=int(rng.integers(2**31))
                    )
            except Exception:  # no such Wyckoff positions in this group: PyXtal raises several kinds
                continue
            if crystal.valid:
                made = crystal.to_pymatgen()
                return made, {"kind": "random", "space_group": group, "composition": composition}
        raise ScreeningError(f"no random crystal in {_TRIES} space groups", where=str(composition))
