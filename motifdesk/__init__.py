"""MotifDesk: design atomic structures by their motifs.

The names a newcomer meets first; pymatgen's ``Structure`` and ``Molecule`` are the currency at every door.

>>> import motifdesk as md
>>> structure = md.read("beta-Li2IrO3.cif", cell="primitive")
>>> graph = md.find_motifs(structure)
>>> desk = md.Desk(structure)

Names resolve on first use (PEP 562), so that ``import motifdesk`` costs neither torch nor a widget library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "read": "motifdesk.structures",
    "write": "motifdesk.structures",
    "MotifDeskError": "motifdesk.structures.errors",
    "MotifDeskWarning": "motifdesk.structures.errors",
    "find_motifs": "motifdesk.motifs",
    "distortion_modes": "motifdesk.motifs",
    "distort": "motifdesk.motifs",
    "crystal_modes": "motifdesk.motifs",
    "molecule_modes": "motifdesk.motifs",
    "decompose": "motifdesk.motifs",
    "morph": "motifdesk.motifs",
    "build": "motifdesk.topologies",
    "families": "motifdesk.topologies",
    "enumerate_members": "motifdesk.topologies",
    "nonpolar_parents": "motifdesk.topologies",
    "polar_modes": "motifdesk.topologies",
    "polar_path": "motifdesk.topologies",
    "Campaign": "motifdesk.screening",
    "load_codec": "motifdesk.codec",
    "propose_missing": "motifdesk.codec",
    "load_atlas": "motifdesk.atlas",
    "Session": "motifdesk.session",
    "Desk": "motifdesk.desk",
    "assert_equivariant": "motifdesk.networks.testing",
    "assert_corners_shared": "motifdesk.motifs.testing",
    "assert_motifs_rigid": "motifdesk.motifs.testing",
    "assert_symmetry_kept": "motifdesk.motifs.testing",
    "assert_roundtrip": "motifdesk.structures.testing",
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:  # the same table for type checkers and editors
    from motifdesk.atlas import load_atlas as load_atlas
    from motifdesk.codec import load_codec as load_codec
    from motifdesk.codec import propose_missing as propose_missing
    from motifdesk.desk import Desk as Desk
    from motifdesk.motifs import crystal_modes as crystal_modes
    from motifdesk.motifs import decompose as decompose
    from motifdesk.motifs import distort as distort
    from motifdesk.motifs import distortion_modes as distortion_modes
    from motifdesk.motifs import find_motifs as find_motifs
    from motifdesk.motifs import molecule_modes as molecule_modes
    from motifdesk.motifs import morph as morph
    from motifdesk.motifs.testing import assert_corners_shared as assert_corners_shared
    from motifdesk.motifs.testing import assert_motifs_rigid as assert_motifs_rigid
    from motifdesk.motifs.testing import assert_symmetry_kept as assert_symmetry_kept
    from motifdesk.networks.testing import assert_equivariant as assert_equivariant
    from motifdesk.screening import Campaign as Campaign
    from motifdesk.session import Session as Session
    from motifdesk.structures import read as read
    from motifdesk.structures import write as write
    from motifdesk.structures.errors import MotifDeskError as MotifDeskError
    from motifdesk.structures.errors import MotifDeskWarning as MotifDeskWarning
    from motifdesk.structures.testing import assert_roundtrip as assert_roundtrip
    from motifdesk.topologies import build as build
    from motifdesk.topologies import enumerate_members as enumerate_members
    from motifdesk.topologies import families as families
    from motifdesk.topologies import nonpolar_parents as nonpolar_parents
    from motifdesk.topologies import polar_modes as polar_modes
    from motifdesk.topologies import polar_path as polar_path


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'motifdesk' has no attribute {name!r}") from None
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
