"""What the colours of the structure pane mean: species, kind of motif, coordination, bond valence or predicted
force."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from motifdesk.session import State

COLOURINGS = {
    "species": "colour: species",
    "motif": "colour: motif orbit",
    "coordination": "colour: coordination",
    "valence": "colour: bond valence",
    "force": "colour: force",
}
"""Name -> words of the choice. "motif": symmetry-equivalent motifs alike; "valence": sum minus oxidation state;
"force": on each atom, by the bundled potential."""

PLAIN = "#9AA3AE"
# P. Tol's "muted" and "bright" sets: told apart by readers with any colour vision
_DISTINCT = (
    "#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#EE7733", "#009988",
    "#882255", "#999933", "#332288", "#88CCEE",
)  # fmt: skip
_BY_COORDINATION = {
    1: "#C7CDD5", 2: "#88CCEE", 3: "#44AA99", 4: "#117733", 5: "#999933", 6: "#4477AA", 7: "#AA4499", 8: "#882255",
    9: "#CC6677", 10: "#EE7733", 11: "#DDAA33", 12: "#CCBB44",
}  # fmt: skip
VALENCE_RANGE = 0.6
"""Valence units at which the scale of "bond valence" is fully blue (too little) or red (too much)."""


def paint(described: dict[str, Any], state: State, mode: str) -> list[list[str]]:
    """Recolour the drawn atoms and polyhedra of a scene in place; the legend, as (words, CSS colour).

    ``described`` as :func:`motifdesk.desk.scene.build` returns it. Mode "species" changes nothing. Sites that have no
    value (no motif, unknown oxidation state) are grey.
    """
    graph = state.graph
    if mode == "species" or graph is None:
        return []
    values, legend = _VALUES[mode](state)
    described["colour"] = [values.get(site, PLAIN) for site in described["site"]]
    for polyhedron in described["polyhedra"]:
        polyhedron["colour"] = values.get(described["site"][polyhedron["centre"]], PLAIN)
    return legend


def signature(state: State, mode: str) -> Any:
    """Changes when the colours of ``mode`` do, for a topology that stays the same: bond valences at rest."""
    if mode not in ("valence", "force") or state.preview:
        return None
    return state.version


def _by_orbit(state: State) -> tuple[dict[int, str], list[list[str]]]:
    graph = state.graph
    assert graph is not None
    colours: dict[int, str] = {}
    legend = []
    orbits = list(dict.fromkeys(m.orbit for m in graph.motifs))
    for rank, orbit in enumerate(orbits):
        tint = _DISTINCT[rank % len(_DISTINCT)]
        members = [m for m in graph.motifs if m.orbit == orbit]
        colours.update({m.centre: tint for m in members})
        legend.append([f"{len(members)} {members[0].formula}", tint])
    return colours, legend


def _by_coordination(state: State) -> tuple[dict[int, str], list[list[str]]]:
    graph = state.graph
    assert graph is not None
    count = np.zeros(len(state.arrays.numbers), dtype=int)
    for motif in graph.motifs:
        count[motif.centre] = len(motif.ligands)
    # a ligand's number is how many centres hold it, where it is no centre itself
    centres = {m.centre for m in graph.motifs}
    for motif in graph.motifs:
        for ligand in motif.ligands:
            if ligand.site not in centres:
                count[ligand.site] += 1
    shown = sorted({int(n) for n in count if n})
    tint = {n: _BY_COORDINATION.get(n, "#332288") for n in shown}
    return {k: tint[int(n)] for k, n in enumerate(count) if n}, [[f"{n}-fold", tint[n]] for n in shown]


def _by_valence(state: State) -> tuple[dict[int, str], list[list[str]]]:
    from motifdesk.motifs import bond_valence_sums

    graph = state.graph
    assert graph is not None
    sums = bond_valence_sums(state.arrays, graph)
    colours = {}
    for site, total in sums.items():
        expected = graph.oxidation[site]
        if expected:
            colours[site] = _diverging((total - abs(expected)) / VALENCE_RANGE)
    if not colours:
        return {}, [["no oxidation states: no bond valences", PLAIN]]
    ends = f"{VALENCE_RANGE:g} v.u."
    return colours, [
        [f"{ends} too little", _diverging(-1)],
        ["as expected", _diverging(0)],
        [f"{ends} too much", _diverging(1)],
    ]


FORCE_RANGE = 2.0
"""eV/A at which the scale of "predicted force" is full."""


def _by_force(state: State) -> tuple[dict[int, str], list[list[str]]]:
    from motifdesk.session.live_energy import live_energy, load_live

    load_live()
    found = live_energy(state)
    if found is None:
        return {}, [["the bundled potential knows crystals of elements it was trained on", PLAIN]]
    sizes = np.sqrt(np.square(found.forces).sum(axis=1))
    colours = {k: _diverging(min(1.0, float(f) / FORCE_RANGE)) for k, f in enumerate(sizes)}
    return colours, [["0", _diverging(0)], [f"{FORCE_RANGE:g} eV/Å and more", _diverging(1)]]


def _diverging(t: float) -> str:
    """Blue, light grey, red for t = -1, 0, 1."""
    t = float(np.clip(t, -1.0, 1.0))
    ends: Sequence[Iterable[int]] = ((0x2B, 0x6C, 0xB0), (0xE2, 0xE4, 0xE8), (0xC5, 0x30, 0x30))
    low, middle, high = (np.array(list(e), dtype=float) for e in ends)
    rgb = middle + (high - middle) * t if t >= 0 else middle + (low - middle) * -t
    return "#" + "".join(f"{round(float(c)):02X}" for c in rgb)


_VALUES = {"motif": _by_orbit, "coordination": _by_coordination, "valence": _by_valence, "force": _by_force}
