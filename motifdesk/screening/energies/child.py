"""A calculator's own process: ``python -m motifdesk.screening.energies.child``. See `CalculatorProcess`.

The first line names the calculator, every further one is work or {"stop": number}. Answers: {"ready": name} or
{"unfit": why}; then per piece of work {"task", ...} any number of times and {"task", "end"} or {"task", "end",
"failed"}. It ends when its standard input closes. What libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import warnings
from importlib import metadata
from typing import Any


def main() -> int:
    """Serve until standard input closes."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    if hasattr(os, "nice"):
        os.nice(10)  # the desk answers first
    lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    stopped: set[int] = set()

    def listen() -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "stop" in message:
                stopped.add(message["stop"])
            else:
                lines.put(message)
        os._exit(0)  # the kernel is gone, whatever this process is busy with

    threading.Thread(target=listen, daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        out.write(json.dumps(message, separators=(",", ":"), allow_nan=False) + "\n")

    options = lines.get()
    try:
        from motifdesk.screening.energies import make_calculator

        calculator = make_calculator(options)
    except Exception as error:  # told to the kernel, which raises it
        say({"unfit": _told(error, options["calculator"])})
        return 1
    say({"ready": calculator.name, "versions": _versions(options["calculator"])})
    while True:
        message = lines.get()
        number = message["task"]
        try:
            _work(calculator, message, lambda m, n=number: say({"task": n, **m}), lambda n=number: n not in stopped)
            say({"task": number, "end": True})
        except Exception as error:  # a calculator may raise anything
            _forget(calculator)
            say({"task": number, "end": True, "failed": _told(error, calculator.name)})


def _work(calculator: Any, message: dict[str, Any], say: Any, going: Any) -> None:
    from motifdesk.screening.candidate import arrays_from_dict
    from motifdesk.screening.energies.relaxing import evaluate, relax

    arrays = arrays_from_dict(message["arrays"])
    assert arrays is not None
    if message["do"] == "evaluate":
        found = evaluate(calculator, arrays)
        stress = None if found.stress is None else found.stress.tolist()
        say({"per_atom": found.per_atom, "forces": found.forces.tolist(), "stress": stress})
        return

    def watch(frame: Any) -> bool:
        if going():
            cell = None if frame.arrays.cell is None else frame.arrays.cell.tolist()
            shape = {"positions": frame.arrays.positions.tolist(), "cell": cell}
            figures = {"per_atom": frame.per_atom, "force": frame.force, "pressure": frame.pressure}
            say({"step": frame.step, **figures, **shape})
        return bool(going())

    end = relax(calculator, arrays, watch=watch, **message["options"])
    if going():
        say({"per_atom": end.per_atom, "converged": end.converged, "force": end.fmax, "steps": end.steps})


def _forget(calculator: Any) -> None:
    """ASE's calculators answer from memory when asked the same again: what one left half done is no answer."""
    try:
        calculator.ase().reset()
    except Exception:  # one without a memory
        pass


def _told(error: Exception, name: str) -> dict[str, Any]:
    from motifdesk.structures.errors import MotifDeskError, one_line

    if isinstance(error, MotifDeskError):
        return {"what": error.what, "where": error.where, "remedy": error.remedy}
    said = one_line(error, 200) if str(error) else "no message"
    return {
        "what": f"{type(error).__name__}: {said}",
        "where": f"calculator {name}",
        "remedy": "the design is unchanged; try another calculator",
    }


def _versions(path: str) -> dict[str, str]:
    found = {}
    for package in ("ase", *(("chgnet", "torch") if path == "chgnet" else (path.partition(":")[0].split(".")[0],))):
        try:
            found[package] = metadata.version(package)
        except (metadata.PackageNotFoundError, ValueError):
            continue
    return found


if __name__ == "__main__":
    raise SystemExit(main())
