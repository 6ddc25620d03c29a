"""Opening a file from the page: dropped on the desk, chosen in the browser's file picker, or pasted as text."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.opening import MOST_BYTES, pasted_name, plain_name, read_bytes
from motifdesk.structures.errors import MotifDeskError, StructureError

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.session import Session, State


class Opening(Part):
    """Takes the pieces of a file from the page, reads it on a thread of its own, and makes it one step of the history.

    Publishes ``opening``: {"id", "busy", "text"}. What cannot be read becomes one message; the design stays as it was.
    """

    def __init__(
        self, session: Session, output: Output, report: Callable[..., None], settle_hands: Callable[[], None]
    ) -> None:
        self.session, self.output = session, output
        self._report, self._settle_hands = report, settle_hands
        self._numbers = itertools.count(1)
        self._pieces: list[bytes] = []
        self._incoming: Any = None
        self._loop = Latest(self._read, "motifdesk-opening")

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """ "open": a piece of a file."""
        return {"open": self.on_piece}

    def on_piece(self, message: dict[str, Any]) -> None:
        """A piece of a file: {"file": which, "name", "size", "part": k, "parts": n, "pasted"} and one buffer."""
        name = "paste" if message.get("pasted") else plain_name(message.get("name", ""))
        size = int(message.get("size", 0))
        if message.get("unreadable"):
            raise StructureError(
                "the browser cannot read it", where=name, remedy="drop a file, not a folder, that you may read"
            )
        if size > MOST_BYTES:
            raise StructureError(f"{size / 1e6:.0f} MB", where=name, remedy="give a file with one structure")
        if message.get("part") == 0:
            self._incoming, self._pieces = message.get("file"), []
            self._say(f"Reading {name} …", busy=True)
        if message.get("file") != self._incoming or message.get("part") != len(self._pieces):
            return  # of a file that a newer one has overtaken
        self._pieces.append(b"".join(bytes(b) for b in message.get("buffers", ())))
        if sum(map(len, self._pieces)) > MOST_BYTES or len(self._pieces) < int(message.get("parts", 1)):
            return
        data, self._pieces, self._incoming = b"".join(self._pieces), [], None
        self._settle_hands()
        self._loop.put((name, data, bool(message.get("pasted")), bool(message.get("more"))))

    def open(self, path: str | os.PathLike[str]) -> State:
        """What a dropped file does, for a file of this machine."""
        file = Path(path).expanduser()
        try:
            if file.stat().st_size > MOST_BYTES:
                raise StructureError(f"{file.stat().st_size / 1e6:.0f} MB", where=file, remedy="give a smaller file")
            data = file.read_bytes()
        except OSError as error:
            raise StructureError(f"it cannot be read ({error.strerror})", where=file, remedy="check the path") from None
        self._settle_hands()
        return self._open(file.name, data)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the last file is open or refused."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    # ------------------------------------------------------------------------------------------------ on the thread

    def _read(self, request: tuple[str, bytes, bool, bool]) -> None:
        name, data, pasted, more = request
        try:
            if pasted:
                name = pasted_name(data.decode("utf-8", "replace"))
            state = self._open(name, data)
            if more:
                self._report(f"Several files were dropped: {plain_name(name)} is open, the others are not", "note")
        except Exception as error:
            self._say("", busy=False)
            self._report(error if isinstance(error, MotifDeskError) else f"{name}: {type(error).__name__}: {error}")
        else:
            count = len(state.arrays.numbers)
            self._say(f"{plain_name(name)} is open: {state.formula}, {count} atom{'s' * (count != 1)}", busy=False)

    def _open(self, name: str, data: bytes) -> State:
        opened = read_bytes(name, data)
        state = self.session.set_structure(opened.structure, name=opened.name)
        for note in opened.notes:
            self._report(note, "note")
        return state

    def _say(self, text: str, busy: bool) -> None:
        self.output.publish(opening={"id": next(self._numbers), "busy": busy, "text": text})


__all__ = ["Opening"]
