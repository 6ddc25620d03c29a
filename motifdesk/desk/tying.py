"""Sites picked by words and handles tied together, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from motifdesk.desk.handles import describe_handles
from motifdesk.desk.sites import SitesPane
from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.desk.channels import Output
    from motifdesk.desk.handles import Hands
    from motifdesk.session import Session, State


class Tying:
    """What the tab of sites and the locks beside the sliders do, as methods. Part of :class:`motifdesk.desk.Desk`."""

    session: Session
    _hands: Hands
    _output: Output

    if TYPE_CHECKING:

        def _settle_hands(self) -> None: ...

    def _sites_part(self) -> SitesPane:
        return SitesPane(self.session, self._hands, self._output, self._settle_hands)

    def select(self, sites: str | Iterable[int]) -> State:
        """Pick atoms by words ("O z>0.5", see :func:`motifdesk.session.site_query.find_sites`) or by index."""
        self._hands.release()
        atoms = self.session.find_sites(sites) if isinstance(sites, str) else sites
        return self.session.select(atoms=atoms)

    def lock(self, key: str, on: bool = True) -> None:
        """Lock the handle of a mode (a key of ``desk.session.state.modes``): its slider and Reset leave it where it is.

        An edit from Python (``desk.session.distort``) still may set it.
        """
        self._known([key])
        self._hands.ties.lock(key, on)
        self._show_ties()

    def couple(self, ratios: Mapping[str, float] | Iterable[str]) -> None:
        """Tie handles so that they move together: {key: ratio of amplitudes}, or keys that move alike."""
        group = dict(ratios) if isinstance(ratios, Mapping) else dict.fromkeys(ratios, 1.0)
        self._known(group)
        self._hands.ties.couple(group)
        self._show_ties()

    def uncouple(self, key: str) -> None:
        """Take a handle out of its group."""
        self._hands.ties.uncouple(key)
        self._show_ties()

    def _known(self, keys: Iterable[str]) -> None:
        state = self.session.state
        known = {mode.key for mode in state.modes} | set(state.amplitudes)
        for key in keys:
            if key not in known:
                raise SessionError(
                    f"there is no handle {str(key)[:60]!r} here",
                    where="handles",
                    remedy="use a key of desk.session.state.modes of the picked motif",
                )

    def _show_ties(self) -> None:
        with self._output.gate:
            self._output.publish(handles=describe_handles(self.session.state, self.session, self._hands.ties))
