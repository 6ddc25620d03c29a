"""What the designer sees: structure, map, handles, read-outs and history over one session, linked by a small
JavaScript bridge.
"""

from motifdesk.desk.desk import Desk

__all__ = ["Desk"]
