"""The document behind the desk: state, edits, history, replay, export. Knows no widget.

>>> session = Session("beta-Li2IrO3.cif")
>>> session.select(motif=0, scope="orbit")
>>> session.distort({session.state.modes[1]: 0.05})
>>> session.undo()
>>> session.export("design.cif")
"""

from motifdesk.session.compare import Comparison
from motifdesk.session.crystal import CrystalHandle
from motifdesk.session.gesture import Gesture
from motifdesk.session.history import Edit, History, Node
from motifdesk.session.readouts import Readouts, Row, Verdict
from motifdesk.session.replay import Mismatch, Replay
from motifdesk.session.session import Session
from motifdesk.session.state import Change, Latent, Selection, State

__all__ = [
    "Change",
    "Comparison",
    "CrystalHandle",
    "Edit",
    "Gesture",
    "History",
    "Latent",
    "Mismatch",
    "Node",
    "Readouts",
    "Replay",
    "Row",
    "Selection",
    "Session",
    "State",
    "Verdict",
]
