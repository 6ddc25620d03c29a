"""Calculators: what gives an energy, and what ASE needs to relax with it."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, Protocol

import numpy as np

from motifdesk.structures import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import one_line

from ..errors import ScreeningError


class Calculator(Protocol):
    """What a campaign asks of a calculator.

    name: with the version of the model; energies of different names are never compared. energies: eV/atom of each
    structure, in their order; a structure it cannot do gives NaN or raises. ase: a fresh or shared
    `ase.calculators.calculator.Calculator`.
    """

    name: str

    def energies(self, structures: Sequence[AtomArrays]) -> list[float]: ...

    def ase(self) -> Any: ...


class AseCalculator:
    """Any ASE calculator behind the protocol: `factory` makes one, called once."""

    def __init__(self, factory: Any, name: str) -> None:
        self.name = name
        self._factory = factory
        self._made: Any = None

    def ase(self) -> Any:
        """The ASE calculator."""
        if self._made is None:
            self._made = self._factory()
        return self._made

    def energies(self, structures: Sequence[AtomArrays]) -> list[float]:
        """eV/atom, one after the other."""
        out = []
        for a in structures:
            atoms = to_ase(a)
            atoms.calc = self.ase()
            out.append(float(atoms.get_potential_energy()) / len(atoms))
        return out


class ChgnetCalculator:
    """CHGNet: a pretrained graph network for energies, forces, stresses and magnetic moments.

    B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023); model 0.3.0, whose weights come with the package (modified BSD).
    Trained on Materials Project relaxations at GGA and GGA+U: its energies are of that kind, and are compared here with
    its own energies of the competing phases alone, never with the tabulated ones.
    """

    def __init__(self, device: str = "cpu", batch: int = 16) -> None:
        try:
            with redirect_stdout(io.StringIO()):
                from chgnet.model import CHGNet

                self._model = CHGNet.load(use_device=device, verbose=False)
                self._model.graph_converter.set_isolated_atom_response("ignore")
        except ImportError as error:
            raise ScreeningError(
                f"CHGNet is not installed: {error}", where="[energy]", remedy='pip install "motifdesk[screen]"'
            ) from error
        self.name = f"chgnet-{self._model.version}"
        self._batch = batch
        self._ase: Any = None

    def ase(self) -> Any:
        """The model as an ASE calculator of energy, forces and stress (`chgnet_ase`: half the time of CHGNet's own)."""
        if self._ase is None:
            from .chgnet_ase import LeanChgnet

            self._ase = LeanChgnet(self._model)
        return self._ase

    def energies(self, structures: Sequence[AtomArrays]) -> list[float]:
        """eV/atom, in batches; one that cannot be made into a graph gives NaN without harming the others."""
        out = [math.nan] * len(structures)
        graphs, places = [], []
        for k, a in enumerate(structures):
            graph = self._graph(a)
            if graph is not None:
                graphs.append(graph)
                places.append(k)
        if graphs:
            from .chgnet_ase import without_denormals

            with without_denormals():
                found = self._model.predict_graph(graphs, task="e", batch_size=self._batch)
            found = [found] if isinstance(found, dict) else found
            for k, prediction in zip(places, found, strict=True):
                out[k] = float(prediction["e"])
        return out

    def _graph(self, arrays: AtomArrays) -> Any:
        try:
            return self._model.graph_converter(from_arrays(arrays))
        except (ValueError, RuntimeError, IndexError):  # isolated atoms and the like
            return None


def to_ase(arrays: AtomArrays) -> Any:
    """ase.Atoms, periodic where there is a cell."""
    from ase import Atoms

    return Atoms(arrays.numbers, arrays.positions, cell=arrays.cell, pbc=arrays.cell is not None)


def well_shaped(atoms: Any) -> None:
    """ScreeningError where forces or stress have not the shape that ASE asks for: atoms would follow others' forces."""
    results = getattr(atoms.calc, "results", {})
    for what, allowed in (("forces", [(len(atoms), 3)]), ("stress", [(6,), (3, 3)])):
        found = results.get(what)
        if found is not None and np.shape(found) not in allowed:
            raise ScreeningError(
                f"the calculator returned {what} of shape {np.shape(found)}, not {' or '.join(map(str, allowed))}",
                where=to_arrays(atoms).formula,
            )


def make_calculator(options: Mapping[str, Any]) -> Calculator:
    """The calculator of a plan's ``[energy]`` table: "chgnet", "distilled" (the bundled fast potential), or
    ``"module:Class"`` of any ASE calculator (or of a function that returns one, or of a class with the protocol's
    methods), called with the table `arguments`.

    Naming a module runs its code: use plans of people you trust.

    Raises
    ------
    ScreeningError
        it cannot be imported or does not start.
    """
    path = options["calculator"]
    arguments = dict(options.get("arguments") or {})
    try:
        if path == "chgnet":
            return ChgnetCalculator(**arguments)
        if path == "distilled":
            from .distilled import DistilledCalculator

            return DistilledCalculator(**arguments)
        from ..generators.base import named

        made = named(path, "[energy] calculator", '"chgnet", "distilled" or "module:Class" of an ASE calculator')
        first = made(**arguments)
    except TypeError as error:
        raise ScreeningError(
            f"{path} does not take these arguments: {one_line(error)}", where="[energy] arguments"
        ) from error
    if hasattr(first, "energies") and hasattr(first, "ase") and hasattr(first, "name"):
        return first
    if not hasattr(first, "get_potential_energy"):
        raise ScreeningError(f"{path} is no ASE calculator", where="[energy] calculator")
    return AseCalculator(lambda: first, path)
