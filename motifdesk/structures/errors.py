"""The errors and warnings of MotifDesk: what went wrong, where, and what to do about it.

Every door of the package raises one of these for bad input; anything else that escapes is a defect. The message reads
``where: what. remedy.`` on one line, so that a widget, a terminal and a traceback show the same sentence.
"""

from __future__ import annotations

import math


class MotifDeskError(ValueError):
    """Bad input, told in one sentence.

    Parameters
    ----------
    what
        What is wrong, without a final full stop.
    where
        The file, object, site or argument at fault.
    remedy
        What the person can do about it.

    All three stay available as attributes; `where` and `remedy` are None when they were not given.
    """

    def __init__(self, what: str, *, where: object | None = None, remedy: str | None = None) -> None:
        self.what = _without_stop(one_line(what))
        self.where = None if where is None else one_line(where)
        self.remedy = None if remedy is None else _without_stop(one_line(remedy))
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        super().__init__(f"{text}." if self.remedy is None else f"{text}. {_sentence(self.remedy)}")

    def __reduce__(self) -> tuple:
        # keyword-only arguments need help to cross a process boundary
        return (_rebuild, (type(self), self.what, self.where, self.remedy))


def _without_stop(text: str) -> str:
    return text if text.endswith("...") else text.removesuffix(".")


def _sentence(text: str) -> str:
    """With a capital, unless the first word is code such as ``read(...)``, and with a full stop or its own mark."""
    head = text[:1].upper() + text[1:] if text.split(" ")[0].rstrip(",;:").isalpha() else text
    return head if head.endswith(("?", "!", "...")) else f"{head}."


def _rebuild(kind: type[MotifDeskError], what: str, where: str | None, remedy: str | None) -> MotifDeskError:
    return kind(what, where=where, remedy=remedy)


class StructureError(MotifDeskError):
    """A structure, or a file of one, that cannot be read, written or designed with."""


class MotifError(MotifDeskError):
    """A motif, mode or amplitude that does not exist or contradicts the structure."""


class CodecError(MotifDeskError):
    """Weights or codes that are damaged, of another version, or outside what the codec knows."""


class AtlasError(MotifDeskError):
    """A map file that is missing, damaged or belongs to other weights; a point that is not on the map."""


class SessionError(MotifDeskError):
    """A gesture, a node of the history or a saved session that cannot be honoured."""


class TopologyError(MotifDeskError):
    """A word, rule, port or charge from which no structure can be built."""


class MotifDeskWarning(UserWarning):
    """A stated simplification: the answer is usable, and this says how it differs from what was asked."""


def one_line(text: object, limit: int = 300) -> str:
    """`text` as one printable line: control characters (a binary file's, a terminal's escapes) become spaces, and what
    is longer than `limit` is cut in the middle with an ellipsis."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(flat) <= limit:
        return flat
    head = math.ceil((limit - 3) * 2 / 3)
    return f"{flat[:head]}...{flat[len(flat) - (limit - 3 - head) :]}"
