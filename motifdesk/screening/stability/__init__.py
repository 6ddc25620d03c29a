"""Whether a relaxed candidate would stay: phonons (dynamical stability) and elastic constants (elastic stability).

>>> phonons(structure, calculator).stable; elastic(structure, calculator).bulk
"""

from .elastic import Elastic, elastic
from .phonons import Phonons, phonons

__all__ = ["Elastic", "Phonons", "elastic", "phonons"]
