"""A child process that works for a campaign: JSON lines in, JSON lines out. ``python -m motifdesk.screening.hand``

The first line is the plan's spec, every further line a task (`Workshop.do`). Answers: {"task": n, ...} for each result
or sign of life, {"task": n, "end": true} after the last; {"unfit": why} where the calculator cannot be made. It ends
itself when its standard input closes, so a killed campaign leaves nothing running. What libraries print goes to
standard error.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import warnings
from typing import Any


def main() -> int:
    """Serve tasks until standard input closes."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    lines: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)  # the campaign is gone, whatever this process is busy with

    threading.Thread(target=listen, daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        out.write(json.dumps(message, separators=(",", ":"), allow_nan=False) + "\n")

    shop: Any = None
    while True:
        message = json.loads(lines.get())
        if "spec" in message:
            from motifdesk.screening.errors import ScreeningError
            from motifdesk.screening.work import Workshop

            shop = Workshop(message["spec"])
            try:
                shop.fit()
            except ScreeningError as error:
                say({"unfit": {"what": error.what, "where": error.where, "remedy": error.remedy}})
                return 1
            try:  # before the clock of the first task runs
                shop.warm()
            except Exception:  # told again, with its reason, by the task that needs it
                pass
            say({"ready": True})
            continue
        number = message["task"]

        def tell(news: dict[str, Any], number: int = number) -> None:
            say({"task": number, **news})

        try:
            shop.do(message["work"], tell)
            say({"task": number, "end": True})
        except Exception as error:  # told to the campaign, which decides
            from motifdesk.structures.errors import one_line

            say({"task": number, "end": True, "failed": f"{type(error).__name__}: {one_line(error, 250)}"})


if __name__ == "__main__":
    raise SystemExit(main())
