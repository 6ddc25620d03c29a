"""Edits that follow the map: dragging the probe (warm, the same atoms) and cold decoding of a point or a code."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from motifdesk.session.services import Services
from motifdesk.session.state import Latent, Reference, Selection, State, frozen_mapping, moved, rebased
from motifdesk.session.workers import Draft, Worker, finite
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifDeskError, SessionError

DRAG_STEPS = 2
"""Refinement steps per frame of a drag: two keep a frame of 20 atoms near 0.1 s on two cores."""

SETTLE = 12
"""Most frames that ``drag_to`` adds at its target."""


def root_of(code: Any) -> np.ndarray:
    """The root vector, float32 [D], of a code, of codes holding one structure, or of plain numbers."""
    root = np.asarray(getattr(code, "root", code), dtype=np.float32)
    if root.ndim == 2 and len(root) == 1:
        root = root[0]
    if root.ndim != 1 or not np.isfinite(root).all():
        raise SessionError(
            f"a code of shape {list(root.shape)}",
            where="code",
            remedy="give one finite root vector (codes[k] or its .root)",
        )
    return root


def codes_of(root: Any, like: Any = None) -> Any:
    """Codes of one structure from a root vector, of the same weights as ``like``."""
    from motifdesk.codec.codes import Codes

    return Codes(root=root_of(root)[None], version=str(getattr(like, "version", "") or ""))


def code_to_text(root: np.ndarray) -> str:
    """float32 numbers as base64 text (little-endian), exact."""
    return base64.b64encode(np.asarray(root, dtype="<f4").tobytes()).decode()


def code_from_text(text: str) -> np.ndarray:
    """The numbers of :func:`code_to_text`; SessionError when the text is damaged."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)
    except (ValueError, TypeError) as error:
        raise SessionError(f"a stored code is damaged ({error})", where="replay") from None


def point(xy: Any) -> tuple[float, float]:
    """Two finite map coordinates."""
    x, y = finite(xy, "map point", (2,))
    return float(x), float(y)


def land(services: Services, codes: Any) -> tuple[float, float]:
    """Where codes of one structure lie on the map."""
    x, y = np.asarray(services.atlas.project(codes), dtype=float).reshape(-1, 2)[0]
    return float(x), float(y)


def located(services: Services, state: State) -> Latent:
    """The latent of a state computed from its real structure: encoded, placed on the map, its properties predicted."""
    codes = services.codec.encode([state.arrays])
    predictions = {name: float(np.asarray(v).reshape(-1)[0]) for name, v in services.codec.predict(codes).items()}
    return replace(
        state.latent,
        root=root_of(codes),
        xy=land(services, codes) if services.has_atlas else None,
        predictions=frozen_mapping({k: v for k, v in predictions.items() if np.isfinite(v)}),
        stale=False,
    )


def located_or_noted(services: Services, state: State) -> State:
    """``state`` with its latent; where it cannot be placed a note says why, because a design must not be lost over
    it."""
    try:
        return replace(state, latent=located(services, state))
    except MotifDeskError as error:
        latent = replace(state.latent, root=None, xy=None, stale=True)
        return replace(state, latent=latent, notes=(*state.notes, f"not placed on the map: {error}"))


class Drag(Worker):
    """Follow a pointer over the map: each point is lifted to a code, and the atoms take a few refinement steps to it.

    Composition "keep": only the geometry follows, the atoms stay the same. "follow": where the nearest known
    structure of the map has another composition, its atoms take over (other motifs then). The waypoints *as
    processed* are the recipe (a pointer event that was overtaken moved nothing), so that a replay takes the same
    path. ``steps``: refinement steps of a frame; with a ``budget`` (seconds a frame), a frame after one that took
    longer has a single step, until frames take a third of it again: a large cell then moves less in a frame instead
    of more seldom. The steps of every frame are part of the recipe.
    """

    kind = "drag"
    quick = False

    def __init__(
        self,
        services: Services,
        origin: State,
        composition: str = "keep",
        steps: int = DRAG_STEPS,
        budget: float | None = None,
    ) -> None:
        super().__init__(services, origin)
        if composition not in ("keep", "follow"):
            raise SessionError(f"unknown composition {composition!r}", where="drag", remedy="choose keep or follow")
        self.composition = composition
        self.steps = int(steps)
        self.budget = budget
        self._now = self.steps
        self._taken: list[int] = []
        self.waypoints: list[tuple[float, float]] = []
        self._codes: list[np.ndarray] = []
        self._follower: Any = None
        self._home: tuple[Any, tuple[float, float]] | None = None
        self._reference = origin.reference
        self._nearest: tuple[int, AtomArrays | None] = (-1, None)

    def update(self, xy: Any, frames: int = 1) -> Draft:
        """``xy``: a point of the map. One frame of motion towards it from where the last frame ended.

        Repeating the same point goes on towards it. With several ``frames`` the way there, from where the design lies
        on the map, is taken in equal parts, and then the last point is repeated while that still gains something.
        """
        target = point(xy)
        if int(frames) < 1:
            raise SessionError(f"{frames} frames", where="drag", remedy="give at least one")
        if int(frames) == 1:
            return self._frame(target)
        start = self._start()[1]
        for k in range(1, int(frames)):
            part = k / int(frames)
            self._frame((start[0] + part * (target[0] - start[0]), start[1] + part * (target[1] - start[1])))
            self._check_live()
        draft = self._frame(target)
        for _ in range(SETTLE):
            before = draft.state.latent.residual or 0.0
            if draft.state.latent.converged:
                break
            self._check_live()
            draft = self._frame(target)
            if (draft.state.latent.residual or 0.0) > 0.9 * before:
                break
        return draft

    def _check_live(self) -> None:
        if self.cancelled:
            raise SessionError("the drag was cancelled", where="drag", remedy="the design is unchanged")

    def _frame(self, target: tuple[float, float], code: Any = None) -> Draft:
        """One frame towards ``target``; ``code`` is its lifted code where that is known already (a replay)."""
        began = time.perf_counter()
        if self._follower is None:
            self._follower = self.services.codec.follower(self.origin.arrays, self.composition)
        known = code is not None
        if code is None:
            code = self._code(target)
        options = {"anchor": self._anchor(target)} if self.composition == "follow" else {}
        frame = self._follower.step(code, steps=self._now, **options)
        self._taken.append(self._now)
        self.waypoints.append(target)
        self._codes.append(root_of(code))
        arrays = frame.arrays
        state = moved(self.origin, arrays)
        if not np.array_equal(arrays.numbers, self._reference.arrays.numbers):
            self._reference = Reference(arrays, from_arrays(arrays))
        if self._reference is not self.origin.reference:
            state = replace(state, reference=self._reference, selection=Selection())
        # where it really is, every frame; properties wait for the release
        latent = Latent(
            root=root_of(frame.root),
            xy=None if known else land(self.services, codes_of(frame.root, code)),
            target_xy=target,
            residual=float(frame.residual),
            converged=bool(frame.converged),
            source="drag",
            composition=self.composition,
            stale=False,
            target_root=root_of(code),
        )
        if self.budget is not None:
            took = time.perf_counter() - began
            self._now = 1 if took > self.budget else self.steps if took < self.budget / 3.0 else self._now
        return Draft(replace(state, latent=latent), self._name(target))

    def _code(self, target: tuple[float, float]) -> Any:
        """What the map stands for at ``target``: with the species kept, the design's own code carried there."""
        atlas = self.services.atlas
        if self.composition == "follow":
            return atlas.lift(target)
        return atlas.carry(*self._start(), target)

    def _anchor(self, target: tuple[float, float]) -> AtomArrays:
        """Atoms of the map's structure nearest to the pointer."""
        atlas = self.services.atlas
        nearest = int(((np.asarray(atlas.xy) - np.asarray(target)) ** 2).sum(axis=1).argmin())
        if nearest != self._nearest[0]:
            self._nearest = (nearest, atlas.arrays(nearest))
        assert self._nearest[1] is not None
        return self._nearest[1]

    def _start(self) -> tuple[Any, tuple[float, float]]:
        """Code and place of the design as the drag found it; encoded once where they are not known."""
        if self._home is None:
            latent = self.origin.latent
            if latent.root is not None and latent.xy is not None and not latent.stale:
                self._home = (codes_of(latent.root, self.services.codec), latent.xy)
            else:
                codes = self.services.codec.encode([self.origin.arrays])
                self._home = (codes_of(codes, self.services.codec), land(self.services, codes))
        return self._home

    def _name(self, target: tuple[float, float]) -> str:
        return f"Drag to ({target[0]:.2f}, {target[1]:.2f})"

    def _recipe(self) -> dict[str, Any]:
        return {
            "waypoints": [list(w) for w in self.waypoints],
            # what the map made of them, bit for bit: float32 of another batch size or machine differs in the last
            # digit, and a path over the map multiplies that by a million
            "codes": [code_to_text(c) for c in self._codes],
            "composition": self.composition,
            "steps": self.steps if set(self._taken) == {self.steps} else list(self._taken),
        }

    def finish(self, draft: Draft) -> Draft:
        """New base, motifs found anew, and the landing point of the re-encoded structure."""
        draft = replace(draft, parameters=self._recipe())
        template = draft.state.reference.template
        state = replace(rebased(draft.state, draft.state.arrays, template), latent=draft.state.latent)
        state = located_or_noted(self.services, state)
        if draft.state.reference is not self.origin.reference:
            return replace(draft, state=state)  # other atoms: nothing stays picked
        return super().finish(replace(draft, state=state))

    @classmethod
    def replay(cls, services: Services, origin: State, parameters: Mapping[str, Any], seed: int) -> Draft:
        """Go through the stored waypoints and codes again."""
        worker = cls(services, origin, parameters["composition"])
        steps, places = parameters["steps"], parameters["waypoints"]
        each = steps if isinstance(steps, list) else [int(steps)] * len(places)
        draft = None
        for waypoint, text, count in zip(places, parameters["codes"], each, strict=True):
            worker._now = int(count)
            draft = worker._frame(point(waypoint), codes_of(code_from_text(text)))
        if draft is None:
            raise SessionError("a drag without waypoints", where="replay", remedy="the file was altered")
        return worker.finish(draft)


class Decode(Worker):
    """Cold decode: propose crystals for a point of the map or a code, refine them, put the best on the desk."""

    kind = "decode"
    quick = False

    def __init__(
        self,
        services: Services,
        origin: State,
        seed: int = 0,
        progress: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(services, origin)
        self.seed = int(seed)
        self.progress = progress
        try:
            self.options = json.loads(json.dumps(options, allow_nan=False))
        except (TypeError, ValueError):
            raise SessionError(
                f"options {sorted(options)} are not plain values",
                where="decode",
                remedy="give numbers, strings and lists",
            ) from None

    def update(self, target: Any) -> Draft:
        """``target``: map point (x, y), or a code (``codes[k]``, or its root vector)."""
        codec = self.services.codec
        is_code = hasattr(target, "root") or np.size(target) != 2
        if is_code:
            xy, code = None, codes_of(target, target)
        else:
            xy = point(target)
            lifted = self.services.atlas.lift(xy)
            code = codes_of(lifted, lifted)
        decoded = codec.decode(code, seed=self.seed, progress=self._report, **self.options)[0]
        if decoded.structure is None:
            raise SessionError(
                "nothing could be decoded there", where="decode", remedy="try another point or another seed"
            )
        arrays = to_arrays(decoded.structure)
        state = rebased(self.origin, arrays, decoded.structure)
        latent = Latent(
            target_xy=xy,
            residual=float(decoded.residual),
            converged=bool(decoded.converged),
            source=str(decoded.source),
            composition="follow",
            target_root=root_of(code),
        )
        state = replace(state, latent=latent, built=None)
        where = f"({xy[0]:.2f}, {xy[1]:.2f})" if xy else "a code"
        parameters = {
            "code": code_to_text(code.root[0]),
            "xy": None if xy is None else list(xy),
            "options": self.options,
        }
        return Draft(state, f"Decode {state.formula} at {where}", parameters, self.seed)

    def _report(self, *args: Any, **kwargs: Any) -> None:
        if self.cancelled:
            raise SessionError("the decode was cancelled", where="decode", remedy="the design is unchanged")
        if self.progress is not None:
            self.progress(*args, **kwargs)

    def finish(self, draft: Draft) -> Draft:
        """Other atoms: nothing stays picked; the landing point of the re-encoded structure."""
        state = replace(draft.state, selection=replace(draft.state.selection, motif=None, atoms=()))
        return replace(draft, state=located_or_noted(self.services, state))

    @classmethod
    def replay(cls, services: Services, origin: State, parameters: Mapping[str, Any], seed: int) -> Draft:
        """Decode the stored code again with the stored seed (the map is not needed)."""
        worker = cls(services, origin, seed=seed, **parameters["options"])
        draft = worker.update(code_from_text(parameters["code"]))
        if parameters["xy"] is not None:
            xy = point(parameters["xy"])
            draft = replace(draft, state=replace(draft.state, latent=replace(draft.state.latent, target_xy=xy)))
        return worker.finish(draft)
