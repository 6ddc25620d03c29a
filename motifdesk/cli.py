"""The command line: thin doors to the rooms. ``motifdesk COMMAND --help`` tells the options of each.

Every command loads only the rooms it needs; an error a person can mend is one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from motifdesk import __version__
from motifdesk.structures.errors import MotifDeskError


def _lab(args: argparse.Namespace) -> int:
    """Open JupyterLab on the first notebook."""
    notebook = _checkout() / "notebooks" / "01_first_design.ipynb"
    target = Path(args.notebook) if args.notebook else notebook
    if not target.exists():
        raise MotifDeskError("no such notebook", where=str(target), remedy="give the path of a notebook or a folder")
    # the JupyterLab of this environment, whatever is on the PATH
    folder = target if target.is_dir() else target.parent
    place = "" if target.is_dir() else f"/tree/{quote(target.name)}"
    # as the default address rather than as a file to open: then the printed address leads there too
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.resolve()}"]
    command += [f"--LabApp.default_url=/lab{place}"]
    # nothing is fetched from the network unasked, and no dialog stands between a newcomer and the desk
    command += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += args.jupyter
    if args.no_browser:
        command.append("--no-browser")
    if args.port:
        command.append(f"--port={args.port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if shutil.which("jupyter-lab") is None and not Path(sys.executable).with_name("jupyter-lab").exists():
        raise MotifDeskError("JupyterLab is not installed here", remedy="run `make desk`, or pip install motifdesk")
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 0


def _voila(args: argparse.Namespace) -> int:
    """Show a notebook as a page."""
    import importlib.util

    from motifdesk._pages import voila_command

    if not Path(args.notebook).exists():
        raise MotifDeskError("no such notebook", where=args.notebook, remedy="give the path of a notebook or a folder")
    if importlib.util.find_spec("voila") is None:
        raise MotifDeskError("Voila is not installed here", remedy="pip install voila")
    options = [*(["--no-browser"] if args.no_browser else []), *([f"--port={args.port}"] if args.port else [])]
    command, environment = voila_command(Path(args.notebook), theme=args.theme, options=options)
    try:
        return subprocess.call(command, env=environment)
    except KeyboardInterrupt:
        return 0


def _encode(args: argparse.Namespace) -> int:
    """Encode structure files into one safetensors file of codes."""
    from motifdesk.codec import load_codec
    from motifdesk.structures import read

    structures = [read(path) for path in args.files]
    codes = load_codec(args.weights, device=args.device).encode(structures)
    codes.save(args.out)
    print(f"{len(structures)} codes of {codes.root.shape[1]} numbers -> {args.out}")
    return 0


def _decode(args: argparse.Namespace) -> int:
    """Decode a file of codes into structure files; an unconverged decode is named so and not written unless asked."""
    from motifdesk.codec import Codes, load_codec
    from motifdesk.structures import write

    codec = load_codec(args.weights, device=args.device)
    codes = Codes.load(args.codes)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for k, decoded in enumerate(codec.decode(codes, seed=args.seed)):
        state = "converged" if decoded.converged else "NOT converged"
        line = f"{k:4d}  residual {decoded.residual:.2e}  {state}  from {decoded.source}"
        if decoded.structure is not None and (decoded.converged or args.keep_unconverged):
            name = decoded.structure.composition.reduced_formula
            suffix = args.format if hasattr(decoded.structure, "lattice") else "xyz"
            path = write(decoded.structure, out / f"{k:04d}_{name}.{suffix}", overwrite=args.overwrite)
            line += f"  -> {path}"
        failed += not decoded.converged
        print(line)
    return 1 if failed else 0


def _bench(args: argparse.Namespace) -> int:
    """Run a benchmark of this checkout and write its JSON."""
    from motifdesk._bench import run_benchmark

    return run_benchmark(_checkout() / "benchmarks", args)


def _train(args: argparse.Namespace) -> int:
    from motifdesk.data import path
    from motifdesk.networks import command

    args.data = args.data or [str(file) for file in sorted(path("corpora").glob("*.npz"))]
    return int(command.main(args) or 0)


def _screen(args: argparse.Namespace) -> int:
    from motifdesk.screening import command

    return command.main(args)


def _atlas_fit(args: argparse.Namespace) -> int:
    from motifdesk.atlas import fit

    return int(fit.main(args) or 0)


def _checkout() -> Path:
    return Path(__file__).resolve().parent.parent


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of ``motifdesk``; a room that defines options is imported only for its `command`."""
    parser = argparse.ArgumentParser(prog="motifdesk", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"motifdesk {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    lab = commands.add_parser("lab", help="open JupyterLab on the first notebook")
    lab.add_argument("notebook", nargs="?", help="a notebook or folder; default: notebooks/01_first_design.ipynb")
    lab.add_argument("--no-browser", action="store_true", help="serve only, print the address")
    lab.add_argument("--port", type=int)
    lab.add_argument("--jupyter", nargs=argparse.REMAINDER, default=[], help="everything after this goes to JupyterLab")
    lab.set_defaults(run=_lab)

    voila = commands.add_parser("voila", help="show a notebook as a page, without its code")
    voila.add_argument("notebook", help="a notebook or folder")
    voila.add_argument("--theme", choices=["light", "dark"], default="light")
    voila.add_argument("--no-browser", action="store_true", help="serve only, print the address")
    voila.add_argument("--port", type=int)
    voila.set_defaults(run=_voila)

    def coding(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text)
        sub.add_argument("--weights", help="a codec.safetensors; default: the bundled one")
        sub.add_argument("--device", default="auto", help="auto, cpu or cuda")
        return sub

    encode = coding("encode", "structure files -> codes.safetensors")
    encode.add_argument("files", nargs="+")
    encode.add_argument("--out", required=True)
    encode.set_defaults(run=_encode)

    decode = coding("decode", "codes.safetensors -> structure files")
    decode.add_argument("codes")
    decode.add_argument("--out", required=True, help="a folder")
    decode.add_argument("--format", default="cif", choices=["cif", "vasp", "json", "extxyz"])
    decode.add_argument("--seed", type=int, default=0)
    decode.add_argument("--overwrite", action="store_true")
    decode.add_argument("--keep-unconverged", action="store_true", help="write them too; the residual says how far off")
    decode.set_defaults(run=_decode)

    train = commands.add_parser("train", help="train the encoder and its heads")
    if command == "train":
        from motifdesk.networks import command as training_command

        training_command.add_arguments(train)
    train.set_defaults(run=_train)

    atlas = commands.add_parser("atlas-fit", help="fit the map with umap-learn")
    if command == "atlas-fit":
        from motifdesk.atlas import fit

        fit.add_arguments(atlas)
    atlas.set_defaults(run=_atlas_fit)

    screen = commands.add_parser("screen", help="generate, check and rank candidates after a plan.toml")
    if command == "screen":
        from motifdesk.screening import command as screening_command

        screening_command.add_arguments(screen)
    screen.set_defaults(run=_screen)

    bench = commands.add_parser("bench", help="run a benchmark; NAME 'all' runs each, 'list' names them")
    bench.add_argument("name")
    bench.add_argument("--json", help="where the JSON goes (a file; for 'all' a folder)")
    bench.add_argument("--data", help="an .npz in the layout of motifdesk/data/corpora, where the benchmark takes one")
    bench.add_argument("--limit", type=int, help="at most so many structures")
    bench.add_argument("--seed", type=int, default=0)
    bench.add_argument("--no-corpus", action="store_true", help="reconstruct: no proposals from the bundled corpora")
    bench.add_argument(
        "--root-only", action="store_true", help="reconstruct: from the root vector, without motif codes"
    )
    bench.add_argument("--seconds", type=float, help="reconstruct: time limit of one decode (default 20)")
    bench.set_defaults(run=_bench)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the ``motifdesk`` command; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser(argv[0] if argv else None)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except MotifDeskError as error:
        print(f"motifdesk {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"motifdesk {args.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
