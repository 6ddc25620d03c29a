"""One unit of work: make candidates, check them, compute energies; the same in a child process, on Dask, or at home."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from motifdesk.structures import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifDeskError, one_line

from .candidate import Candidate, Energy, arrays_from_dict
from .checks import Checks
from .energies import make_calculator, relax
from .energies.calculators import Calculator
from .errors import ScreeningError
from .generators import Generator, make_generator

Told = Callable[[dict[str, Any]], None]


class Workshop:
    """Everything a plan needs in one process, made when first used.

    Parameters
    ----------
    spec
        of `Plan.spec`: plain JSON, so that it travels to any process.
    generators, calculator
        live objects to use instead of those that the plan names; then it cannot travel.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        generators: Mapping[str, Generator] | None = None,
        calculator: Calculator | None = None,
    ) -> None:
        self.spec = spec
        self._generators: dict[str, Generator] = dict(generators or {})
        self._given = calculator

    @cached_property
    def _checks(self) -> Checks:
        return Checks(self.spec["checks"])

    @cached_property
    def calculator(self) -> Calculator:
        """The calculator of the plan."""
        return self._given if self._given is not None else make_calculator(self.spec["energy"])

    def fit(self) -> None:
        """Make the calculator. ScreeningError where that fails: no candidate is at fault, and none is to be lost."""
        if not self.spec["energy"]["calculator"]:
            return
        try:
            _ = self.calculator
        except ScreeningError:
            raise
        except Exception as error:  # a class of the user's own may raise anything
            name = self.spec["energy"]["calculator"]
            said = one_line(error, 200) if str(error) else "no message"
            raise ScreeningError(
                f"{name} does not start: {type(error).__name__}: {said}",
                where="[energy] calculator",
                remedy="mend it and run the same plan again, it goes on where it stopped",
            ) from error

    def warm(self) -> None:
        """Load what takes seconds: generators and the map."""
        for table in self.spec["generate"]:
            self.generator(table["name"])
        if self.spec["map"]:
            from .checks.wishes import the_codec
            from .placing import the_atlas

            the_codec()
            the_atlas()

    def generator(self, name: str) -> Generator:
        """A generator by its name in the plan."""
        if name not in self._generators:
            table = next(t for t in self.spec["generate"] if t["name"] == name)
            self._generators[name] = make_generator(table, self.spec["seed"])
        return self._generators[name]

    def do(self, task: Mapping[str, Any], tell: Told) -> None:
        """Do a task; `tell` gets one dict per result, and empty dicts as signs of life between.

        Tasks: {"generator", "indices"} -> {"candidate": ...} each; {"phases": [[id, arrays], ...]} -> {"phase": [id,
        eV/atom or None, note]} each; {"stability": [[id, arrays], ...]} -> {"stable": [id, figures]} each.
        """
        if "phases" in task:
            self._phases(task["phases"], tell)
            return
        if "stability" in task:
            from .stability.judging import look

            for identifier, given in task["stability"]:
                arrays = arrays_from_dict(given)
                assert arrays is not None
                tell({"stable": [identifier, look(arrays, self.calculator, self.spec["stability"], lambda: tell({}))]})
            return
        generator = self.generator(task["generator"])
        checked: list[tuple[Candidate, float]] = []
        for index in task["indices"]:
            began = time.perf_counter()
            candidate = self._checks(self._reduced(generator.make(index)))
            spent = time.perf_counter() - began
            if candidate.status != "passed" or not self.spec["energy"]["calculator"]:
                tell({"candidate": self._placed(candidate.with_(seconds=spent)).to_dict()})
            else:
                checked.append((candidate, spent))
                tell({})
        if not checked:
            return
        if self.spec["energy"]["relax"]:
            for candidate, spent in checked:
                began = time.perf_counter()
                done = self._relaxed(candidate)
                done = self._placed(done.with_(seconds=spent + time.perf_counter() - began))
                tell({"candidate": done.to_dict()})
            return
        began = time.perf_counter()
        values = self._energies([c.arrays for c, _ in checked if c.arrays is not None])
        each = (time.perf_counter() - began) / len(checked)
        for (candidate, spent), (value, note) in zip(checked, values, strict=True):
            done = candidate.with_(seconds=spent + each)
            if value is None:
                done = done.with_(error=note)
            else:
                done = done.with_(energy=Energy(self.calculator.name, value))
            tell({"candidate": self._placed(done).to_dict()})

    def _reduced(self, candidate: Candidate) -> Candidate:
        """In its primitive cell, where the plan asks for it and that is smaller."""
        if not self.spec["primitive"] or candidate.arrays is None or not candidate.arrays.is_crystal:
            return candidate
        from motifdesk.structures.cells import is_primitive, primitive_cell

        try:
            if is_primitive(candidate.arrays):
                return candidate
            structure: Any = from_arrays(candidate.arrays)
            small = to_arrays(primitive_cell(structure))
        except MotifDeskError:  # no symmetry found: the checks say what is wrong with it
            return candidate
        return candidate.with_(arrays=small) if len(small) < len(candidate.arrays) else candidate

    def _relaxed(self, candidate: Candidate) -> Candidate:
        assert candidate.arrays is not None
        try:
            found, energy = self._relax(candidate.arrays)
        except Exception as error:  # a calculator may raise anything; the campaign goes on without this one
            return candidate.with_(error=_told(error))
        if energy.steps == 0:  # it was at rest: nothing moved, and nothing is to be judged anew
            return candidate.with_(relaxed=found, energy=energy)
        # figures are those of the final structure; the verdicts stay those that let it be relaxed
        after = self._checks(Candidate(candidate.generator, candidate.seed, candidate.index, {}, found))
        figures = {**{k: v for k, v in candidate.figures.items() if k != "known_as"}, **after.figures}
        if after.reason:
            figures["after_relaxing"] = after.reason
        return candidate.with_(relaxed=found, energy=energy, figures=figures)

    def _relax(self, arrays: AtomArrays) -> tuple[AtomArrays, Energy]:
        e = self.spec["energy"]
        got = relax(
            self.calculator,
            arrays,
            fmax=e["fmax"],
            steps=e["steps"],
            cell=e["cell"],
            seconds=0.8 * e["seconds"],
            optimiser=e["optimiser"],
        )
        note = "" if got.converged else f"not converged after {got.steps} steps"
        energy = Energy(self.calculator.name, got.per_atom, got.converged, got.fmax, got.steps, note=note)
        return got.arrays, energy

    def _energies(self, structures: Sequence[AtomArrays]) -> list[tuple[float | None, str]]:
        """(eV/atom, "") or (None, why not) of each; what fails together is tried one by one."""
        try:
            values = self.calculator.energies(structures)
            if len(values) != len(structures):
                raise ValueError(f"{len(values)} energies for {len(structures)} structures")
            values = [float(v) for v in values]
        except Exception as error:  # a calculator may raise anything
            if len(structures) == 1:
                return [(None, _told(error))]
            return [pair for a in structures for pair in self._energies([a])]
        name = self.calculator.name
        return [(v, "") if math.isfinite(v) else (None, f"calculator {name}: the energy is {v}") for v in values]

    def _phases(self, phases: Sequence[Any], tell: Told) -> None:
        for identifier, given in phases:
            arrays = arrays_from_dict(given)
            assert arrays is not None
            try:
                if self.spec["energy"]["relax"] and self.spec["energy"]["hull_relax"]:
                    _, energy = self._relax(arrays)
                    tell({"phase": [identifier, energy.per_atom, energy.note]})
                    continue
                value, note = self._energies([arrays])[0]
            except Exception as error:  # a calculator may raise anything
                value, note = None, _told(error)
            tell({"phase": [identifier, value, note]})

    def _placed(self, candidate: Candidate) -> Candidate:
        """With its place on the map, where the plan asks for it."""
        if not self.spec["map"] or candidate.status != "passed":
            return candidate
        from .checks.wishes import the_codec
        from .placing import place

        final = candidate.arrays if candidate.relaxed is None else candidate.relaxed
        assert final is not None
        try:
            figures = place(the_codec(), final)
        except MotifDeskError:  # an element the codec does not know: no place on the map
            return candidate
        return candidate.with_(figures={**candidate.figures, **figures})


def _told(error: Exception) -> str:
    text = one_line(error, 200) if str(error) else "no message"
    return f"calculator: {text}" if isinstance(error, MotifDeskError) else f"calculator: {type(error).__name__}: {text}"
