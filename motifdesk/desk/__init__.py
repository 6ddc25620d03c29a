"""What the designer sees: structure, map, handles, read-outs and history over one session, linked by a small
JavaScript bridge.
"""

from motifdesk.desk.desk import Desk
from motifdesk.desk.linking import Link, link

__all__ = ["Desk", "Link", "link"]
