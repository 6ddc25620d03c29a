"""Topologies: build new structures from motifs, by words, ports and rules.

>>> build("harmonic-honeycomb", word="++--", a=4.20, centre="Ir", ligand="O", filler="Li")
>>> for member in enumerate_members("polytype", max_length=6): member.word, member.structure
"""

from .building import Member, build, enumerate_members, families, member
from .registry import Family, Parameter

__all__ = ["Family", "Member", "Parameter", "build", "enumerate_members", "families", "member"]
