"""Sites picked by words and handles tied together, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

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
        """Lock a handle, or let go of it (see :meth:`motifdesk.session.Session.lock`)."""
        self._hands.release()
        (self.session.lock if on else self.session.unlock)(key)

    def couple(self, ratios: Mapping[str, float] | Iterable[str]) -> None:
        """Tie handles so that they move together, and with no others: {key: ratio of amplitudes}, or keys that move
        alike (see :meth:`motifdesk.session.Session.couple`)."""
        group = dict(ratios) if isinstance(ratios, Mapping) else dict.fromkeys(ratios, 1.0)
        if len(group) < 2:
            raise SessionError("one handle alone", where="couple", remedy="name two handles or more")
        if not all(group.values()):
            raise SessionError("a ratio of 0", where="couple", remedy="give ratios other than 0, or lock that handle")
        self._hands.release()
        first, *rest = group
        for key in group:
            self.session.uncouple(key)
        for key in rest:
            self.session.couple(first, key, group[key] / group[first])

    def uncouple(self, key: str) -> None:
        """Take a handle out of its group."""
        self._hands.release()
        self.session.uncouple(key)
