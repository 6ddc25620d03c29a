"""The famous nets by name: RCSR symbols (M. O'Keeffe et al., Acc. Chem. Res. 41, 1782 (2008), http://rcsr.net).

Each kind of node with its coordination sequence over ten shells and its point symbol, computed by `net.py` from the
structure named in the comment; the tests hold the well-known ones against published values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .net import Net

#: RCSR symbol -> (dimensionality, {(coordination sequence, point symbol), ...})
TABLE: dict[str, tuple[int, frozenset[tuple[tuple[int, ...], str]]]] = {
    "dia": (  # diamond, cristobalite, ZnS
        3,
        frozenset({((4, 12, 24, 42, 64, 92, 124, 162, 204, 252), "6^6")}),
    ),
    "lon": (  # lonsdaleite, tridymite, wurtzite
        3,
        frozenset({((4, 12, 25, 44, 67, 96, 130, 170, 214, 264), "6^6")}),
    ),
    "qtz": (  # quartz
        3,
        frozenset({((4, 12, 30, 52, 80, 116, 156, 204, 258, 318), "6^4.8^2")}),
    ),
    "pcu": (  # rock salt, ReO3, perovskite
        3,
        frozenset({((6, 18, 38, 66, 102, 146, 198, 258, 326, 402), "4^12.6^3")}),
    ),
    "bcu": (  # body-centred cubic, CsCl
        3,
        frozenset({((8, 26, 56, 98, 152, 218, 296, 386, 488, 602), "4^24.6^4")}),
    ),
    "fcu": (  # cubic close packing
        3,
        frozenset({((12, 42, 92, 162, 252, 362, 492, 642, 812, 1002), "3^24.4^36.5^6")}),
    ),
    "hcp": (  # hexagonal close packing
        3,
        frozenset({((12, 44, 96, 170, 264, 380, 516, 674, 852, 1052), "3^24.4^33.5^9")}),
    ),
    "flu": (  # fluorite
        3,
        frozenset(
            {
                ((4, 22, 24, 82, 64, 182, 124, 322, 204, 502), "4^6"),
                ((8, 12, 48, 42, 128, 92, 248, 162, 408, 252), "4^12.6^12.8^4"),
            }
        ),
    ),
    "rtl": (  # rutile
        3,
        frozenset(
            {
                ((3, 14, 19, 62, 51, 144, 99, 254, 163, 400), "4.6^2"),
                ((6, 10, 38, 34, 102, 74, 198, 130, 326, 202), "4^2.6^10.8^3"),
            }
        ),
    ),
    "ant": (  # anatase
        3,
        frozenset(
            {
                ((3, 13, 16, 54, 42, 119, 81, 210, 133, 327), "4^2.6"),
                ((6, 8, 32, 28, 84, 60, 162, 106, 266, 164), "4^4.6^2.8^8.10"),
            }
        ),
    ),
    "cor": (  # corundum
        3,
        frozenset(
            {
                ((4, 16, 26, 66, 70, 150, 136, 264, 224, 414), "4^3.6^3"),
                ((6, 13, 39, 46, 105, 101, 204, 178, 336, 277), "4^6.6^9"),
            }
        ),
    ),
    "spl": (  # spinel
        3,
        frozenset(
            {
                ((4, 12, 36, 44, 88, 102, 184, 176, 300, 288), "6^6"),
                ((4, 15, 25, 57, 67, 128, 133, 231, 223, 369), "4^3.6^3"),
                ((6, 12, 32, 44, 90, 96, 174, 176, 296, 276), "4^6.6^6.8^3"),
            }
        ),
    ),
    "ths": (  # ThSi2's silicon, hyperhoneycomb iridate
        3,
        frozenset({((3, 6, 12, 24, 38, 56, 77, 102, 129, 160), "10^3")}),
    ),
    "hcb": (  # honeycomb
        2,
        frozenset({((3, 6, 9, 12, 15, 18, 21, 24, 27, 30), "6^3")}),
    ),
    "sql": (  # square lattice
        2,
        frozenset({((4, 8, 12, 16, 20, 24, 28, 32, 36, 40), "4^4.6^2")}),
    ),
    "nia": (  # NiAs
        3,
        frozenset(
            {
                ((6, 18, 42, 74, 114, 162, 222, 290, 366, 450), "4^9.6^6"),
                ((6, 20, 42, 74, 114, 164, 222, 290, 366, 452), "4^12.6^3"),
            }
        ),
    ),
    "kgd": (  # CdI2 layer
        2,
        frozenset(
            {((3, 12, 9, 24, 15, 36, 21, 48, 27, 60), "4^3"), ((6, 6, 18, 12, 30, 18, 42, 24, 54, 30), "4^6.6^6.8^3")}
        ),
    ),
    "pts": (  # PtS
        3,
        frozenset(
            {
                ((4, 10, 24, 42, 64, 90, 124, 162, 204, 250), "4^2.8^4"),
                ((4, 10, 24, 42, 64, 92, 124, 162, 204, 252), "4^2.8^4"),
            }
        ),
    ),
    "sod": (  # sodalite
        3,
        frozenset({((4, 10, 20, 34, 52, 74, 100, 130, 164, 202), "4^2.6^4")}),
    ),
    "nbo": (  # NbO
        3,
        frozenset({((4, 12, 28, 50, 76, 110, 148, 194, 244, 302), "6^4.8^2")}),
    ),
    "CHA": (  # chabazite
        3,
        frozenset({((4, 9, 17, 29, 45, 64, 85, 110, 140, 173), "4^3.6^2.8")}),
    ),
    "srs": (  # SrSi2's silicon
        3,
        frozenset({((3, 6, 12, 24, 35, 48, 69, 86, 108, 138), "10^3")}),
    ),
    "hxl": (  # hexagonal lattice
        2,
        frozenset({((6, 12, 18, 24, 30, 36, 42, 48, 54, 60), "3^6.4^6.5^3")}),
    ),
    "kgm": (  # kagome
        2,
        frozenset({((4, 8, 14, 18, 22, 28, 30, 38, 38, 48), "3^2.6^2.7^2")}),
    ),
}


def recognise(net: Net) -> str | None:
    """The symbol of a net of the table, or None."""
    kinds = {}
    for members in net.kinds:
        sequence = net._sequence(members[0], 10)
        if sequence not in _SEQUENCES:
            return None
        kinds[sequence] = members[0]
    dimensionality = net.dimensionality
    for name, (rank, wanted) in TABLE.items():
        if rank == dimensionality and {sequence for sequence, _ in wanted} == set(kinds):
            found = frozenset((s, net.point_symbol(k, 12)) for s, k in kinds.items())
            if found == wanted:
                return name
    return None


_SEQUENCES = frozenset(sequence for _, kinds in TABLE.values() for sequence, _ in kinds)
