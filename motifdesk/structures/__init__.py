"""Structures: reading, writing, arrays, symmetry, and the bundled corpora.

>>> from motifdesk.structures import read, write
>>> structure = read("beta-Li2IrO3.cif", cell="primitive")
"""

# The functions `read`, `write` and `corpora` share their modules' names, so they are bound here at once: a later
# import of the module does not rebind them. pymatgen, ase and moyopy are loaded only when a function needs them.
from .arrays import AtomArrays, from_arrays, to_arrays
from .corpora import Corpus, corpora, corpus, development_split
from .errors import MotifDeskError, MotifDeskWarning, StructureError
from .read import examples, read
from .symmetry import SpaceGroup, equivalent_sites, space_group, symmetry_operations
from .write import dumps, write

__all__ = [
    "AtomArrays",
    "Corpus",
    "MotifDeskError",
    "MotifDeskWarning",
    "SpaceGroup",
    "StructureError",
    "corpora",
    "corpus",
    "development_split",
    "dumps",
    "equivalent_sites",
    "examples",
    "from_arrays",
    "read",
    "space_group",
    "symmetry_operations",
    "to_arrays",
    "write",
]
