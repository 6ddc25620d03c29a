"""Whatever a designer does in whatever order, the document stays a tree of states that can be reached and done
again."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from motifdesk.session import Session
from motifdesk.session.recording import from_json, to_json
from motifdesk.structures.errors import SessionError

_START = Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])

steps = st.lists(
    st.one_of(
        st.tuples(st.just("strain"), st.floats(0.8, 1.25)),
        st.tuples(st.just("preview"), st.floats(0.8, 1.25)),
        st.tuples(st.just("substitute"), st.sampled_from(["Ca", "Sr", "Ni"])),
        st.tuples(st.just("atoms"), st.sampled_from([(), (0,), (0, 1)])),
        st.tuples(st.sampled_from(["undo", "redo", "commit", "cancel"]), st.none()),
        st.tuples(st.just("goto"), st.integers(0, 12)),
    ),
    max_size=14,
)


def do(session, verb, value):
    match verb:
        case "strain":
            session.strain(volume=value)
        case "preview":
            session.preview("strain", volume=value)
        case "substitute":
            session.substitute([0], value)
        case "atoms":
            session.select(atoms=value)
        case "goto":
            session.goto(value)
        case _:
            getattr(session, verb)()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_random_walks_keep_the_document_whole(walk):
    session = Session(_START, codec=None, atlas=None)
    seen = []
    session.observe(seen.append)
    first = session.state.arrays
    for verb, value in walk:
        before, size = session.state, len(session.history)
        try:
            do(session, verb, value)
        except SessionError:  # an undo at the root and the like change nothing but a preview on show
            assert len(session.history) == size
            assert session.state.arrays in (before.arrays, session.committed.arrays)
        assert session.state.version >= before.version
        if not session.state.preview:
            assert session.state.arrays is session.committed.arrays
            assert session.state.node == session.history.current
        assert session.state.selection == session.committed.selection
    versions = [c.state.version for c in seen]
    assert versions == sorted(set(versions))
    session.cancel()
    for node in session.history:  # every node can be reached
        assert session.goto(node.id).arrays is node.state.arrays
        assert node.parent is None or node.id in session.history[node.parent].children
    session.goto(0)
    assert session.state.arrays is first
    replay = session.replay()
    assert replay.exact and max(replay.deviations.values()) == 0.0
    name, identity, history = from_json(to_json(session.name, session.identity, session.history), "memory")
    assert (name, identity, len(history)) == (session.name, session.identity, len(session.history))
    for a, b in zip(history, session.history, strict=True):
        assert a.edit == b.edit and np.array_equal(a.state.arrays.positions, b.state.arrays.positions)
        assert a.state.selection == b.state.selection
