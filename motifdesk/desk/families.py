"""The families panel: a page of pictures to choose from, the handles of the chosen family, its members."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from motifdesk.desk.thumbnails import picture
from motifdesk.desk.workers import Latest
from motifdesk.session.building import left_with, title
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session import Gesture, Session, State
    from motifdesk.topologies import Family, Parameter

_UNITS = {"A": "Å", "degrees": "°"}
_LABELS = {
    "a": "Length a",
    "b": "Length b",
    "centre": "Centre",
    "second_centre": "Second centre",
    "ligand": "Ligand",
    "filler": "Filler",
    "second_filler": "Second filler",
    "word": "Word",
}
_PAGE = 24  # members listed at a time
_WORDS = 5000  # strings of letters among which members are looked for


def gallery() -> list[dict[str, str]]:
    """Every family for the page of pictures: name, title, one sentence, SVG."""
    from motifdesk.topologies import families

    return [
        {"name": f.name, "title": title(f.name), "summary": f.summary, "source": f.source, "picture": picture(f.name)}
        for f in families().values()
    ]


def describe_family(state: State) -> dict[str, Any]:
    """The family that the design comes from, its handles, and whether the design has left it; {} for no family."""
    from motifdesk.topologies import families

    built = state.built
    kind = families().get(built.family) if built is not None else None
    if built is None or kind is None:
        return {}
    values = dict(built.parameters)
    return {
        "name": kind.name,
        "title": title(kind.name),
        "summary": kind.summary,
        "source": kind.source,
        "left": left_with(state),
        "neutral": built.neutral,
        "controls": [control(kind, p, values.get(p.name, p.default)) for p in kind.parameters],
        "known": [[name, _same(kind, values, given)] for name, given in known_members(kind)],
        "word": kind.letters != "",
        "current": values.get("word", ""),
    }


def control(kind: Family, p: Parameter, value: Any) -> dict[str, Any]:
    """One parameter as a control: kind "float", "whole", "choice", "word", "element", "flag" or "text"."""
    unit = _UNITS.get(p.unit, p.unit)
    described: dict[str, Any] = {
        "key": p.name,
        "label": _LABELS.get(p.name, p.name.replace("_", " ").capitalize()),
        "hint": p.help,
        "value": value,
        "rest": p.default,
        "unit": unit,
    }
    if p.is_number:
        low, high = float(p.low or 0.0), float(p.high if p.high is not None else max(4.0 * p.default, 1.0))
        step = float(p.step or (high - low) / 200)
        digits = 0 if p.whole else max(1, len(f"{step:g}".partition(".")[2]))
        described |= {"op": "family", "min": low, "max": high, "step": step, "digits": digits}
        return {**described, "kind": "whole" if p.whole else "float"}
    if isinstance(p.default, bool):
        return {**described, "kind": "flag"}
    choices = list(p.choices)
    if not choices and not kind.letters and kind.members and p is kind.parameters[0] and not p.is_species:
        # a family without words: its members are the values of its first parameter
        choices = list(dict.fromkeys([*kind.members, p.default, value]))
    if choices:
        return {**described, "kind": "choice", "choices": choices}
    if p.name == "word" and kind.letters:
        return {**described, "kind": "word", "letters": kind.letters}
    if p.is_species:
        return {**described, "kind": "element", "optional": p.default == ""}
    return {**described, "kind": "text"}


def known_members(kind: Family) -> list[tuple[str, dict[str, Any]]]:
    """Published members as (name, parameters): those of the registry, else its words.

    A member that is called by its formula ("gamma-Li2IrO3") has these elements, whatever those of the design are.
    """
    if kind.published:
        usual = {p.name: p.default for p in kind.parameters if p.is_species and p.default}
        found = []
        for m in kind.published:
            formula = all(re.search(f"{symbol}(?![a-z])", m.name) for symbol in usual.values())
            parameters = {**usual, **m.parameters} if formula else dict(m.parameters)
            found.append((f"{m.name} ({m.group})" if m.group else m.name, parameters))
        return found
    if kind.letters:
        return [(word, {"word": word}) for word in kind.members]
    return []


def _same(kind: Family, values: dict[str, Any], given: dict[str, Any]) -> bool:
    return all(
        abs(values[k] - v) < 1e-9 if isinstance(v, float) and isinstance(values.get(k), float) else values.get(k) == v
        for k, v in given.items()
    )


class FamilyPane:
    """The families panel of a desk, on a thread of its own: a member that takes long to build holds nothing up.

    ``show(**traits)`` publishes. Live values go to the newest; releases keep their place among them.
    """

    def __init__(self, session: Session, show: Callable[..., None]) -> None:
        self.session = session
        self._show = show
        self._lock = threading.Lock()
        self._queue: list[tuple[str, Any]] = []
        self._gesture: Gesture | None = None
        self._loop = Latest(self._step, "motifdesk-families")
        self._members = Latest(self._enumerate, "motifdesk-members")
        self._looked = False
        self._errors = itertools.count(1)

    @property
    def busy(self) -> bool:
        """Whether a family's slider is held."""
        gesture = self._gesture
        return gesture is not None and gesture.live

    def look(self, shown: bool) -> None:
        """The page shows the panel (or no longer): what it needs is sent the first time."""
        if shown and not self._looked:
            self._looked = True
            self._show(gallery=gallery())
            self.refresh(self.session.state)

    def refresh(self, state: State) -> None:
        """Show the handles of the family that `state` comes from."""
        if self._looked and not state.preview:
            self._show(family=describe_family(state))

    def move(self, key: str, value: Any) -> None:
        """A live value of the slider `key`."""
        with self._lock:
            if self._queue and self._queue[-1][0] == "move":
                self._queue.pop()
            self._queue.append(("move", (key, value)))
        self._loop.put(None)

    def end(self, how: str) -> None:
        """ "release" makes what is held one edit, "cancel" drops it."""
        with self._lock:
            self._queue.append((how, None))
        self._loop.put(None)

    def build(self, family: str | None, parameters: dict[str, Any], at: str, neutral: bool | None = None) -> None:
        """Build a member as one edit; what goes wrong is said at the control `at` ("" for the panel)."""
        with self._lock:
            self._queue.append(("build", (family, parameters, at, neutral)))
        self._loop.put(None)

    def choose_known(self, index: int) -> None:
        """Build the published member `index` of the family the design comes from."""
        from motifdesk.topologies import families

        built = self.session.state.built
        if built is not None:
            known = known_members(families()[built.family])
            if not 0 <= index < len(known):
                raise SessionError(f"there is no member {index}", where=built.family)
            self.build(built.family, self._kept(built, known[index][1]), "known", built.neutral)

    @staticmethod
    def _kept(built: Any, given: dict[str, Any]) -> dict[str, Any]:
        # a word is a word of the design's own elements; a named compound brings its own
        return {**built.parameters, **given} if set(given) == {"word"} else given

    def list_members(self, pages: int) -> None:
        """Enumerate the words of the family, `pages` pages of them."""
        self._members.put(max(1, min(int(pages), 40)))

    def finish(self, timeout: float = 30.0) -> None:
        """Commit what is held, after everything that was asked for before."""
        with self._lock:
            idle = not self._queue and not self.busy
        if not idle:
            self.end("release")
        self._loop.settle(timeout)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is asked for or being worked on."""
        return self._loop.settle(timeout) and self._members.settle(timeout)

    def close(self) -> None:
        """End the threads; what is held is dropped."""
        with self._lock:
            self._queue.clear()
        self._loop.close()
        self._members.close()
        if self.busy and self._gesture is not None:
            self._gesture.cancel()

    # ------------------------------------------------------------------------------------------ on the threads

    def _step(self, _: Any) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    return
                what, payload = self._queue.pop(0)
            at = {"move": lambda p=payload: p[0], "build": lambda p=payload: p[2]}.get(what, lambda: "")()
            try:
                self._do(what, payload)
                if what != "cancel":
                    self._show(family_error={})
            except Exception as error:
                text = str(error) if isinstance(error, MotifDeskError) else f"{type(error).__name__}: {error}"
                self._show(family_error={"at": at, "text": text, "id": next(self._errors)})
            if what in ("release", "cancel"):
                self.refresh(self.session.state)  # the slider goes where the design is

    def _do(self, what: str, payload: Any) -> None:
        if what == "move":
            key, value = payload
            if self._gesture is None or not self._gesture.live:
                self._gesture = self.session.gesture("build")
            self._gesture.update(**{key: value})
            return
        gesture, self._gesture = self._gesture, None
        if gesture is not None and gesture.live:
            gesture.cancel() if what == "cancel" or gesture.draft is None else gesture.commit()
        if what == "build":
            family, parameters, _, neutral = payload
            self.session.build(family, neutral=neutral, **parameters)

    def _enumerate(self, pages: int) -> None:
        from motifdesk.topologies import families, member

        built = self.session.state.built
        kind = families().get(built.family) if built is not None else None
        if built is None or kind is None or not kind.letters:
            self._show(members={})
            return
        words, longest, count = _words(kind)
        given = {k: v for k, v in built.parameters.items() if k != "word"}
        rows: list[dict[str, Any]] = []
        passed = 0
        told = {"family": kind.name, "count": count, "longest": longest, "pages": pages}
        for passed, word in enumerate(itertools.islice(words, pages * _PAGE), 1):
            if self._members.waiting():
                return
            try:
                made = member(kind.name, neutral=False, word=word, **given)
            except MotifDeskError:
                continue  # a word that the family's rule forbids is no member
            rows.append(_row(word, made.structure))
            if len(rows) in (1, 6):
                self._show(members={**told, "rows": list(rows), "seen": passed, "working": True})
        self._show(members={**told, "rows": rows, "seen": passed, "working": False})


def _words(kind: Family) -> tuple[Iterator[str], int, int]:
    """Distinct words of a family, shortest first; the longest length looked at; how many there are."""
    from motifdesk.topologies.grammar import words

    longest = 1
    while len(kind.letters) ** (longest + 1) <= _WORDS and longest < 10:
        longest += 1

    def found() -> Iterator[str]:
        return words(kind.letters, longest, reverse=kind.reverse, swap=kind.swap)

    return found(), longest, sum(1 for _ in found())


def _row(word: str, structure: Any) -> dict[str, Any]:
    from motifdesk.structures.arrays import to_arrays
    from motifdesk.structures.symmetry import space_group

    try:
        group = space_group(to_arrays(structure), 0.01).symbol
    except MotifDeskError:
        group = ""
    return {"word": word, "formula": structure.composition.reduced_formula, "atoms": len(structure), "group": group}
