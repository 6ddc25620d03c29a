"""CHGNet as its authors' package gives it to ASE: what the plain baselines of `bench_generate` relax with."""

from __future__ import annotations

from typing import Any

from motifdesk.screening.energies.calculators import ChgnetCalculator


class PlainChgnet(ChgnetCalculator):
    """The same model and energies; forces, stress and magnetic moments by `chgnet.model.dynamics.CHGNetCalculator`."""

    def ase(self) -> Any:
        """CHGNet's own ASE calculator."""
        if self._ase is None:
            from chgnet.model.dynamics import CHGNetCalculator

            self._ase = CHGNetCalculator(self._model, use_device="cpu", on_isolated_atoms="ignore")
        return self._ase
