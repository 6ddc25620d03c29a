"""The edit that deforms the cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from motifdesk.session.cell_handles import cell_deformation, cell_values, checked, told
from motifdesk.session.state import State, moved
from motifdesk.session.ties import VOLUME
from motifdesk.session.workers import Draft, Worker, finite
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import SessionError


class Strain(Worker):
    """Deform the cell with the fractional coordinates kept."""

    kind = "strain"

    def update(
        self,
        matrix: Any = None,
        *,
        volume: float | None = None,
        deformation: Any = None,
        to: Mapping[str, float] | None = None,
    ) -> Draft:
        """``matrix``: strain eta [3, 3], symmetrised (new cell rows = cell (1 + eta)); ``volume``: factor;
        ``deformation`` [3, 3]: new cell rows = cell times it, as it is; ``to``: handles of the cell and the percents
        they are to stand at (see :meth:`motifdesk.session.Session.strain_to`).

        Locks and ties are respected: ``to`` and ``volume`` find a way that does, anything else is refused.
        """
        arrays = self.origin.arrays
        if arrays.cell is None:
            raise SessionError("a molecule has no cell to strain", where="strain", remedy="open a crystal")
        if sum(given is None for given in (matrix, volume, deformation, to)) != 3:
            raise SessionError(
                "give either a strain matrix or a volume factor", where="strain", remedy="strain(volume=1.02)"
            )
        if volume is not None:
            volume = float(finite(volume, "volume factor", ()))
            if not 0.1 <= volume <= 10.0:
                raise SessionError(f"volume factor {volume:g}", where="strain", remedy="choose it between 0.1 and 10")
        held = self.ties.of_cell()
        if self.history is not None and (to is not None or (volume is not None and held)):
            now = cell_values(self.history, self.origin)
            if to is None:
                assert volume is not None
                to = {VOLUME: now[VOLUME] * volume}
            if not held and set(to) == {VOLUME}:
                wanted = float(finite(to[VOLUME], "volume", ()))
                return self.update(volume=wanted / now[VOLUME])
            return self._to(to, cell_deformation(self.history, self.origin, to, self.ties))
        if to is not None:
            raise SessionError("no structure as opened", where="strain", remedy="give a deformation")
        if volume is not None:
            shape = np.eye(3) * volume ** (1.0 / 3.0)
            return self._made(shape, f"Volume x {volume:.4g}", {"volume": volume})
        if deformation is not None:
            shape = finite(deformation, "deformation", (3, 3))
            recipe = {"deformation": shape.tolist()}
        else:
            eta = finite(matrix, "strain matrix", (3, 3))
            eta = 0.5 * (eta + eta.T)
            if np.linalg.eigvalsh(eta).min() <= -0.5:
                raise _too_much()
            shape, recipe = np.eye(3) + eta, {"matrix": eta.tolist()}
        draft = self._made(shape, f"Strain (volume {_more(shape):+.2f} %)", recipe)
        if held and self.history is not None:
            checked(self.history, self.origin, draft.state, held)
        return draft

    def _to(self, to: Mapping[str, float], shape: np.ndarray) -> Draft:
        """Named by the handle that was moved, with what became of the volume."""
        key, value = next(iter(to.items()))
        also = "" if len(to) == 1 else f" and {len(to) - 1} more"
        if key == VOLUME:
            name = f"Volume {value:.1f} %{also}"
        else:
            name = f"{told(key).capitalize()} {value:+.2f} %{also} (volume {_more(shape):+.2f} %)"
        return self._made(shape, name, {"deformation": shape.tolist()})

    def _made(self, shape: np.ndarray, name: str, recipe: Mapping[str, Any]) -> Draft:
        sizes = np.linalg.svd(shape, compute_uv=False)
        if np.linalg.det(shape) <= 0 or ("volume" not in recipe and (sizes.min() <= 0.5 or sizes.max() > 2.0)):
            raise _too_much()
        arrays = self.origin.arrays
        strained = AtomArrays(arrays.numbers, arrays.positions @ shape, np.asarray(arrays.cell) @ shape)
        state: State = moved(self.origin, strained)
        return Draft(state, name, recipe)


def _too_much() -> SessionError:
    return SessionError("the strain halves or doubles the cell", where="strain", remedy="stay within -50 % and +100 %")


def _more(shape: np.ndarray) -> float:
    """Percent of volume gained."""
    return round(100.0 * (float(np.linalg.det(shape)) - 1.0), 2) + 0.0  # no minus before a nought
