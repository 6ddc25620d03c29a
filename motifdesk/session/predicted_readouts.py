"""Read-outs of what the codec's heads predict, with the interval that holds nine true values of ten."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from motifdesk.session.motif_readouts import Row, Sheet
from motifdesk.session.services import Services
from motifdesk.session.state import State
from motifdesk.structures.errors import MotifDeskError

PREDICTED = {
    "formation_energy_per_atom": ("Predicted formation energy", "eV/atom"),
    "band_gap": ("Predicted band gap", "eV"),
    "energy_above_hull": ("Predicted energy above hull", "eV/atom"),
    "heat_all": ("Predicted heat of formation (perovskites)", "eV/atom"),
    "energy_per_atom": ("Predicted energy (carbon)", "eV/atom"),
}
COVERAGE = 0.9
_NEVER_NEGATIVE = ("band_gap", "energy_above_hull")


def predictable(name: str, state: State) -> bool:
    """Whether a head was trained on anything like this: two know one family only, the others compounds only."""
    counts = sorted(np.unique(state.arrays.numbers, return_counts=True)[1].tolist())
    if name == "energy_per_atom":
        return bool((state.arrays.numbers == 6).all())
    if name == "heat_all":
        return len(counts) == 3 and counts[0] == counts[1] and counts[2] == 3 * counts[0]
    return len(counts) > 1 or name not in PREDICTED


def predicted_rows(sheet: Sheet, state: State, services: Services, wait: bool = False) -> None:
    """Tier "release": value and half the width of its 90 % interval (:mod:`motifdesk.atlas.uncertainty`).

    ``wait``: whether the calibration, two seconds' work, is done where it has not been; else the value stands alone.
    """
    latent = state.latent
    if latent.stale:
        return
    shown = {name: value for name, value in latent.predictions.items() if predictable(name, state)}
    around = intervals(state, services, wait) if shown else {}
    for name, value in shown.items():
        label, unit = PREDICTED.get(name, (name.replace("_", " ").capitalize(), ""))
        value = max(value, 0.0) if name in _NEVER_NEGATIVE else value
        if not math.isfinite(value):
            continue
        half = around.get(name)
        text = f"{value:.3f}" if half is None else f"{value:.2f} ± {half:.2f}"
        sheet.rows.append(Row(f"predicted_{name}", label, text, unit, "release", float(value)))


def intervals(state: State, services: Services, wait: bool) -> dict[str, float]:
    """Property -> from the value to the upper end of its interval; empty where there is no calibration (yet)."""
    root = state.latent.root
    if root is None or not (services.codec_loaded and services.atlas_loaded):
        return {}
    from motifdesk.atlas.uncertainty import is_calibrated, predict_with_intervals
    from motifdesk.codec import Codec
    from motifdesk.codec.codes import Codes

    codec: Any = services.codec
    if not isinstance(codec, Codec) or not (wait or is_calibrated(codec)):
        return {}  # a stand-in, or not yet
    try:
        found = predict_with_intervals(codec, Codes(root=root[None]), COVERAGE, atlas=services.atlas)
    except MotifDeskError:
        return {}  # a map of other weights has no calibration for these
    halves = {name: float(high[0] - value[0]) for name, (value, _, high) in found.items()}
    return {name: half for name, half in halves.items() if math.isfinite(half)}


__all__ = ["COVERAGE", "PREDICTED", "intervals", "predictable", "predicted_rows"]
