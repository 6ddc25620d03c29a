"""The edit that goes part of the way to another design through the latent space, and the session's verbs for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.latent_paths import IMAGES, LatentPath, latent_path
from motifdesk.session.map_workers import code_from_text, code_to_text, codes_of, land, located_or_noted, root_of
from motifdesk.session.paths import Other, other, write_images
from motifdesk.session.state import Latent, Reference, Selection, State, moved, rebased
from motifdesk.session.workers import Draft, Worker, finite, plain_dict, structure_from_dict
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import SessionError, one_line

if TYPE_CHECKING:
    from motifdesk.session.services import Services

_CONVERGED = 1e-8  # motifdesk.codec.refine.CONVERGED, without loading torch


class Along(Worker):
    """Put an image of the latent path between two designs on the desk (:mod:`motifdesk.session.latent_paths`)."""

    kind = "along"
    quick = False  # the images are decoded the first time

    def __init__(self, services: Services, origin: State, report: Callable[[int, int], object] | None = None) -> None:
        super().__init__(services, origin)
        self.report = report

    def update(
        self,
        t: float,
        to: Any,
        start: Any = None,
        *,
        towards: str = "",
        leaving: str = "",
        n: int = IMAGES,
        composition: str = "follow",
        codes: list[str] | None = None,
    ) -> Draft:
        """``t``: 0 (the first design) to 1 (the second, ``to``); ``start``: the first, None for the design that the
        gesture began with; both structures or their pymatgen dictionaries. ``towards``, ``leaving``: what they are
        called; ``n``: images; ``codes``: of both ends as stored by an earlier time."""
        share = float(finite(t, "t", ()))
        if not 0.0 <= share <= 1.0:
            raise SessionError(f"t = {share:g}", where="latent path", remedy="choose it between 0 and 1")
        last = structure_from_dict(to) if isinstance(to, Mapping) else to
        first = structure_from_dict(start) if isinstance(start, Mapping) else start
        begin = self.origin.arrays if first is None else to_arrays(first)
        ends = None if codes is None else np.stack([code_from_text(c) for c in codes])
        path = latent_path(
            self.services.codec,
            begin,
            to_arrays(last),
            n,
            composition=composition,
            ends=ends,
            report=self._report,
        )
        name = one_line(towards or to_arrays(last).formula, 40)
        state = self._state(path, share)
        parameters = {
            "t": share,
            "to": plain_dict(last),
            "start": None if first is None else plain_dict(first),
            "towards": name,
            "leaving": leaving,
            "n": int(n),
            "composition": composition,
            # bit for bit: another machine's float32 differs in the last digit, and a path of warm steps multiplies that
            "codes": [code_to_text(root) for root in path.ends],
        }
        return Draft(state, f"Latent path to {name}, {100 * share:.3g} %", parameters)

    def _report(self, done: int, total: int) -> None:
        if self.cancelled:
            raise SessionError("the path was cancelled", where="latent path", remedy="the design is unchanged")
        if self.report is not None:
            self.report(done, total)

    def _state(self, path: LatentPath, t: float) -> State:
        arrays = path.at(t)
        same = len(arrays.numbers) == len(self.origin.arrays.numbers)
        if (
            same
            and _begins(path.arrays[0], self.origin.arrays)
            and (path.exchange is None or t < path.t[path.exchange])
        ):
            state = moved(self.origin, arrays)  # the design's own atoms, moved: its bonds and picks stay on show
        else:
            bare = replace(self.origin.selection, motif=None, atoms=())
            state = replace(moved(self.origin, arrays), reference=self._reference(path, t), selection=bare)
        return replace(state, latent=placed(self.services, path, t, arrays))

    def _reference(self, path: LatentPath, t: float) -> Reference:
        """The design whose bonds are shown: the end that lends the atoms."""
        of_last = path.exchange is not None and t >= path.t[path.exchange]
        name = "last" if of_last or (path.exchange is None and t > 0.5) else "first"
        if name not in path._cache:
            arrays = path.arrays[-1 if name == "last" else 0]
            path._cache[name] = Reference(arrays, from_arrays(arrays))
        found: Reference = path._cache[name]
        return found

    def finish(self, draft: Draft) -> Draft:
        """A new base with a motif graph of its own; encoded again for its properties."""
        state = draft.state
        latent = state.latent
        if state.reference is self.origin.reference:
            draft = super().finish(draft)
            state = draft.state
        else:
            state = rebased(state, state.arrays, from_arrays(state.arrays))
            state = replace(state, selection=Selection(), built=None)
        return replace(draft, state=located_or_noted(self.services, replace(state, latent=latent)))


def placed(services: Services, path: LatentPath, t: float, arrays: AtomArrays | None = None) -> Latent:
    """Where the image at t really lies, and how far that is from the straight line."""
    k = path.image(t)
    if k is not None:
        root, residual = path.roots[k], float(path.residuals[k])
    else:
        from motifdesk.codec.codes import BLIND_WIDTH, GEOMETRY

        codes = services.codec.encode([path.at(t) if arrays is None else arrays])
        root = root_of(codes)
        numbers = GEOMETRY if path.reaches else slice(GEOMETRY.stop - BLIND_WIDTH, GEOMETRY.stop)
        residual = float(np.square((root - path.goal(t).root[0])[numbers].astype(np.float64)).mean())
    xy = target = None
    if services.has_atlas:
        xy, target = land(services, codes_of(root, services.codec)), land(services, path.goal(t))
    return Latent(
        root=root,
        xy=xy,
        target_xy=target,
        residual=residual,
        converged=residual <= _CONVERGED,
        source="path",
        composition=path.composition,
        stale=False,
        target_root=root_of(path.goal(t)),
    )


def _begins(first: AtomArrays, design: AtomArrays) -> bool:
    if len(first.numbers) != len(design.numbers) or (first.numbers != design.numbers).any():
        return False
    cells = first.cell is None or design.cell is None or bool(np.abs(first.cell - design.cell).max() < 1e-6)
    return cells and bool(np.abs(first.positions - design.positions).max() < 1e-6)


class LatentPaths:
    """The verbs of a session for paths through the latent space. Mixed into :class:`motifdesk.session.Session`."""

    if TYPE_CHECKING:
        services: Services

        @property
        def committed(self) -> State: ...
        @property
        def history(self) -> Any: ...
        def provenance(self) -> dict[str, Any]: ...
        def _edit(
            self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any] | None = None
        ) -> State: ...

    def path_end(self, which: Any) -> Other:
        """An end of a path: "design" (the committed design), "start", a history node, or anything ``motifdesk.read``
        takes (a known structure: ``session.atlas.structure(index)``)."""
        if isinstance(which, str) and which == "design":
            state = self.committed
            return Other(f"step {state.node}: {state.label}", state.structure)
        return other(self.history, which)

    def latent_path(
        self,
        a: Any,
        b: Any,
        n: int = IMAGES,
        *,
        composition: str = "follow",
        report: Callable[[int, int], object] | None = None,
    ) -> LatentPath:
        """The decoded way between two designs along the straight line of their codes; nothing is edited.

        ``a``, ``b``: see :meth:`path_end`. ``n``: 3 to 101 images. ``composition``: "follow" (both ends are the
        designs; where their atoms differ they are exchanged in the middle) or "keep" (the atoms of ``a`` all the way;
        of another composition, the last image is not ``b``). ``report(done, total)`` is told of each image and may
        raise.

        >>> path = session.latent_path("design", "rutile-TiO2.cif")
        >>> path.structures, path.residuals, path.exchange
        """
        first, last = self.path_end(a), self.path_end(b)
        return latent_path(
            self.services.codec,
            to_arrays(first.structure),
            to_arrays(last.structure),
            n,
            composition=composition,
            report=report,
        )

    def along(
        self,
        a: Any,
        b: Any,
        t: float,
        n: int = IMAGES,
        *,
        composition: str = "follow",
        report: Callable[[int, int], object] | None = None,
    ) -> State:
        """Put the image at ``t`` (0 to 1) of :meth:`latent_path` on the desk, as one edit.

        Between two of the ``n`` images atoms and cell are in proportion. ``gesture("along")`` is the live form. See
        ``state.latent.residual`` before trusting an image: the straight line leaves the manifold of crystals.
        """
        first, last = self.path_end(a), self.path_end(b)
        about = {"towards": last.title, "leaving": first.title, "n": n, "composition": composition}
        return self._edit("along", (t, last.structure, first.structure), about, {"report": report})

    def export_path(
        self,
        a: Any,
        b: Any,
        folder: str | os.PathLike[str],
        n: int = IMAGES,
        *,
        composition: str = "follow",
        format: str = "cif",
        overwrite: bool = False,
    ) -> list[Path]:
        """Write the images of :meth:`latent_path` as numbered files image-00.cif, ... into ``folder``, each with its t,
        its residual and where its atoms come from. ``format``: cif, poscar, extxyz or json."""
        first, last = self.path_end(a), self.path_end(b)
        path = self.latent_path(first, last, n, composition=composition)
        return write_path(path, folder, format, overwrite, self.provenance(), (first.title, last.title))


def write_path(
    path: LatentPath,
    folder: Any,
    format: str,
    overwrite: bool,
    provenance: Mapping[str, Any],
    titles: tuple[str, str],
) -> list[Path]:
    """Write the images as numbered files; see :func:`motifdesk.session.paths.write_images`."""
    ends = [title.replace("Å", "A") for title in titles]
    about = {**provenance, "latent path": f"{ends[0]} -> {ends[1]}", "codec": path.version}
    each = [
        {
            "residual": float(f"{path.residuals[k]:.3e}"),
            "atoms of": ends[1 if path.exchange is not None and k >= path.exchange else 0],
        }
        for k in range(len(path))
    ]
    return write_images(path.structures, folder, format, overwrite, about, each)
