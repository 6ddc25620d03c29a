"""What a desk offers for campaigns: show one, look at its candidates, a desk that opens with the best."""

from __future__ import annotations

from typing import Any

from motifdesk.desk.campaign import CampaignPane
from motifdesk.desk.parts import Part


class Campaigns:
    """What a desk offers for campaigns."""

    session: Any
    map: Any
    _output: Any
    _report: Any
    _candidates: CampaignPane

    def _campaign_part(self) -> Part:
        self._candidates = CampaignPane(self.session, self.map, self._output.publish, self._report)
        return self._candidates

    def show_campaign(self, source: Any) -> int:
        """Show a campaign's candidates (the path of its store, a `Store` or a `Campaign`) as points on the map and in
        the read-outs' tab "Candidates"; returns how many there are. See :attr:`candidates`.

        ScreeningError: there is no such store.
        """
        return self._candidates.show(source)

    @property
    def candidates(self) -> CampaignPane:
        """The campaign on the desk: ``search(query)``, ``sort``, ``star``, ``open``, ``export``, ``colour_by``,
        ``hide``."""
        return self._candidates

    @classmethod
    def of_campaign(cls, source: Any, **options: Any) -> Any:
        """A desk that opens with the best candidate of a campaign and shows all of them.

        ScreeningError: there is no such store, or no candidate with a structure in it.
        """
        from motifdesk.screening.errors import ScreeningError
        from motifdesk.screening.listing import Listing

        listing = Listing(source)
        rows = [int(k) for k in listing.search()[:1]]
        best = None if not rows else listing.candidate(rows[0])
        if best is None or best.arrays is None:
            listing.close()
            raise ScreeningError(
                "no candidate has a structure yet", where=listing.store.path, remedy="run the campaign"
            )
        made: Any = cls(best.final, **options)  # type: ignore[call-arg]
        listing.close()
        made.show_campaign(source)
        return made


__all__ = ["Campaigns"]
