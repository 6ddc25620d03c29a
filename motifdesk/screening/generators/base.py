"""What a generator is, and how a plan names one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.cells import right_handed
from motifdesk.structures.errors import MotifDeskError, one_line

from ..candidate import Candidate
from ..errors import ScreeningError
from ..options import Option, complete

KINDS = {
    "family": "motifdesk.screening.generators.families:FamilyGenerator",
    "substitution": "motifdesk.screening.generators.substitution:SubstitutionGenerator",
    "analogue": "motifdesk.screening.generators.analogues:AnalogueGenerator",
    "modes": "motifdesk.screening.generators.modes:ModeGenerator",
    "density": "motifdesk.screening.generators.latent:DensityGenerator",
    "neighbourhood": "motifdesk.screening.generators.latent:NeighbourhoodGenerator",
    "random": "motifdesk.screening.generators.random_search:RandomGenerator",
    "path": "motifdesk.screening.generators.paths:PathGenerator",
    "files": "motifdesk.screening.generators.files:FilesGenerator",
}


MOST = 1_000_000_000
"""Candidates of one generator."""


class Generator(ABC):
    """A stream of candidates in which each is made from (options, seed, index) alone.

    A subclass names its options and implements `propose`; random numbers come from `rng`, never from elsewhere. So may
    workers make any candidate without those before it, and a resumed campaign makes the same ones.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = {}

    def __init__(self, name: str, seed: int, count: int | None, options: Mapping[str, Any]) -> None:
        self.name = name
        self.seed = seed
        self.options = complete(options, self.OPTIONS, f"generator {name}")
        self.prepare()
        most = self.most()
        if count is None and most is None:
            raise ScreeningError("it has no end of its own", where=f"generator {name}", remedy="give it a count")
        self._count = min(x for x in (count, most) if x is not None)

    def prepare(self) -> None:  # noqa: B027  nothing to do is a fair answer
        """Read the options once; errors of the plan are raised here, before anything runs."""

    def most(self) -> int | None:
        """How many candidates there can be; None where there is no end."""
        return None

    def made_of(self) -> Sequence[str]:
        """What stands outside the options and gives candidates their order, such as the files of a folder: a campaign
        goes on with more of it at the end, and refuses another order."""
        return ()

    @abstractmethod
    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        """A structure (anything `to_arrays` takes) and its recipe. MotifDeskError: this index gives none, and why."""

    def refused(self, error: MotifDeskError) -> ScreeningError:
        """What a room below refused while the options were read, with this generator's name before the place."""
        where = f"generator {self.name}" if error.where is None else f"generator {self.name}: {error.where}"
        return ScreeningError(error.what, where=where, remedy=error.remedy)

    def rng(self, index: int) -> np.random.Generator:
        """Random numbers of one candidate."""
        return np.random.default_rng([self.seed, index])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Candidate]:
        return (self.make(k) for k in range(len(self)))

    def make(self, index: int) -> Candidate:
        """Candidate `index`; one that cannot be made carries the reason as its error. IndexError outside the range."""
        if not 0 <= index < len(self):
            raise IndexError(f"candidate {index} of {len(self)} of generator {self.name}")
        began = time.perf_counter()
        try:
            structure, recipe = self.propose(index)
            made = Candidate(self.name, self.seed, index, recipe, right_handed(to_arrays(structure)))
        except MotifDeskError as error:
            made = Candidate(self.name, self.seed, index, {}, error=one_line(error))
        except Exception as error:  # a class of the user's own may raise anything: it costs this candidate alone
            why = one_line(error, 200) if str(error) else "no message"
            made = Candidate(self.name, self.seed, index, {}, error=f"generator: {type(error).__name__}: {why}")
        return made.with_(seconds=time.perf_counter() - began)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, seed {self.seed}, {len(self)} candidates)"


def make_generator(table: Mapping[str, Any], seed: int = 0) -> Generator:
    """The generator of a plan's ``[[generate]]`` table: `kind`, `name` (default: the kind), `count`, `seed`, options.

    Raises
    ------
    ScreeningError
        an unknown kind or option, or a value that does not go.
    """
    given = dict(table)
    kind = given.pop("kind", None)
    if not isinstance(kind, str):
        raise ScreeningError("a generator needs a kind", where="[[generate]]", remedy=f"one of {', '.join(KINDS)}")
    name = given.pop("name", kind)
    where = f"generator {one_line(name)}"
    if not isinstance(name, str) or not name or "/" in name or len(name) > 80 or not name.isprintable():
        raise ScreeningError(f"name = {name!r}", where="[[generate]]", remedy="a short text without '/'")
    seed = given.pop("seed", seed)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ScreeningError(f"seed = {seed!r}", where=where, remedy="a whole number from 0, below 2^63")
    count = given.pop("count", None)
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST):
        raise ScreeningError(f"count = {count!r}", where=where, remedy=f"a whole number, 1 to {MOST:,}")
    made = named(KINDS.get(kind, kind), f"kind of {where}", f"one of {', '.join(KINDS)}, or module:Class")
    if not (isinstance(made, type) and issubclass(made, Generator)):
        raise ScreeningError(f"{kind} is no generator", where=where, remedy="name a subclass of Generator")
    return made(name, seed, count, given)


def named(path: str, where: str, remedy: str) -> Any:
    """The object that ``module:name`` names; ScreeningError when there is none."""
    module, colon, attribute = path.partition(":")
    if not colon:
        raise ScreeningError(f"{path!r} is unknown", where=where, remedy=remedy)
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise ScreeningError(f"{path!r} cannot be imported: {error}", where=where, remedy=remedy) from error
    except AttributeError as error:
        raise ScreeningError(f"module {module} has no {attribute!r}", where=where, remedy=remedy) from error
