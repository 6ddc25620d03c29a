"""A campaign: everything a plan proposes, through checks and energies, into the store; again and again until done.

>>> campaign = Campaign("plan.toml")
>>> campaign.run()                       # again after a kill: it goes on where it stopped
>>> campaign.store.candidates("status = 'passed' AND duplicate_of IS NULL", order="above_hull", limit=10)
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motifdesk import __version__

from .candidate import Candidate
from .energies.calculators import Calculator
from .errors import ScreeningError
from .executors import Executor, Task, make_executor
from .finishing import mark_duplicates, mark_hull
from .generators import Generator
from .plan import Plan
from .stability.judging import mark_stability
from .store import Store
from .work import Workshop

_COMMIT = 0.5  # seconds between transactions: what a kill can cost is made again


@dataclass(frozen=True)
class Progress:
    """Where a campaign stands: stage, candidates done of total (those of earlier runs among them), passed, rejected and
    failed so far, candidates per second of late, seconds left (None: unknown yet)."""

    stage: str
    done: int
    total: int
    counts: Mapping[str, int]
    rate: float
    left: float | None

    def __str__(self) -> str:
        if self.stage != "candidates":
            return f"{self.stage}: {self.done} of {self.total}"
        left = "" if self.left is None else f", {_clock(self.left)} left"
        parts = ", ".join(f"{n} {s}" for s, n in sorted(self.counts.items()))
        if self.rate <= 0:
            return f"{self.done} of {self.total}" + (f" ({parts})" if parts else "")
        pace = f"{self.rate:.1f}/s" if self.rate >= 0.1 else f"{60 * self.rate:.1f}/min"
        return f"{self.done} of {self.total} ({parts}), {pace}{left}"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: complete (everything is in the store), counts by status, duplicates, seconds of this run, and
    what was made in it."""

    complete: bool
    counts: Mapping[str, int]
    duplicates: int
    seconds: float
    made: int


class Campaign:
    """A plan and its store.

    Parameters
    ----------
    plan
        a TOML file, a dict, or a `Plan`.
    generators, calculator
        live objects instead of those the plan names, for notebooks: the work is then done in this process.

    Raises
    ------
    ScreeningError
        a bad plan; a store whose generators of the same names were made with other options.
    """

    def __init__(
        self,
        plan: str | os.PathLike[str] | Mapping[str, Any] | Plan,
        *,
        generators: Sequence[Generator] | None = None,
        calculator: Calculator | None = None,
    ) -> None:
        if isinstance(plan, Plan):
            self.plan = plan
        else:
            self.plan = Plan.make(plan) if isinstance(plan, Mapping) else Plan.read(plan)
        self.generators = list(generators) if generators is not None else self.plan.generators()
        self._live = generators is not None or calculator is not None
        self._calculator = calculator
        self._stop = threading.Event()
        self.store = Store(self.plan.store)
        try:
            self._same_plan()
        except ScreeningError:
            self.store.close()
            raise

    def __repr__(self) -> str:
        return f"Campaign({self.plan.campaign['name']}: {self.total} candidates planned, {self.store!r})"

    @property
    def total(self) -> int:
        """How many candidates the plan asks for."""
        return sum(len(g) for g in self.generators)

    def cancel(self) -> None:
        """Stop a run soon, from another thread: what is finished stays, what is not is made at the next run."""
        self._stop.set()

    def open(self, identifier: str) -> Any:
        """The final structure of a candidate by its id, for `motifdesk.Desk`."""
        return self.store.open(identifier)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def run(
        self,
        *,
        workers: int | None = None,
        scheduler: Any = None,
        progress: Callable[[Progress], object] | None = None,
        retry: bool = False,
    ) -> Outcome:
        """Make what is missing, then mark duplicates and energies above the hull.

        Parameters
        ----------
        workers : child processes instead of the plan's number; 0: in this process
        scheduler : address of a Dask scheduler or a `distributed.Client`, instead of workers
        progress : called at the start of each stage, then as results come, at most twice a second
        retry : make again what ended in an error in earlier runs

        Raises
        ------
        ScreeningError
            the disk is full, another campaign writes to the store, the scheduler does not answer. What was written
            stays, and the next run goes on. KeyboardInterrupt: likewise.
        """
        began = time.monotonic()
        self._stop.clear()
        self.store.lock()
        try:
            if retry:
                self.store.forget_failures()
            made, duplicates = self._run(workers, scheduler, progress)
        finally:
            self.store.unlock()
        return Outcome(not self._stop.is_set(), self.store.counts(), duplicates, time.monotonic() - began, made)

    def _run(
        self, workers: int | None, scheduler: Any, progress: Callable[[Progress], object] | None
    ) -> tuple[int, int]:
        self._remember()
        where: Any = scheduler or self.plan.campaign["scheduler"] or None
        if workers is not None or where is None:
            where = self.plan.campaign["workers"] if workers is None else workers
        if self._live:
            where = 0
        energy = self.plan.energy
        executor = make_executor(self.plan.spec, self._shop, where, energy["seconds"])
        try:
            made = self._fill(executor, progress)
            duplicates = 0
            if not self._stop.is_set():
                duplicates = mark_duplicates(
                    self.store, self._stop, _stage(progress, "duplicates"), self.plan.campaign["stol"]
                )
            if energy["calculator"] and energy["hull"] and not self._stop.is_set():
                run = self._phases(executor)
                tell = _stage(progress, "hull")
                mark_hull(self.store, run, energy["hull_atoms"], self._kind, tell, self._bundled())
            stability = self.plan.stability
            if (stability["phonons"] or stability["elastic"]) and not self._stop.is_set():
                told = _stage(progress, "stability")
                mark_stability(self.store, executor, self._stop, stability, self._kind, told)
        finally:
            executor.close()
        return made, duplicates

    # -------------------------------------------------------------------------------------------------- the stages

    def _fill(self, executor: Executor, progress: Callable[[Progress], object] | None) -> int:
        counts = dict(self.store.counts())
        total = self.total
        done = self._finished()
        started, made = time.monotonic(), 0
        recent: deque[tuple[float, int]] = deque([(started, 0)], maxlen=40)
        held: list[Candidate] = []
        written = told = started

        def tell() -> None:
            if progress is not None:
                (t0, n0), now = recent[0], time.monotonic()
                rate = (made - n0) / max(now - t0, 1e-9)
                left = (total - done) / rate if rate > 0 else None
                progress(Progress("candidates", done, total, dict(counts), rate, left))

        tell()  # before the first is done, which may take minutes
        try:
            for result in executor.run(self._tasks(), self._stop):
                candidate = self._candidate(result)
                held.append(candidate)
                counts[candidate.status] = counts.get(candidate.status, 0) + 1
                done, made = done + 1, made + 1
                now = time.monotonic()
                if now - written > _COMMIT:
                    self.store.put(held)
                    held, written = [], now
                if now - told > 0.5:
                    recent.append((now, made))
                    tell()
                    told = now
        finally:
            if held:
                self.store.put(held)
        tell()
        return made

    def _finished(self) -> int:
        return sum(len({k for k in self.store.done(g.name, g.seed) if k < len(g)}) for g in self.generators)

    def _tasks(self) -> Iterator[Task]:
        size = self.plan.campaign["batch"]
        for g in self.generators:
            done = self.store.done(g.name, g.seed)
            batch: list[int] = []
            for k in range(len(g)):
                if k in done:
                    continue
                batch.append(k)
                if len(batch) == size:
                    yield {"generator": g.name, "indices": batch}
                    batch = []
            if batch:
                yield {"generator": g.name, "indices": batch}

    def _candidate(self, result: Mapping[str, Any]) -> Candidate:
        if "candidate" in result:
            return Candidate.from_dict(result["candidate"])
        task, why = result["lost"]
        generator = next(g for g in self.generators if g.name == task["generator"])
        return Candidate(generator.name, generator.seed, int(task["indices"][0]), error=str(why))

    def _phases(self, executor: Executor) -> Callable[[Iterable[Task]], Iterator[tuple[str, float | None, str]]]:
        def run(tasks: Iterable[Task]) -> Iterator[tuple[str, float | None, str]]:
            for result in executor.run(tasks, self._stop):
                if "phase" in result:
                    identifier, value, note = result["phase"]
                else:
                    task, note = result["lost"]
                    identifier, value = task["phases"][0][0], None
                yield identifier, value, note

        return run

    @property
    def _kind(self) -> str:
        """What competing phases were computed with: calculator's settings, so that unlike energies never meet."""
        e = self.plan.energy
        relaxed = e["relax"] and e["hull_relax"]
        how = f"relaxed {e['optimiser']} fmax {e['fmax']:g} steps {e['steps']} cell {e['cell']}"
        how = how if relaxed else "as given"
        return f"{e['calculator']} {dict(e['arguments'])} {how}"

    def _bundled(self) -> Mapping[str, float]:
        """Bundled energies of competing phases, where they are of this campaign's calculator and kind."""
        from .energies.phases import bundled_energies

        names = self.store.table(["calculator"], "calculator IS NOT NULL GROUP BY calculator")["calculator"].tolist()
        relaxed = self.plan.energy["relax"] and self.plan.energy["hull_relax"]
        return {} if relaxed or len(names) != 1 else bundled_energies(names[0])

    def _shop(self) -> Workshop:
        live = {g.name: g for g in self.generators}
        return Workshop(self.plan.spec, live, self._calculator)

    # ------------------------------------------------------------------------------------------- the same plan again

    def _remember(self) -> None:
        for g in self.generators:
            self.store.remember(f"generator {g.name} {g.seed}", self._made_with(g))
            self.store.remember(f"made of {g.name} {g.seed}", self._beside(g.made_of()))
        self.store.remember("checks", self._beside(self.plan.checks))
        self.store.remember("energy", self.plan.energy)
        self.store.remember("stability", self.plan.stability)
        self.store.remember("motifdesk", __version__)
        self.store.remember("campaign", {k: v for k, v in self.plan.campaign.items() if k not in ("workers", "store")})

    def _same_plan(self) -> None:
        from .candidate import plain

        for g in self.generators:
            before = self.store.recall(f"generator {g.name} {g.seed}")
            if before is not None and self._beside(before) != plain(self._made_with(g)):
                raise ScreeningError(
                    f"generator {g.name} was made with other options in an earlier run",
                    where=self.store.path,
                    remedy="give it another name or seed, or name another store",
                )
            order = self.store.recall(f"made of {g.name} {g.seed}") or []
            if self._beside(order) != self._beside(g.made_of())[: len(order)]:
                raise ScreeningError(
                    f"the files of generator {g.name} were others in an earlier run",
                    where=self.store.path,
                    remedy="add files with names after the others, or give a new generator the new files",
                )
        for key, now in (("checks", self.plan.checks), ("energy", self.plan.energy)):
            before = self.store.recall(key)
            if (
                before is not None
                and len(self.store)
                and _but_seconds(self._beside(before)) != _but_seconds(plain(self._beside(now)))
            ):
                raise ScreeningError(
                    f"[{key}] was different in an earlier run", where=self.store.path, remedy="name another store"
                )

    def _made_with(self, g: Generator) -> dict[str, Any]:
        return {"kind": f"{type(g).__module__}:{type(g).__qualname__}", "options": self._beside(g.options)}

    def _beside(self, value: Any) -> Any:
        """Paths below the plan's folder relative to it: a folder moved with its plan and store is the same campaign."""
        if isinstance(value, Mapping):
            return {k: self._beside(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._beside(v) for v in value]
        return value.removeprefix(f"{self.plan.folder}{os.sep}") if isinstance(value, str) else value


def _but_seconds(table: Mapping[str, Any]) -> dict[str, Any]:
    """A longer time limit makes no other candidate; nor does an optimiser where nothing is relaxed."""
    beside = ("seconds", "hull", "hull_atoms", "hull_relax", *(() if table.get("relax") else ("optimiser",)))
    told = {"optimiser": "fire", **table}  # what stores of earlier versions do not name
    return {k: v for k, v in told.items() if k not in beside}


def _stage(progress: Callable[[Progress], object] | None, name: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(Progress(name, done, total, {}, 0.0, None))

    return tell


def _clock(seconds: float) -> str:
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
