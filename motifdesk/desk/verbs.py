"""What a designer asks of a desk from Python about what is seen: measuring, arrows, colours, finds, paths, pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motifdesk.desk.colouring import COLOURINGS
from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.desk.finds import Finds
    from motifdesk.desk.latentpath import PathPane
    from motifdesk.desk.opening import Opening
    from motifdesk.desk.stagetools import StageTools
    from motifdesk.desk.viewer import Viewer
    from motifdesk.session import State
    from motifdesk.session.measuring import Measure


class Verbs:
    """The desk's verbs about the view. Mixed into :class:`motifdesk.desk.Desk`, whose parts it uses."""

    viewer: Viewer
    _tools: StageTools
    _finds: Finds
    _path: PathPane
    _opening: Opening

    def measure(self, *points: Any) -> Measure:
        """Show the distance (2), angle (3) or dihedral (4) of these atoms on the stage, live from now on; the figure.

        A point is a site index, whose image nearest to the point before is taken, or (site, i, j, k).
        """
        return self._tools.measure(points)

    def show_arrows(self, shown: bool = True) -> None:
        """Draw how each atom has moved since the design was opened."""
        self._tools.arrows = bool(shown)
        self._tools.show()

    def colour_by(self, what: str) -> None:
        """Colour the structure by "species", "motif" (orbit), "coordination", "valence" (bond valence) or "force"
        (predicted, on each atom)."""
        if what not in COLOURINGS:
            raise SessionError(
                f"unknown colouring {what!r}", where="colour_by", remedy=f"choose one of {', '.join(COLOURINGS)}"
            )
        self.viewer.colouring = what
        self._tools.show()

    def find(self, query: str) -> int:
        """Show on the map and list the known structures that answer to ``query`` ("Ti O -F gap>1"); how many.

        The words are those of :func:`motifdesk.atlas.searching.search`; "" shows all again.
        """
        return self._finds.search(query)

    def show_path(self, a: Any, b: Any, *, n: int = 21, composition: str = "follow") -> None:
        """Decode the latent path between two designs in the background and lay it on the map and under the slider.

        ``a``, ``b``: "design", "start", a history node, or anything ``motifdesk.read`` takes; see
        `Session.latent_path`.
        """
        self._path.show(a, b, n=n, composition=composition)

    def open_file(self, path: str | os.PathLike[str]) -> State:
        """Open a structure file, or the design of a saved session, as one step of the history (as a dropped file)."""
        return self._opening.open(path)

    def save_picture(self, path: str | os.PathLike[str], *, overwrite: bool = False, timeout: float = 30.0) -> Path:
        """Write what the structure pane shows as a PNG of twice its size. Needs a page that shows the desk."""
        return self._tools.save("png", path, overwrite, timeout, 1)

    def save_film(
        self, path: str | os.PathLike[str], *, frames: int = 24, overwrite: bool = False, timeout: float = 120.0
    ) -> Path:
        """Write a GIF from the structure as opened to the design as it is and back, as the pane shows it.

        Fractional coordinates and cell are interpolated; both ends need the same atoms.
        """
        if not 2 <= int(frames) <= 240:
            raise SessionError(f"{frames} frames", where="save_film", remedy="ask for 2 to 240 frames")
        return self._tools.save("gif", path, overwrite, timeout, int(frames))
