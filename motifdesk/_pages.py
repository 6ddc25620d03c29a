"""A notebook as a page: how Voila is started so that a desk fills the window and nothing comes from the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from motifdesk.data import path as data_path

THEMES = ("light", "dark")


def voila_command(
    target: Path, *, theme: str = "light", options: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """(command, environment) that serve the notebook or folder `target`.

    Voila's own template fetches icons from a content network; the one in ``data/jupyter`` does not, and uses the whole
    width. Notebook 7's extension is left out: it needs parts of JupyterLab that a page of Voila does not have.
    """
    command = [sys.executable, "-m", "voila", str(target), "--template=motifdesk", f"--theme={theme}"]
    command += ["--VoilaConfiguration.extension_denylist=@jupyter-notebook/lab-extension", *options]
    known = os.environ.get("JUPYTER_PATH")
    places = [str(data_path("jupyter")), *([known] if known else [])]
    return command, {**os.environ, "JUPYTER_PATH": os.pathsep.join(places)}
