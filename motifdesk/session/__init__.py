"""The document behind the desk: state, edits, history, replay, export. Knows no widget."""

from motifdesk.session.gesture import Gesture
from motifdesk.session.history import Edit, History, Node
from motifdesk.session.session import Session
from motifdesk.session.state import Change, Latent, Selection, State

__all__ = ["Change", "Edit", "Gesture", "History", "Latent", "Node", "Selection", "Session", "State"]
