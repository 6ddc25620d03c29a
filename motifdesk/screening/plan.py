"""The plan of a campaign: a TOML file, or the same as a dict.

[campaign]
store = "iridates.sqlite"       # beside the plan
seed = 0
workers = 2                     # or scheduler = "tcp://host:8786"

[[generate]]
kind = "family"
name = "honeycombs"
family = "harmonic-honeycomb"
parameters = {filler = ["Li", "Na"], a = [4.2, 4.4]}

[checks]
wish_motif = {formula = "IrO6", sharing = "edge"}

[energy]
calculator = "chgnet"
relax = true
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from motifdesk.structures.errors import one_line

from .candidate import plain
from .checks import Checks
from .errors import ScreeningError
from .generators import Generator, make_generator
from .options import Option, complete
from .stability.judging import STABILITY, checked

CAMPAIGN = {
    "name": Option("campaign", "for the report"),
    "store": Option("campaign.sqlite", "SQLite file, relative to the plan"),
    "seed": Option(0, "of every generator without its own", 0, 2**31),
    "workers": Option(2, "child processes of this machine; 0: none, in this process", 0, 256),
    "scheduler": Option("", "address of a Dask scheduler, instead of workers", kind="any"),
    "batch": Option(8, "candidates handed to a worker at a time", 1, 256),
    "stol": Option(0.3, "site tolerance of StructureMatcher, for duplicates; lower tells distortions apart", 0.001, 1),
    "primitive": Option(True, "reduce candidates to their primitive cells: energies cost less"),
    "map": Option(True, "place what passes on the map"),
}
ENERGY = {
    "calculator": Option("", '"chgnet", or "module:Class" of an ASE calculator; default: none', kind="any"),
    "arguments": Option({}, "for the calculator's class"),
    "relax": Option(False, "relax what passes the checks"),
    "fmax": Option(0.1, "eV/A, where a relaxation ends", 1e-4, 10),
    "steps": Option(200, "of a relaxation at most", 1, 10000),
    "cell": Option(True, "relax the cell too"),
    "optimiser": Option("bfgs", '"bfgs", or "fire" with three times the steps'),
    "seconds": Option(300.0, "for one candidate; a worker that is silent for longer is ended", 0.5, 86400),
    "hull": Option(True, "energy above the hull of the corpora's phases"),
    "hull_relax": Option(True, "relax the competing phases as the candidates are; false: take them as tabulated"),
    "hull_atoms": Option(60, "competing phases of at most so many atoms", 1, 500),
}
_PATHS = ("structure", "structures", "first", "last", "files", "own", "design")


@dataclass(frozen=True)
class Plan:
    """A checked plan: every option has its value.

    campaign, checks, energy, stability: as in the file, with defaults. generate: the tables of the generators. folder:
    what relative paths are relative to.
    """

    campaign: Mapping[str, Any]
    generate: tuple[Mapping[str, Any], ...]
    checks: Mapping[str, Any]
    energy: Mapping[str, Any]
    folder: Path = field(default_factory=Path)
    stability: Mapping[str, Any] = field(default_factory=lambda: complete({}, STABILITY, "[stability]"))
    file: str = ""  # its name, for messages; "" for a plan from a dict

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Plan:
        """The plan in a TOML file.

        Raises
        ------
        ScreeningError
            no such file, no TOML (with line and column), an unknown table or option, a value that does not go.
        """
        file = Path(path)
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ScreeningError("no such plan", where=file, remedy="write one, see docs/screening.md") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ScreeningError(f"cannot be read: {error}", where=file) from error
        except tomllib.TOMLDecodeError as error:
            raise ScreeningError(f"no TOML: {error}", where=file, remedy="mend that line") from error
        try:
            return replace(cls.make(table, file.parent), file=file.name)
        except ScreeningError as error:
            raise _in_file(error, file.name) from error

    @classmethod
    def make(cls, table: Mapping[str, Any], folder: str | os.PathLike[str] = ".") -> Plan:
        """The same from a dict."""
        folder = Path(folder).resolve()
        known = {k: Option({}, "a table") for k in ("campaign", "checks", "energy", "stability")}
        known["generate"] = Option([], "at least one generator: [[generate]]")
        given = complete(table, known, "plan")
        campaign = complete(given["campaign"], CAMPAIGN, "[campaign]")
        if not str(campaign["store"]).isprintable():
            raise ScreeningError(f"store = {campaign['store']!r}", where="[campaign]", remedy="the name of a file")
        if not isinstance(campaign["scheduler"], str):
            said = f"scheduler = {campaign['scheduler']!r} is no text"
            raise ScreeningError(said, where="[campaign]", remedy='an address such as "tcp://host:8786"')
        energy = complete(given["energy"], ENERGY, "[energy]")
        if not isinstance(energy["calculator"], str):
            said = f"calculator = {energy['calculator']!r} is no text"
            raise ScreeningError(said, where="[energy]", remedy=f"calculator: {ENERGY['calculator'].help}")
        if energy["relax"] and not energy["calculator"]:
            raise ScreeningError("relax without a calculator", where="[energy]", remedy='calculator = "chgnet"')
        if energy["optimiser"] not in ("bfgs", "fire"):
            raise ScreeningError(f"optimiser = {energy['optimiser']!r}", where="[energy]", remedy='"bfgs" or "fire"')
        if energy["calculator"]:
            _there(energy["calculator"], folder, bool(campaign["scheduler"]))
        stability = complete(given["stability"], STABILITY, "[stability]")
        checked(stability, energy)
        tables = []
        for k, entry in enumerate(given["generate"]):
            if not isinstance(entry, Mapping):
                raise ScreeningError("no table", where=f"[[generate]] {k + 1}", remedy="write [[generate]]")
            tables.append(_with_paths({"name": entry.get("kind", "?"), **entry}, folder))
        names = [str(t["name"]) for t in tables]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ScreeningError(f"two generators named {twice[0]}", where="[[generate]]", remedy="name them apart")
        checks = {k: _with_paths(v, folder) if isinstance(v, Mapping) else v for k, v in given["checks"].items()}
        Checks(checks)
        return cls(campaign, tuple(tables), checks, energy, folder, stability)

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.folder / os.path.expanduser(self.campaign["store"])

    @property
    def spec(self) -> dict[str, Any]:
        """Plain JSON with what a worker needs."""
        return plain(
            {
                "generate": list(self.generate),
                "checks": self.checks,
                "energy": self.energy,
                "stability": self.stability,
                "seed": self.campaign["seed"],
                "primitive": self.campaign["primitive"],
                "map": self.campaign["map"],
                "paths": [str(self.folder)],
            }
        )

    def generators(self) -> list[Generator]:
        """Every generator, made."""
        if not self.generate:
            said = ScreeningError("there is no generator", where="plan", remedy="add a [[generate]] table")
            raise _in_file(said, self.file)
        made = []
        for k, table in enumerate(self.generate):
            try:
                made.append(make_generator(table, self.campaign["seed"]))
            except ScreeningError as error:
                raise _in_file(error, self.file) from error
            except Exception as error:  # a class of the user's own may raise anything
                said = ScreeningError(f"{type(error).__name__}: {one_line(error)}", where=f"[[generate]] {k + 1}")
                raise _in_file(said, self.file) from error
        return made


def _in_file(error: ScreeningError, name: str) -> ScreeningError:
    """The same with the plan's file before the place."""
    where = ": ".join(str(w) for w in (name or None, error.where) if w)
    return ScreeningError(error.what, where=where or None, remedy=error.remedy)


def _there(calculator: str, folder: Path, elsewhere: bool) -> None:
    """ScreeningError where a calculator's name cannot be one; a module's code does not run for it. Modules may stand
    beside the plan; on a cluster (`elsewhere`) they need not be here."""
    module, colon, name = calculator.partition(":")
    remedy = '"chgnet", "distilled" or "module:Class" of an ASE calculator'
    if calculator in ("chgnet", "distilled"):
        return
    if not colon or not module or not name:
        raise ScreeningError(f"calculator = {calculator!r} is unknown", where="[energy]", remedy=remedy)
    top = module.split(".")[0]
    try:
        found = elsewhere or top in sys.modules or find_spec(top) is not None
    except (ImportError, ValueError):
        found = False
    if not found and not (folder / f"{top}.py").is_file() and not (folder / top).is_dir():
        raise ScreeningError(f"calculator: there is no module {module!r}", where="[energy]", remedy=remedy)


def _with_paths(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths that exist beside the plan made absolute; names of bundled examples stay."""

    def found(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [found(v) for v in value]
        if isinstance(value, str) and value and (folder / value).exists():
            return str(folder / value)
        return value

    return {k: found(v) if k in _PATHS else v for k, v in table.items()}
