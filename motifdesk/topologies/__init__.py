"""Topologies: build new structures from motifs, by words, ports and rules.

>>> build("harmonic-honeycomb", word="++--", a=4.20, centre="Ir", ligand="O", filler="Li")
>>> for member in enumerate_members("polytype", max_length=6): member.word, member.structure
"""

from .assembly import Assembly, Join, Placement
from .building import Member, build, enumerate_members, families, member
from .disassembling import disassemble
from .embedding import Embedded, embed, strained
from .parents import Parent, nonpolar_parents
from .polar import PolarPath, polar_path
from .polar_modes import PolarMode, polar_modes
from .recombining import Recombined, exchange, recombine
from .registry import Family, Parameter, Published
from .templates import Template

__all__ = [
    "Assembly",
    "Embedded",
    "Family",
    "Join",
    "Member",
    "Parameter",
    "Parent",
    "Placement",
    "PolarMode",
    "PolarPath",
    "Published",
    "Recombined",
    "Template",
    "build",
    "disassemble",
    "embed",
    "enumerate_members",
    "exchange",
    "families",
    "member",
    "nonpolar_parents",
    "polar_modes",
    "polar_path",
    "recombine",
    "strained",
]
