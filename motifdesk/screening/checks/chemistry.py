"""Checks of the chemistry: charge balance, bond valence, motifs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..candidate import Verdict
from ..options import Option

if TYPE_CHECKING:
    from .judging import Look

COMPOSITION = {
    "mixed_valence": Option(True, "an element may have two oxidation states, as iron in Fe3O4"),
    "alloys": Option(True, "metals need no charge balance"),
    "pauling": Option(True, "the more electronegative elements must be the negative ones"),
}
BOND_VALENCE = {
    "instability": Option(1.0, "global instability index, valence units, at most", 0.01, 10),
}
MOTIFS = {
    "max_csm": Option(40.0, "continuous symmetry measure of the worst motif with a known figure, at most", 0, 100),
    "alone": Option(False, "centres without any neighbour are allowed"),
}

#: bond valences are made for salts and oxides; formal charges in intermetallics mean nothing
_ANIONS = frozenset({"H", "N", "O", "F", "S", "Cl", "Se", "Br", "I"})


@lru_cache(maxsize=65536)
def charge_neutral(formula: str, mixed_valence: bool = True, alloys: bool = True, pauling: bool = True) -> bool:
    """Whether smact finds oxidation states that balance a reduced formula; one element alone always passes.

    `smact.screening.smact_validity` (D. W. Davies et al., JOSS 4, 1361 (2019)) with its ICSD oxidation states; the
    search with mixed valence is tried only when the one without fails.
    """
    from smact.screening import smact_validity

    flags: dict[str, Any] = {"use_pauling_test": pauling, "include_alloys": alloys}
    if smact_validity(formula, **flags):
        return True
    return bool(mixed_valence and smact_validity(formula, mixed_valence=True, **flags))


def composition(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Charge neutrality and the order of electronegativities."""
    ok = charge_neutral(look.formula, options["mixed_valence"], options["alloys"], options["pauling"])
    return Verdict("composition", ok, "" if ok else f"{look.formula} has no balance of known oxidation states")


def motifs(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Every centre has ligands, and no motif is too far from the figure it is named after (value: the worst CSM)."""
    graph = look.graph
    names = sorted({f"{m.formula} {m.shape}" for m in graph.motifs})
    look.figures["motif"] = ", ".join(names[:4])
    alone = [m for m in graph.motifs if not m.ligands]
    if alone and not options["alone"]:
        return Verdict("motifs", False, f"{alone[0].name} has no neighbour in reach")
    measures = [m.csm for m in graph.motifs if m.csm is not None]
    if not measures:
        return Verdict("motifs", None, "no motif has a known figure")
    worst = max(measures)
    if worst > options["max_csm"]:
        bad = max((m for m in graph.motifs if m.csm is not None), key=lambda m: m.csm)
        return Verdict("motifs", False, f"{bad.name} has CSM {worst:.1f}", worst)
    return Verdict("motifs", True, "", worst)


def bond_valence(look: Look, options: Mapping[str, Any]) -> Verdict:
    """The global instability index: root mean square of bond-valence sum minus oxidation state, valence units.

    A. Salinas-Sanchez et al., J. Solid State Chem. 100, 201 (1992). Not judged without oxidation states,
    nor in intermetallics (anions other than H, N, chalcogens and halogens).
    """
    from motifdesk.motifs import bond_valence_sums

    graph = look.graph
    anions = {graph.element(k) for k, q in enumerate(graph.oxidation) if q < 0}
    if not anions <= _ANIONS:
        return Verdict("bond_valence", None, f"no bond valences for {', '.join(sorted(anions - _ANIONS))} as the anion")
    sums = bond_valence_sums(look.structure, graph)
    if not sums:
        return Verdict("bond_valence", None, "no oxidation states, or no bond-valence parameters")
    off = np.array([value - abs(graph.oxidation[site]) for site, value in sums.items()])
    index = float(np.sqrt(np.square(off).mean()))
    look.figures["instability"] = index
    if index > options["instability"]:
        site = list(sums)[int(np.abs(off).argmax())]
        said = f"instability {index:.2f} v.u.; {graph.element(site)} has {sums[site]:.2f}"
        return Verdict("bond_valence", False, f"{said} instead of {abs(graph.oxidation[site]):.0f}", index)
    return Verdict("bond_valence", True, "", index)
