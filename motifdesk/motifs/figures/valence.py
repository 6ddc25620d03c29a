"""Bond valence: s = exp((R0 - d) / 0.37).

R0 of cation-anion pairs after I. D. Brown and D. Altermatt, Acta Cryst. B41, 244 (1985) and N. E. Brese and
M. O'Keeffe, Acta Cryst. B47, 192 (1991), for oxides and the commonest halides and sulphides; every other pair by the
element rule of M. O'Keeffe and N. E. Brese, J. Am. Chem. Soc. 113, 3226 (1991), from pymatgen's radii and softnesses.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..detection.finding import find_motifs
from ..hierarchy.graph import MotifGraph

B = 0.37  # Angstrom

# fmt: off
#: anion -> {cation: {oxidation state: R0 in Angstrom}}
R0: dict[str, dict[str, dict[int, float]]] = {
    "O": {
        "Ac": {3: 2.24}, "Ag": {1: 1.805}, "Al": {3: 1.651}, "Am": {3: 2.11}, "As": {3: 1.789, 5: 1.767},
        "Au": {3: 1.833}, "B": {3: 1.371}, "Ba": {2: 2.285}, "Be": {2: 1.381}, "Bi": {3: 2.094, 5: 2.06},
        "Br": {7: 1.81}, "C": {4: 1.39}, "Ca": {2: 1.967}, "Cd": {2: 1.904}, "Ce": {3: 2.151, 4: 2.028},
        "Cl": {7: 1.632}, "Co": {2: 1.692, 3: 1.70}, "Cr": {2: 1.73, 3: 1.724, 6: 1.794}, "Cs": {1: 2.417},
        "Cu": {1: 1.593, 2: 1.679}, "Dy": {3: 2.001}, "Er": {3: 2.010}, "Eu": {2: 2.147, 3: 2.074},
        "Fe": {2: 1.734, 3: 1.759}, "Ga": {3: 1.730}, "Gd": {3: 2.065}, "Ge": {4: 1.748}, "H": {1: 0.95},
        "Hf": {4: 1.923}, "Hg": {1: 1.90, 2: 1.972}, "Ho": {3: 2.025}, "I": {5: 2.003, 7: 1.93}, "In": {3: 1.902},
        "Ir": {4: 1.870, 5: 1.916}, "K": {1: 2.132}, "La": {3: 2.172}, "Li": {1: 1.466}, "Lu": {3: 1.971},
        "Mg": {2: 1.693}, "Mn": {2: 1.790, 3: 1.760, 4: 1.753, 7: 1.79}, "Mo": {6: 1.907}, "N": {3: 1.361, 5: 1.432},
        "Na": {1: 1.803}, "Nb": {5: 1.911}, "Nd": {3: 2.117}, "Ni": {2: 1.654}, "Os": {4: 1.811},
        "P": {5: 1.617}, "Pb": {2: 2.112, 4: 2.042}, "Pd": {2: 1.792}, "Pr": {3: 2.138}, "Pt": {2: 1.768, 4: 1.879},
        "Rb": {1: 2.263}, "Re": {7: 1.97}, "Rh": {3: 1.793}, "Ru": {4: 1.834}, "S": {4: 1.644, 6: 1.624},
        "Sb": {3: 1.973, 5: 1.942}, "Sc": {3: 1.849}, "Se": {4: 1.811, 6: 1.788}, "Si": {4: 1.624}, "Sm": {3: 2.088},
        "Sn": {2: 1.984, 4: 1.905}, "Sr": {2: 2.118}, "Ta": {5: 1.920}, "Tb": {3: 2.049}, "Te": {4: 1.977, 6: 1.917},
        "Th": {4: 2.167}, "Ti": {3: 1.791, 4: 1.815}, "Tl": {1: 2.172, 3: 2.003}, "Tm": {3: 2.000},
        "U": {4: 2.112, 6: 2.075}, "V": {3: 1.743, 4: 1.784, 5: 1.803}, "W": {6: 1.921}, "Y": {3: 2.014},
        "Yb": {3: 1.985}, "Zn": {2: 1.704}, "Zr": {4: 1.937},
    },
    "F": {
        "Al": {3: 1.545}, "Ba": {2: 2.188}, "Be": {2: 1.281}, "Ca": {2: 1.842}, "Cd": {2: 1.811}, "Co": {2: 1.64},
        "Cs": {1: 2.33}, "Cu": {2: 1.594}, "Fe": {2: 1.65, 3: 1.679}, "K": {1: 1.992},
        "Li": {1: 1.360}, "Mg": {2: 1.578}, "Mn": {2: 1.698, 3: 1.66}, "Na": {1: 1.677}, "Ni": {2: 1.596},
        "Pb": {2: 2.03}, "Rb": {1: 2.16}, "Si": {4: 1.58}, "Sr": {2: 2.019}, "Ti": {4: 1.76}, "Y": {3: 1.904},
        "Zn": {2: 1.62}, "Zr": {4: 1.854},
    },
    "Cl": {
        "Ag": {1: 2.09}, "Al": {3: 2.032}, "Ba": {2: 2.69}, "Ca": {2: 2.37}, "Cs": {1: 2.791}, "K": {1: 2.519},
        "La": {3: 2.545}, "Li": {1: 1.91}, "Mg": {2: 2.08}, "Mn": {2: 2.133}, "Na": {1: 2.15}, "Pb": {2: 2.53},
        "Rb": {1: 2.652}, "Sr": {2: 2.51}, "Ti": {4: 2.19}, "Zn": {2: 2.01},
    },
    "S": {
        "Ag": {1: 2.119}, "Al": {3: 2.13}, "Ba": {2: 2.769}, "Ca": {2: 2.45}, "Cd": {2: 2.304}, "Cu": {1: 1.898},
        "Fe": {2: 2.12, 3: 2.149}, "Ga": {3: 2.163}, "Ge": {4: 2.217}, "In": {3: 2.370}, "La": {3: 2.643},
        "Li": {1: 1.94}, "Mg": {2: 2.18}, "Mo": {4: 2.235}, "Na": {1: 2.28}, "P": {5: 2.145}, "Pb": {2: 2.541},
        "Si": {4: 2.126}, "Sn": {4: 2.399}, "Sr": {2: 2.59}, "Ti": {4: 2.29}, "Zn": {2: 2.09},
    },
}
# fmt: on


@lru_cache(maxsize=4096)
def bond_length_parameter(cation: str, oxidation: float, anion: str) -> float | None:
    """R0 (Angstrom) of a pair; of the tabulated oxidation states the nearest. None where nothing is known."""
    states = R0.get(anion, {}).get(cation)
    if states:
        return states[min(states, key=lambda q: (abs(q - oxidation), q))]
    from pymatgen.analysis.bond_valence import BV_PARAMS
    from pymatgen.core import Element

    a, b = BV_PARAMS.get(Element(cation)), BV_PARAMS.get(Element(anion))
    if a is None or b is None:
        return None
    r, s, c, d = a["r"], b["r"], a["c"], b["c"]
    return r + s - r * s * (math.sqrt(c) - math.sqrt(d)) ** 2 / (c * r + d * s)


def bond_valence(cation: str, oxidation: float, anion: str, length: float) -> float | None:
    """Valence of one bond of `length` Angstrom; None where no parameter is known."""
    r0 = bond_length_parameter(cation, oxidation, anion)
    return None if r0 is None else math.exp((r0 - length) / B)


def bond_valence_sums(structure: Any, graph: MotifGraph | None = None) -> dict[int, float]:
    """Bond-valence sum of every site, positive: site -> valence units.

    Over the bonds between each motif's centre and its ligands of opposite sign, at the lengths `structure` has (which
    may be a distortion of the graph's own). Sites without such bonds, or with a bond whose parameter is unknown, are
    left out; structures without oxidation states give an empty answer.
    """
    graph = graph if graph is not None else find_motifs(structure)
    sums: dict[int, float] = {}
    unknown: set[int] = set()
    if not any(graph.oxidation):
        return sums
    for motif in graph.motifs:
        centre = motif.centre
        positions = motif.positions(structure)
        lengths = np.linalg.norm(positions[1:] - positions[0], axis=1)
        for ligand, length in zip(motif.ligands, lengths, strict=True):
            if graph.oxidation[centre] * graph.oxidation[ligand.site] >= 0:
                continue
            s = bond_valence(graph.element(centre), graph.oxidation[centre], graph.element(ligand.site), float(length))
            if s is None:
                unknown.update((centre, ligand.site))
                continue
            for site in (centre, ligand.site):
                sums[site] = sums.get(site, 0.0) + s
    return {site: value for site, value in sorted(sums.items()) if site not in unknown}
