"""Families of frameworks: tunnels, silicates, olivine, metal-organic layers."""

from __future__ import annotations

from .declaring import Family, Parameter, Published, centre, filler, ligand, word
from .families import chains, chalcogenolates, packings, pyriboles, rings, tunnels


def _count(name: str, default: int, low: int, high: int, text: str) -> Parameter:
    return Parameter(name, default, text, low, high, whole=True)


ALL = (
    Family(
        "tunnel",
        "ribbons of edge-sharing octahedra that meet at corners, with tunnels between them",
        "S. Turner, P. R. Buseck, Science 212, 1024 (1981)",
        (
            _count("width", 2, 1, 6, "width of the tunnel in octahedra"),
            _count("height", 2, 1, 6, "height of the tunnel in octahedra"),
            Parameter("bond", 1.90, "metal-ligand distance", 1.5, 3.0, "A"),
            Parameter("fold", 0.0, "added to the angle between the ribbons", -25.0, 25.0, "degrees"),
            centre("Mn"),
            ligand("O"),
            filler("", "cation in the middle of the tunnels, '' for none"),
        ),
        lambda p: tunnels.assembly(
            p["bond"], p["centre"], p["ligand"], p["width"], p["height"], p["fold"], p["filler"]
        ),
        rule=tunnels.check,
        published=(
            Published("pyrolusite", {"width": 1, "height": 1}, "P4_2/mnm"),
            Published("ramsdellite", {"width": 1, "height": 2}, "Pnma"),
            Published("hollandite", {"width": 2, "height": 2}, "I4/m"),
            Published("romanechite", {"width": 2, "height": 3}, "C2/m"),
            Published("todorokite", {"width": 3, "height": 3, "fold": 8.0}, "P2/m"),
        ),
    ),
    Family(
        "biopyribole",
        "chains and sheets of corner-sharing tetrahedra on octahedra: P pyroxene slab, M mica slab",
        "J. B. Thompson, Am. Mineral. 63, 239 (1978)",
        (
            word("P", "slabs: P pyroxene, MP amphibole, MMP triple chain, MPMMP chesterite, M talc"),
            Parameter("bond", 1.62, "distance in the tetrahedra", 1.4, 2.2, "A"),
            centre("Si"),
            ligand("O"),
            filler("Mg", "cation in the octahedra"),
            Parameter("second_filler", "", "cation at the strips' margins (M2, M4), '' for the octahedra's"),
            Parameter("ring", "OH", "anion in the rings of M slabs", choices=("OH", "F", "Cl")),
            Parameter("stagger", 0.667, "move of the next strip along the chain, in tetrahedron edges", 0.4, 0.8),
        ),
        lambda p: pyriboles.grammar(
            p["bond"],
            p["centre"],
            p["ligand"],
            p["filler"],
            p["second_filler"] or p["filler"],
            p["ring"],
            # the default is meant exactly
            stagger=2 / 3 if abs(p["stagger"] - 2 / 3) < 1e-3 else p["stagger"],
        ).assemble(p["word"]),
        letters=pyriboles.LETTERS,
        members=("P", "MP", "MMP", "MPMMP", "M"),
        published=(
            Published("clinoenstatite (high)", {"word": "P"}, "C2/c"),
            Published("diopside", {"word": "P", "second_filler": "Ca", "stagger": 0.5}, "C2/c"),
            Published("tremolite", {"word": "MP", "second_filler": "Ca", "stagger": 0.5}, "C2/m"),
            Published("clinojimthompsonite", {"word": "MMP"}, "C2/c"),
            Published("clinochesterite", {"word": "MPMMP"}, "C2/m"),
            Published("talc (one-layer)", {"word": "M"}, "C2/m"),
        ),
    ),
    Family(
        "tetrahedral-chain",
        "single chains of corner-sharing tetrahedra of any period, U and D their sides",
        "F. Liebau, Structural Chemistry of Silicates, Springer (1985), chapter 4",
        (
            word("UD", "side of each tetrahedron: UD zweier, UUD dreier (wollastonite), UUDUD fuenfer (rhodonite)"),
            Parameter("bond", 1.68, "distance in the tetrahedra", 1.3, 2.6, "A"),
            centre("Cr"),
            ligand("O"),
            Parameter("lean", 34.0, "lean of the tetrahedra out of the chain's plane", 0.0, 60.0, "degrees"),
            Parameter("beside", 4.70, "distance of neighbouring chains in their plane", 3.0, 12.0, "A"),
            Parameter("above", 5.05, "distance of the chains' planes", 3.0, 12.0, "A"),
            Parameter("rise", 0.5, "height of the next chain beside, in the distance of the planes", 0.0, 1.0),
            Parameter("shift", 0.0, "move along the chain to the next one, in tetrahedra", 0.0, 2.0),
        ),
        lambda p: chains.grammar(
            p["bond"], p["centre"], p["ligand"], p["lean"], p["beside"], p["above"], p["rise"], p["shift"]
        ).assemble(p["word"]),
        letters=chains.LETTERS,
        rule=chains.check,
        swap=(("U", "D"),),
        members=("UD", "UUD", "UUDD", "UUDUD", "UUDUDUD"),
        published=(Published("chromium trioxide", {}, "Ama2"),),
    ),
    Family(
        "ring-silicate",
        "rings of three or six corner-sharing tetrahedra, tied by octahedra",
        "W. H. Zachariasen, Z. Kristallogr. 74, 139 (1930); W. L. Bragg, J. West, Proc. R. Soc. A 111, 691 (1926)",
        (
            Parameter("ring", "6", "tetrahedra in a ring", choices=rings.RINGS),
            Parameter("bond", 1.61, "distance in the rings' tetrahedra", 1.4, 2.2, "A"),
            centre("Si"),
            ligand("O"),
            filler("", "cation in the octahedra, '' for the usual one (Ti with 3, Al with 6)"),
            Parameter("second_filler", "", "cation in the second places, '' for the usual one (Ba with 3, Be with 6)"),
            Parameter("octahedron", 1.92, "distance in the octahedra", 1.7, 2.4, "A"),
            Parameter("second_bond", 1.65, "distance in the tying tetrahedra (rings of six)", 1.4, 2.2, "A"),
        ),
        lambda p: rings.assembly(
            p["bond"],
            p["centre"],
            p["ligand"],
            p["ring"],
            p["filler"],
            p["second_filler"],
            p["octahedron"],
            p["second_bond"],
        ),
        published=(
            Published("benitoite", {"ring": "3"}, "P-6c2"),
            Published("beryl", {"ring": "6"}, "P6/mcc"),
        ),
    ),
    Family(
        "olivine",
        "A2BX4: serrated chains of octahedra and single tetrahedra in hexagonal close packing",
        "W. L. Bragg, G. B. Brown, Z. Kristallogr. 63, 538 (1926)",
        (
            Parameter("a", 2.95, "distance of neighbouring ligands", 2.0, 6.0, "A"),
            centre("Si"),
            ligand("O"),
            filler("Mg", "cation in the octahedra on inversion centres (M1)"),
            Parameter("second_filler", "", "cation in the octahedra on mirror planes (M2), '' for the same"),
        ),
        lambda p: packings.olivine(p["a"], (p["centre"], p["filler"], p["second_filler"] or p["filler"]), p["ligand"]),
        published=(
            Published("forsterite", {}, "Pnma"),
            Published("monticellite", {"second_filler": "Ca", "a": 3.05}, "Pnma"),
            Published("triphylite", {"centre": "P", "filler": "Li", "second_filler": "Fe"}, "Pnma"),
        ),
    ),
    Family(
        "chalcogenolate",
        "metal chalcogenide sheets with phenyls on both sides (the prototype of mithrene)",
        "E. A. Schriber et al., Nature 601, 360 (2022)",
        (
            Parameter("a", 5.83, "edge of the sheet's cell (two metals)", 4.0, 9.0, "A"),
            Parameter("b", 7.29, "other edge of the sheet's cell (two metals)", 4.0, 9.0, "A"),
            centre("Ag"),
            Parameter("ligand", "Se", "chalcogen", choices=("S", "Se", "Te")),
            Parameter("bond", 2.70, "metal-chalcogen distance", 2.0, 3.5, "A"),
            Parameter(
                "zigzag", 0.33, "shift of the metals along b: 0 a square net, 0.33 a trigonal one", 0.0, 0.6, "A"
            ),
            Parameter("spacing", 14.5, "sheet to sheet", 12.0, 20.0, "A"),
            Parameter("slip", -0.1, "shift of the next sheet along a, in a", -0.5, 0.5),
            Parameter("twist", 30.0, "turn of the phenyls about their axis", 0.0, 90.0, "degrees"),
            Parameter("lean", -10.0, "lean of the phenyls' axis towards a", -35.0, 35.0, "degrees"),
        ),
        lambda p: chalcogenolates.assembly(
            p["a"],
            p["b"],
            p["centre"],
            p["ligand"],
            p["bond"],
            p["zigzag"],
            p["spacing"],
            p["slip"],
            p["twist"],
            p["lean"],
        ),
        rule=chalcogenolates.check,
        published=(
            Published("mithrene (prototype)", {}, "P2/c"),
            Published("tethrene (prototype)", {"ligand": "Te", "bond": 2.85, "spacing": 15.2}, "P2/c"),
        ),
        # the phenyl's carbon, on average, with Se -2 and H +1
        charges={"C": -2 / 3, "H": 1.0},
    ),
)
