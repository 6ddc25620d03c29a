"""Running the benchmarks of a checkout: ``benchmarks/bench_NAME.py``, each with ``run(args) -> summary``.

The JSON of a run holds a flat ``summary`` of named figures and what is needed to read them: versions, machine, seed,
command.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import platform
import shlex
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from motifdesk import __version__
from motifdesk.structures.errors import MotifDeskError

_VERSIONS = ("numpy", "scipy", "torch", "e3nn", "pymatgen", "moyopy", "nglview", "plotly", "anywidget", "jupyterlab")


def benchmarks_in(folder: Path) -> dict[str, Path]:
    """Name -> file of every benchmark in `folder`; ``missing-atom`` is spelt ``bench_missing_atom.py``."""
    return {path.stem.removeprefix("bench_").replace("_", "-"): path for path in sorted(folder.glob("bench_*.py"))}


def run_benchmark(folder: Path, args: argparse.Namespace) -> int:
    """Run benchmark ``args.name`` of `folder`, print its summary, write ``args.json``."""
    known = benchmarks_in(folder)
    if not known:
        raise MotifDeskError(
            "no benchmarks here", where=str(folder), remedy="benchmarks run from a checkout: clone it and `make bench`"
        )
    if args.name == "list":
        print("\n".join(known))
        return 0
    if args.name == "all":
        target = Path(args.json or "runs/bench")
        status = 0
        for name in known:
            one = argparse.Namespace(**{**vars(args), "name": name, "json": str(target / f"{name}.json")})
            try:
                status |= run_benchmark(folder, one)
            except Exception as error:  # one benchmark's failure must not cost the others' figures
                print(f"{name}: failed: {type(error).__name__}: {error}", file=sys.stderr)
                status = 1
        return status
    if args.name not in known:
        raise MotifDeskError(f"no benchmark named {args.name!r}", remedy=f"one of: {', '.join(known)}, all, list")
    module = _load(known[args.name])
    began = time.perf_counter()
    outcome: dict[str, Any] = module.run(args)
    report = {
        "benchmark": args.name,
        "summary": outcome.get("summary", outcome),
        **{key: value for key, value in outcome.items() if key != "summary" and "summary" in outcome},
        "seed": args.seed,
        "command": shlex.join(["motifdesk", *sys.argv[1:]]),
        "wall_s": round(time.perf_counter() - began, 2),
        "versions": _versions(),
        "machine": _machine(),
    }
    print(f"{args.name}:")
    for key, value in report["summary"].items():
        print(f"  {key:36s} {value:.6g}" if isinstance(value, float) else f"  {key:36s} {value}")
    if args.json:
        path = Path(args.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_plain(report), indent=2, allow_nan=False) + "\n")
        print(f"  -> {path}")
    return 0


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"motifdesk_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.parent))  # benchmarks may share helpers with each other and the browser tests
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def _plain(value: Any) -> Any:
    """JSON's own types; a figure that is not a number is null, never NaN."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    elif hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _versions() -> dict[str, str]:
    found = {"motifdesk": __version__, "python": platform.python_version()}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _machine() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    cuda = torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": cuda,
    }
