"""The error this room raises; it renders like the package's other errors but needs no other room."""

from __future__ import annotations


class NetworkError(ValueError):
    """Bad input to a network, a checkpoint or a training run.

    Parameters: ``what`` went wrong, ``where`` (structure, file, key), ``remedy`` (what the caller can do).
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        text = what if where is None else f"{where}: {what}"
        if not text.endswith("."):
            text += "."
        super().__init__(text if remedy is None else f"{text} {remedy}")
