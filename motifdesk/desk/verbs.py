"""What a designer asks of a desk from Python about what is seen: measuring, arrows, colours, finds, paths, pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motifdesk.desk.colouring import COLOURINGS
from motifdesk.desk.pieces import KINDS, Piece
from motifdesk.structures.errors import SessionError
from motifdesk.structures.slabs import miller

if TYPE_CHECKING:
    from motifdesk.desk.finds import Finds
    from motifdesk.desk.latentpath import PathPane
    from motifdesk.desk.opening import Opening
    from motifdesk.desk.stagetools import StageTools
    from motifdesk.desk.viewer import Viewer
    from motifdesk.session import Session, State
    from motifdesk.session.measuring import Measure


class Verbs:
    """The desk's verbs about the view. Mixed into :class:`motifdesk.desk.Desk`, whose parts it uses."""

    session: Session
    viewer: Viewer
    _redraw: Callable[..., None]
    _tools: StageTools
    _finds: Finds
    _path: PathPane
    _opening: Opening

    def measure(self, *points: Any) -> Measure:
        """Show the distance (2), angle (3) or dihedral (4) of these atoms on the stage, live from now on; the figure.

        A point is a site index, whose image nearest to the point before is taken, or (site, i, j, k).
        """
        return self._tools.measure(points)

    def show_arrows(self, shown: bool = True, of: str | None = None) -> None:
        """Draw arrows on the atoms: ``of`` "start", how each has moved since the design was opened, or "forces", the
        force on each (None: as last time).

        Forces are those of the calculator asked last where it was asked about exactly this design (the Energy tab),
        else the bundled potential's, which follow the design while it moves; the stage says whose, and the scale.
        """
        self._tools.choose_arrows(shown, of)

    def view_cells(self, repeat: tuple[int, int, int] = (1, 1, 1)) -> None:
        """Draw whole cells, ``repeat`` of them along each lattice vector (at most 8); the design stays one cell."""
        self.viewer.set_repeat(repeat)
        self.view_piece("cells")

    def view_molecules(self, site: int | None = None) -> None:
        """Draw the molecules of a crystal whole, not cut at the cell's faces; with ``site`` only the one it is in."""
        self.view_piece("molecules" if site is None else "molecule", site=site)

    def view_motif(self, motif: int | None = None) -> None:
        """Draw one motif (None: the picked one) and those that share ligands or bonds with it; the rest is hidden."""
        graph = self.session.state.graph
        if motif is not None and (graph is None or not 0 <= motif < len(graph.motifs)):
            raise SessionError(
                f"there is no motif {motif}", where="view_motif", remedy="take one of state.graph.motifs"
            )
        self.view_piece("motif", site=None if motif is None or graph is None else graph.motifs[motif].centre)

    def view_slab(self, hkl: Any, layers: int = 3, vacuum: float = 15.0) -> None:
        """Draw a slab along the planes ``hkl`` (Miller indices in the design's cell; :mod:`motifdesk.structures.slabs`)
        and its box with ``vacuum`` Angstrom; the design stays the crystal. ``session.slab`` makes it the design."""
        self.view_piece("slab", hkl=hkl, layers=layers, vacuum=vacuum)

    def view_piece(
        self, kind: str, *, site: int | None = None, hkl: Any = (0, 0, 1), layers: int = 3, vacuum: float = 15.0
    ) -> None:
        """Draw a piece of the design, one of :data:`motifdesk.desk.pieces.KINDS`; ``site``: None for the picked one."""
        if kind not in KINDS:
            raise SessionError(f"no view {kind!r}", where="view_piece", remedy=f"choose one of {', '.join(KINDS)}")
        state = self.session.state
        if site is None and kind in ("molecule", "motif"):
            pick, graph = state.selection, state.graph
            site = graph.motifs[pick.motif].centre if pick.motif is not None and graph is not None else None
            site = pick.atoms[0] if pick.atoms and (site is None or kind == "molecule") else site
            if site is None:
                what = "a motif" if kind == "motif" else "an atom of it"
                raise SessionError("nothing is picked", where="view", remedy=f"click {what}, then choose the view")
        self.viewer.set_piece(Piece(kind, site or 0, miller(hkl), layers, vacuum), state)
        self._redraw(fit=True)

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
