"""``motifdesk screen``: run a plan, look at its store, report and export."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .errors import ScreeningError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("plan", help="a plan.toml, see docs/screening.md")
    parser.add_argument("--workers", type=int, help="child processes; 0: none. Default: as the plan says")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, such as tcp://host:8786")
    parser.add_argument("--report", help="write an HTML report here when the run is over")
    parser.add_argument("--export", help="write the shortlist into this folder when the run is over")
    parser.add_argument("--best", type=int, default=50, help="length of the shortlist (default 50)")
    parser.add_argument("--status", action="store_true", help="only say where the campaign stands")
    parser.add_argument("--retry", action="store_true", help="make again what ended in an error in earlier runs")
    parser.add_argument("--quiet", action="store_true", help="no progress lines")


def main(args: argparse.Namespace) -> int:
    """Run the command; 0 when the campaign is complete, 130 when it was interrupted."""
    from .campaign import Campaign, Progress

    if args.workers is not None and args.workers < 0:
        raise ScreeningError(f"--workers {args.workers}", remedy="0 or more")
    if args.workers is not None and args.scheduler:
        raise ScreeningError("--workers and --scheduler", remedy="give one of them: processes here, or a Dask cluster")
    if args.best < 1:
        raise ScreeningError(f"--best {args.best}", remedy="1 or more")
    if args.status:
        return _status(args.plan)
    _can_be_written(args)
    campaign = Campaign(args.plan)
    live = sys.stderr.isatty()
    said, stage = [-1e9], [""]

    def tell(p: Progress) -> None:
        import time

        now = time.monotonic()
        if args.quiet or (not live and now - said[0] < 10.0 and p.stage == stage[0]):
            return
        said[0], stage[0] = now, p.stage
        print(f"\r\033[K{p}" if live else str(p), end="" if live else "\n", file=sys.stderr, flush=True)

    try:
        outcome = campaign.run(workers=args.workers, scheduler=args.scheduler, progress=tell, retry=args.retry)
    except KeyboardInterrupt:
        print(f"\nstopped; {len(campaign.store)} of {campaign.total} are safe, run it again to go on", file=sys.stderr)
        return 130
    if live and not args.quiet:
        print(file=sys.stderr)
    parts = ", ".join(f"{n} {status}" for status, n in sorted(outcome.counts.items()))
    print(
        f"{sum(outcome.counts.values())} candidates: {parts}; {outcome.duplicates} duplicates among those that passed"
    )
    print(f"{outcome.made} made now in {outcome.seconds:.0f} s -> {campaign.plan.store}")
    if args.report:
        from .report import write_report

        print(f"report -> {write_report(campaign.store, args.report, best=args.best)}")
    if args.export:
        from .exporting import export_shortlist

        folder = export_shortlist(campaign.store, Path(args.export), best=args.best)
        print(f"shortlist -> {folder}")
    return 0


def _status(file: str) -> int:
    """Look at the store without touching it: while a campaign runs, or where it cannot be written."""
    from .plan import Plan
    from .store import Store

    plan = Plan.read(file)
    total = sum(len(g) for g in plan.generators())
    counts: dict[str, int] = {}
    if plan.store.exists():
        with Store(plan.store, read_only=True) as store:
            counts = store.counts()
    parts = ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "nothing yet"
    print(f"{sum(counts.values())} of {total} candidates in {plan.store}: {parts}")
    return 0


def _can_be_written(args: argparse.Namespace) -> None:
    """ScreeningError before the campaign runs, not hours later, where its report or shortlist cannot be put."""
    if args.report and Path(args.report).is_dir():
        raise ScreeningError("a folder, no file", where=f"--report {args.report}", remedy="name a file such as r.html")
    if args.export:
        from .exporting import refuse_taken

        refuse_taken(Path(args.export), f"--export {args.export}")
