"""Families of stackings, perovskites and close packings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .assembly import Assembly
from .declaring import Family, Filling, Parameter, Published, centre, filler, length, ligand, word
from .families import honeycomb, layered, packings, perovskite, polytypes


def _perovskite(p: Mapping[str, Any]) -> Assembly:
    centres = (p["centre"],) if not p["second_centre"] else (p["centre"], p["second_centre"])
    fillers = (p["filler"],) if not p["second_filler"] else (p["filler"], p["second_filler"])
    angles = tuple(p[f"angle_{k}"] for k in (1, 2, 3))
    return perovskite.assembly(p["a"], centres, p["ligand"], fillers, p["tilts"], angles, p["order"])


def _packing(p: Mapping[str, Any]) -> Assembly:
    centres = (p["centre"],) if not p["second_centre"] else (p["centre"], p["second_centre"])
    return packings.octahedra(p["a"], centres, p["ligand"], p["word"], p["pattern"])


#: The fifteen tilt systems of Howard and Stokes with their space groups.
_TILTED = tuple(
    zip(
        perovskite.SYSTEMS,
        "Pm-3m P4/mbm I4/mmm Im-3 Immm P4_2/nmc Cmcm Pnma P2_1/m I4/mcm Imma R-3c C2/m C2/c P-1".split(),
        strict=True,
    )
)
_ORDERED = {"tilts": "a0a0a0", "centre": "Mg", "second_centre": "W"}

ALL = (
    Family(
        "harmonic-honeycomb",
        "edge-sharing octahedra with three neighbours each, stacked by a word in + and -",
        "K. A. Modic et al., Nat. Commun. 5, 4203 (2014)",
        (
            word("+-", "'+' keeps, '-' flips the chains' orientation: + alpha, +- beta, ++-- gamma"),
            length(4.20, "edge of the rock-salt cell; metal-ligand distance a/2"),
            centre("Ir"),
            ligand("O"),
            filler("Li", "counter-ion in every other octahedral hole"),
        ),
        lambda p: honeycomb.grammar(p["a"], p["centre"], p["ligand"]).assemble(p["word"]),
        letters=honeycomb.LETTERS,
        swap=(("+", "-"),),
        filling=Filling("filler", 6),
        rule=honeycomb.check,
        members=("+", "+-", "++--", "+++---"),
        published=(
            Published("alpha-Li2IrO3", {"word": "+"}, "C2/m"),
            Published("beta-Li2IrO3", {"word": "+-"}, "Fddd"),
            Published("gamma-Li2IrO3", {"word": "++--"}, "Cccm"),
        ),
    ),
    Family(
        "polytype",
        "tetrahedra in double layers, stacked by a word of steps",
        "A. R. Verma, P. Krishna, Polymorphism and Polytypism in Crystals, Wiley (1966)",
        (
            word("++--", "Hagg's signs: + 3C, +- 2H, ++-- 4H, +++--- 6H, ++- 9R"),
            length(3.08, "edge of the triangular net; bonds are a sqrt(3/8)"),
            centre("Si"),
            ligand("C"),
        ),
        lambda p: polytypes.grammar(p["a"], p["centre"], p["ligand"]).assemble(p["word"]),
        letters=polytypes.LETTERS,
        swap=(("+", "-"),),
        members=("+", "+-", "++--", "+++---", "++-"),
        published=(
            Published("3C zinc blende", {"word": "+"}, "F-43m"),
            Published("2H wurtzite", {"word": "+-"}, "P6_3mc"),
            Published("4H", {"word": "++--"}, "P6_3mc"),
            Published("6H", {"word": "+++---"}, "P6_3mc"),
            Published("9R", {"word": "++-"}, "R3m"),
            Published("15R", {"word": "+++--"}, "R3m"),
        ),
    ),
    Family(
        "layered-perovskite",
        "sheets of corner-sharing octahedra: P perovskite, R rock salt, D Dion-Jacobson, B Aurivillius",
        "S. N. Ruddlesden, P. Popper, Acta Cryst. 11, 54 (1958); B. Aurivillius, Ark. Kemi 1, 463 (1949)",
        (
            word("PR", "how each sheet goes on: R n = 1, PR n = 2, PPR n = 3 Ruddlesden-Popper"),
            length(3.90, "edge of the square net"),
            centre("Ti"),
            ligand("O"),
            filler("Sr", "cation in the cages and rock-salt layers"),
            Parameter("spacer", "Cs", "cation of the letter D"),
            Parameter("gap", 0.62, "height of the rock-salt layer over a", 0.4, 0.9),
        ),
        lambda p: layered.grammar(
            p["a"], p["centre"], p["ligand"], p["filler"], gap=p["gap"] * p["a"], spacer=p["spacer"]
        ).assemble(p["word"]),
        letters=layered.LETTERS,
        members=("R", "PR", "PPR"),
        published=(
            Published("Sr2TiO4", {"word": "R"}, "I4/mmm"),
            Published("Sr3Ti2O7", {"word": "PR"}, "I4/mmm"),
            Published("Sr4Ti3O10", {"word": "PPR"}, "I4/mmm"),
            Published("CsLaNb2O7", {"word": "PD", "centre": "Nb", "filler": "La"}, "P4/mmm"),
            Published("SrBi2Ta2O9", {"word": "PB", "centre": "Ta"}, "I4/mmm"),
        ),
    ),
    Family(
        "perovskite",
        "corner-sharing octahedra with Glazer tilts and ordered cations, 2 x 2 x 2",
        "C. J. Howard, H. T. Stokes, Acta Cryst. B 54, 782 (1998)",
        (
            Parameter("tilts", "a-a-c+", "Glazer's notation"),
            length(3.90, "edge of the cubic cell before tilting; metal-ligand distance a/2"),
            Parameter("angle_1", 9.0, "tilt of the first letter", 0.0, 25.0, "degrees"),
            Parameter("angle_2", 6.0, "tilt of the second letter", 0.0, 25.0, "degrees"),
            Parameter("angle_3", 4.0, "tilt of the third letter", 0.0, 25.0, "degrees"),
            centre("Ti"),
            Parameter("second_centre", "", "second element in the centres, ordered"),
            Parameter("order", "none", "order of two centres", choices=perovskite.ORDERS),
            ligand("O"),
            filler("Sr", "cation in the cages"),
            Parameter("second_filler", "", "second cation, in rock-salt order"),
        ),
        _perovskite,
        members=perovskite.SYSTEMS,
        published=(
            *(Published(name, {"tilts": name}, group) for name, group in _TILTED),
            *(
                Published(f"Sr2MgWO6, {order}", {**_ORDERED, "order": order}, group)
                for order, group in (("rock-salt", "Fm-3m"), ("layered", "P4/mmm"), ("columnar", "P4/mmm"))
            ),
        ),
    ),
    Family(
        "close-packing",
        "close-packed ligands with filled octahedral holes",
        "A. F. Wells, Structural Inorganic Chemistry, 5th ed., Oxford (1984), chapter 4",
        (
            word("+", "stacking of the ligand layers: + cubic, +- hexagonal"),
            Parameter("pattern", "all", "which holes are filled", choices=packings.PATTERNS),
            length(2.80, "distance of neighbouring ligands"),
            centre("Mg"),
            Parameter("second_centre", "", "second element, in every other layer (ilmenite)"),
            ligand("O"),
        ),
        _packing,
        letters="+-",
        swap=(("+", "-"),),
        members=("+", "+-"),
        published=(
            Published("rock salt", {"word": "+"}, "Fm-3m"),
            Published("nickel arsenide", {"word": "+-", "centre": "Ni", "ligand": "As", "a": 3.60}, "P6_3/mmc"),
            Published("corundum", {"word": "+-", "pattern": "corundum", "centre": "Al"}, "R-3c"),
            Published("ilmenite", {"word": "+-", "pattern": "ilmenite", "centre": "Fe", "second_centre": "Ti"}, "R-3"),
            Published(
                "cadmium iodide",
                {"word": "+-", "pattern": "layered", "centre": "Cd", "ligand": "I", "a": 4.24},
                "P-3m1",
            ),
            Published(
                "cadmium chloride",
                {"word": "+", "pattern": "layered", "centre": "Cd", "ligand": "Cl", "a": 3.85},
                "R-3m",
            ),
        ),
    ),
    Family(
        "spinel",
        "AB2X4: tetrahedra and edge-sharing octahedra in cubic close packing",
        "W. H. Bragg, Philos. Mag. 30, 305 (1915)",
        (
            length(8.08, "cubic edge"),
            centre("Mg"),
            Parameter("second_centre", "Al", "element in the octahedra"),
            ligand("O"),
        ),
        lambda p: packings.spinel(p["a"], (p["centre"], p["second_centre"]), p["ligand"]),
        published=(Published("spinel", {}, "Fd-3m"),),
    ),
    Family(
        "fluorite",
        "MX2: edge-sharing cubes",
        "W. H. Bragg, Proc. R. Soc. Lond. A 89, 468 (1914)",
        (length(5.46, "cubic edge"), centre("Ca"), ligand("F")),
        lambda p: packings.fluorite(p["a"], p["centre"], p["ligand"]),
        published=(Published("fluorite", {}, "Fm-3m"),),
    ),
)
