"""Crystals whose modes are tested, each with a supercell."""

from pymatgen.core import Lattice, Structure

from motifdesk.structures import read


def zincblende_layers():
    """2H MoS2: P6_3/mmc, a 3.160, c 12.294, S z 0.621."""
    return Structure.from_spacegroup(
        "P6_3/mmc", Lattice.hexagonal(3.160, 12.294), ["Mo", "S"], [[1 / 3, 2 / 3, 0.25], [1 / 3, 2 / 3, 0.621]]
    )


def ruddlesden_popper():
    """Sr2TiO4: I4/mmm, a 3.886, c 12.59."""
    return Structure.from_spacegroup(
        "I4/mmm",
        Lattice.tetragonal(3.886, 12.59),
        ["Sr", "Ti", "O", "O"],
        [[0, 0, 0.355], [0, 0, 0], [0, 0.5, 0], [0, 0, 0.160]],
    )


PARENTS = {
    "rutile": (lambda: read("rutile-TiO2.cif"), (1, 1, 2)),
    "anatase": (lambda: read("anatase-TiO2.cif"), (1, 1, 1)),
    "quartz": (lambda: read("quartz-SiO2.cif"), (1, 1, 2)),
    "quartz tripled": (lambda: read("quartz-SiO2.cif", cell="primitive"), [[2, 1, 0], [-1, 1, 0], [0, 0, 1]]),
    "MoS2": (zincblende_layers, (2, 2, 1)),
    "MoS2 root 3": (zincblende_layers, [[2, 1, 0], [-1, 1, 0], [0, 0, 1]]),
    "Sr2TiO4": (ruddlesden_popper, (1, 1, 1)),
    "Sr2TiO4 root 2": (ruddlesden_popper, [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]),
    "silicon": (lambda: read("Si.cif"), (1, 1, 1)),
    "honeycomb": (lambda: read("alpha-Li2IrO3.cif"), (1, 1, 1)),
    "post-perovskite": (lambda: read("NaIrO3.cif", cell="primitive"), (2, 1, 1)),
}


def parent(name):
    make, supercell = PARENTS[name]
    return make(), supercell
