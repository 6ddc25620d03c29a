"""Energies: a small protocol, CHGNet behind it, any ASE calculator, and the energy above the hull.

>>> calculator = make_calculator({"calculator": "chgnet"})
>>> calculator.energies([structure])            # eV/atom, batched where the model allows
>>> relax(calculator, structure, fmax=0.1, steps=200)
"""

from .calculators import Calculator, make_calculator
from .hull import Hull, competing_phases
from .relaxing import Relaxed, relax

__all__ = ["Calculator", "Hull", "Relaxed", "competing_phases", "make_calculator", "relax"]
