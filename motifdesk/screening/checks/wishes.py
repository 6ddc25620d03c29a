"""What the designer wished for, as checks: composition, motif and its sharing, predicted properties."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..candidate import Verdict
from ..errors import ScreeningError
from ..options import Option

if TYPE_CHECKING:
    from .judging import Look

COMPOSITION = {
    "contains": Option([], "elements that must be there"),
    "chemical_system": Option([], "elements that may be there; default: any"),
    "formula": Option("", "reduced formula", kind="any"),
}
MOTIF = {
    "formula": Option("", "of the motif, centre first, such as 'IrO6'", needed=True),
    "sharing": Option("", "'corner', 'edge' or 'face': how it must share ligands with its like", kind="any"),
    "dimensionality": Option(-1, "of its net: 0 cluster, 1 chain, 2 sheet, 3 framework; -1 any", -1, 3),
    "max_csm": Option(30.0, "continuous symmetry measure at most", 0, 100),
}
PROPERTIES = {
    "formation_energy_per_atom": Option([], "[low, high] eV/atom"),
    "band_gap": Option([], "[low, high] eV"),
}


def composition(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Elements and formula."""
    from pymatgen.core import Composition

    present = {e.symbol for e in look.structure.composition.elements}
    missing = sorted(set(options["contains"]) - present)
    if missing:
        return Verdict("wish_composition", False, f"without {', '.join(missing)}")
    foreign = sorted(present - set(options["chemical_system"])) if options["chemical_system"] else []
    if foreign:
        return Verdict("wish_composition", False, f"{', '.join(foreign)} outside the chemical system")
    if options["formula"] and Composition(options["formula"]).reduced_formula != look.formula:
        return Verdict("wish_composition", False, f"{look.formula} instead of {options['formula']}")
    return Verdict("wish_composition", True)


def motif(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Whether the motif wished for is there and shares its ligands as asked. value: how many of it in the cell."""
    graph = look.graph
    wanted = options["formula"]
    found = {m.index for m in graph.motifs if m.formula == wanted and (m.csm or 0.0) <= options["max_csm"]}
    if not found:
        have = sorted({m.formula for m in graph.motifs})
        return Verdict("wish_motif", False, f"no {wanted}; there are {', '.join(have[:5])}", 0)
    sharing = options["sharing"]
    if sharing:
        if sharing not in ("corner", "edge", "face"):
            raise ScreeningError(f"sharing = {sharing!r}", where="[checks.wish_motif]", remedy="corner, edge or face")
        kinds = {link.kind for link in graph.links if link.a in found and link.b in found}
        if sharing not in kinds:
            other = ", ".join(sorted(kinds)) or "nothing"
            return Verdict("wish_motif", False, f"{wanted} share {other}, not {sharing}s", len(found))
    if options["dimensionality"] >= 0:
        kind = "corner" if sharing == "corner" else "edge"
        found_dimensions = {u.dimensionality for u in graph.units if u.kind == kind and found & set(u.motifs)}
        if options["dimensionality"] not in found_dimensions:
            said = f"their net is {sorted(found_dimensions)}-dimensional" if found_dimensions else "they make no net"
            return Verdict("wish_motif", False, said, len(found))
    return Verdict("wish_motif", True, "", len(found))


@cache
def the_codec() -> Any:
    """The bundled codec, loaded once per process."""
    from motifdesk.codec import load_codec

    return load_codec()


def properties(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Properties predicted by the codec's heads within the ranges asked for."""
    codec = the_codec()
    values = codec.predict(codec.encode([look.arrays], symmetry=False))
    for name, wanted in options.items():
        if name not in values:
            if wanted:
                raise ScreeningError(f"the codec predicts no {name}", remedy=f"known: {', '.join(values)}")
            continue
        value = float(values[name][0])
        look.figures[f"predicted_{name}"] = value
        if wanted and not wanted[0] <= value <= wanted[1]:
            return Verdict("wish_properties", False, f"{name} {value:.2f} outside {wanted[0]} to {wanted[1]}", value)
    return Verdict("wish_properties", True)
