"""The document: one design with its history, edited by gestures, watched by observers. Knows no widget."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motifdesk.session.cell_handles import cell_leads_to
from motifdesk.session.compare import Comparison, compare
from motifdesk.session.diffraction import RANGE, Pattern, powder_pattern
from motifdesk.session.history import Edit, History
from motifdesk.session.holding import Holding
from motifdesk.session.latent_workers import LatentPaths
from motifdesk.session.map_workers import located
from motifdesk.session.member import recognised
from motifdesk.session.outlook import leads_to
from motifdesk.session.paths import SECONDS, decomposed, images, other, write_images
from motifdesk.session.reach import Reach, reach
from motifdesk.session.readouts import Readouts, readouts
from motifdesk.session.recording import clean_name, from_json, read_json, write_session
from motifdesk.session.relaxing import Relaxing
from motifdesk.session.replay import Replay, other_versions, replay
from motifdesk.session.services import Services, base_versions
from motifdesk.session.site_query import find_sites
from motifdesk.session.state import State, first_state, formula, frozen_mapping
from motifdesk.session.ties import CELL
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.codec.missing import Proposal
    from motifdesk.motifs import Decomposition, Mode, MolecularGroup
    from motifdesk.session.crystal import CrystalHandle
    from motifdesk.session.keeping import Keeper
    from motifdesk.structures.symmetry import SpaceGroup


class Session(LatentPaths, Relaxing, Holding):
    """A design: frozen :attr:`state`, a tree of named edits, undo and redo, previews, observers.

    ``structure``: anything ``motifdesk.read`` accepts (path, Structure, Molecule, ase.Atoms). ``codec`` and
    ``atlas``: "lazy" (the bundled ones, loaded on first use), a loaded object, or None (map gestures then raise
    SessionError).

    Every gesture is a method (``distort``, ``strain``, ``drag_to``, ``decode_at``, ``substitute``, ``delete_sites``,
    ``add_site``, ``symmetrize``, ``set_structure``, ``build``, ``supercell``, ``slab``, ``morph``, ``along``,
    ``relax``) that commits one named edit and returns the new state; ``gesture(kind)`` or ``preview``/``commit``/
    ``cancel`` is the live form. All methods may be called from any thread. The state is replaced whole under one lock;
    observers are called outside it.

    Picking (``select``) is not a step of the history: undo takes back changes of the design, not clicks. Each node
    remembers the pick it was left with, so that undo brings back amplitudes *and* the motif they belong to.
    """

    keeper: Keeper | None = None
    """What saves this session by itself, once a desk has asked for it (:func:`motifdesk.session.keeping.keeper_of`)."""

    def __init__(self, structure: Any, *, codec: Any = "lazy", atlas: Any = "lazy", name: str | None = None) -> None:
        from motifdesk.structures import read

        opened = read(structure)
        self.services = Services(codec, atlas)
        state = first_state(opened, "Open")
        if name is None:
            name = Path(structure).stem if isinstance(structure, (str, Path)) else formula(state.arrays)
        state = replace(state, label=f"Open {name}", built=recognised(opened, state.arrays))
        edit = Edit(state.label, "open", frozen_mapping({"name": name}), None, 0, self.services.versions("open"))
        self.identity = uuid.uuid4().hex
        self._setup(name, History.start(edit, state))

    # ------------------------------------------------------------------------------------------------ gestures

    def distort(
        self, amplitudes: Mapping[str, float] | Mapping[str | Mode | CrystalHandle, float], *, keep: Any = None
    ) -> State:
        """Set mode amplitudes {mode or key: Angstrom}, absolute relative to the base structure, as one edit.

        Modes of motifs and of the whole crystal (``select(scope="crystal")``; their keys begin with "crystal:") may be
        on together: the network of motifs answers first, the displacements of the crystal's modes are then added.

        ``keep``: "free" (the symmetry is what comes of it), "request" (exactly what the request leaves standing is
        kept), "break" (the cheapest response, however low its symmetry), or a subgroup to keep: ``Operations`` of
        ``motifdesk.motifs.distortion.subgroups`` or a pair (rotations [G, 3, 3], translations [G, 3]). None: as picked.
        """
        return self._edit("distort", (amplitudes,), {"keep": keep})

    def leads_to(self, mode: str | Mode | CrystalHandle) -> SpaceGroup | MolecularGroup | None:
        """The space group (a molecule's point group) that turning `mode` on leads to, from the committed design (see
        :func:`motifdesk.session.outlook.leads_to`), or a handle of the cell ("exx" ... "volume"), what is tied to it
        included; None for locked handles and where no search converges."""
        if isinstance(mode, str) and mode in CELL:
            return cell_leads_to(self._history, self.committed, mode)
        return leads_to(self.committed, mode, self.ties)

    def reach(self, mode: Mode | CrystalHandle) -> Reach:
        """How far a mode of ``state.modes`` can be turned before atoms meet (see
        :func:`motifdesk.session.reach.reach`): where its slider ends. ``distort`` goes farther for those who ask."""
        return reach(self.committed, mode, self.ties)

    def strain(self, matrix: Any = None, *, volume: float | None = None, deformation: Any = None) -> State:
        """Strain the cell by a symmetric eta [3, 3] (cell rows become cell (1 + eta)), by a volume factor, or by any
        ``deformation`` [3, 3] (cell rows become cell @ deformation); fractional coordinates stay. See also
        :meth:`strain_to`."""
        return self._edit("strain", (matrix,), {"volume": volume, "deformation": deformation})

    def substitute(self, sites: Any, species: Any = None) -> State:
        """Put other species on sites: ``substitute({3: "Rh"})`` or ``substitute([0, 1], "Rh")``."""
        return self._edit("substitute", (sites, species), {})

    def delete_sites(self, sites: Any) -> State:
        """Take the atoms of these site indices out; the sites behind them move up."""
        return self._edit("delete_sites", (sites,), {})

    def add_site(self, species: Any, position: Any) -> State:
        """Put an atom of ``species`` at ``position`` [3] (Cartesian, Angstrom); it becomes the last site."""
        return self._edit("add_site", (species, position), {})

    def move_sites(self, sites: Any, shift: Any = None, *, keep: str = "free") -> State:
        """Displace sites (indices, or {site: vector}) by ``shift`` [3] or [n, 3] in Angstrom (Cartesian). ``keep``
        "symmetry": equivalents follow, and what the site's symmetry forbids is left out."""
        return self._edit("move_sites", (sites, shift), {"keep": keep})

    def find_sites(self, query: str) -> list[int]:
        """Sites that a few words mean, such as "O z>0.5" (see :func:`motifdesk.session.site_query.find_sites`)."""
        return find_sites(self.state, query)

    def propose_missing(self, n: int = 5) -> list[Proposal]:
        """What may be missing in the committed design, surest first (see :func:`motifdesk.codec.propose_missing`)."""
        from motifdesk.codec.missing import propose_missing

        return propose_missing(self.committed.arrays, n)

    def accept(self, proposal: Proposal) -> State:
        """Put a proposed atom in, as an edit like :meth:`add_site`."""
        return self.add_site(proposal.element, proposal.position)

    def symmetrize(self, tolerance: float = 0.1) -> State:
        """Snap positions and cell to the space group (molecules: point group) found within ``tolerance`` Angstrom."""
        return self._edit("symmetrize", (tolerance,), {})

    def set_structure(self, structure: Any, name: str | None = None) -> State:
        """Replace the design by another structure; the history keeps the way back. ``name``: of its file, for the
        step."""
        return self._edit("set_structure", (structure,), {} if name is None else {"name": name})

    def build(self, family: str | None = None, *, neutral: bool | None = None, **parameters: Any) -> State:
        """Replace the design by a member of a family of topologies (see ``motifdesk.families()``).

        ``family`` None: the family that the design comes from, with the parameters it has (``state.built``) unless they
        are given anew; otherwise the family's defaults. Lengths in Angstrom, angles in degrees. ``neutral``: whether a
        member without known neutral charges is an error (the default). ``gesture("build")`` is the live form. Raises
        TopologyError as ``motifdesk.build`` does; the design then stays as it is.
        """
        return self._edit("build", (family, parameters), {"neutral": neutral})

    def supercell(self, matrix: Any) -> State:
        """Repeat the cell by three whole numbers or an integer matrix [3, 3] (rows: new vectors in the present ones).

        The crystal stays the same; distortions of longer period become possible, and with ``select(scope="crystal")``
        the handles show the wavevectors that the larger cell holds.
        """
        return self._edit("supercell", (matrix,), {})

    def slab(self, hkl: Any, layers: int = 3, vacuum: float = 15.0, shift: float | None = None) -> State:
        """Cut a slab along the planes ``hkl`` (Miller indices in the present cell): ``layers`` repeats of the crystal
        along the normal, d(hkl) each, ``vacuum`` in Angstrom (0: the crystal in a cell with that orientation).

        The surface vectors are the shortest in the plane. The cut is where the fewest bonds break, or ``shift`` layers
        above the origin (other terminations). Conventions: :mod:`motifdesk.structures.slabs`.
        """
        return self._edit("slab", (hkl, layers, vacuum), {"shift": shift})

    def decomposition(
        self, parent: Any = "start", *, tolerance: float = 0.01, seconds: float = SECONDS
    ) -> Decomposition:
        """The committed design as modes and strain of a parent: "start" (the structure this session began with), a
        history node, or anything ``motifdesk.read`` accepts. See :func:`motifdesk.motifs.decompose`."""
        beside = other(self._history, parent)
        return decomposed(self.committed, beside.structure, tolerance=tolerance, seconds=seconds)

    def morph(self, to: Any, t: float = 1.0) -> State:
        """Go the share ``t`` (0 to 1) of the way to another structure, as one edit: a history node, "start", or
        anything ``motifdesk.read`` accepts, of the same composition. ``gesture("morph")`` is the live form."""
        beside = other(self._history, to)
        return self._edit("morph", (beside.structure, t, beside.title), {})

    def images(self, to: Any, n: int = 11) -> list[Any]:
        """``n`` structures on the way from the committed design to another one (as in :meth:`morph`), both ends among
        them; nothing is edited."""
        return images(self.committed.arrays, other(self._history, to).structure, n)

    def export_images(
        self,
        to: Any,
        folder: str | os.PathLike[str],
        n: int = 11,
        *,
        format: str = "cif",
        overwrite: bool = False,
    ) -> list[Path]:
        """Write :meth:`images` as numbered files image-00.cif, ... into ``folder``, each with its recipe and its t."""
        beside = other(self._history, to)
        about = {**self.provenance(), "morph towards": beside.title.replace("Å", "A")}
        made = images(self.committed.arrays, beside.structure, n)
        return write_images(made, folder, format, overwrite, about)

    def drag_to(self, xy: Any, composition: str = "keep", frames: int = 12) -> State:
        """Walk the design over the map to the point ``xy`` in ``frames`` warm frames, as one drag.

        The path is the straight line from where the design lies to ``xy``. Composition "keep": only the geometry
        follows; "follow": the species may follow too. ``state.latent.xy`` says where the structure really landed.
        """
        return self._edit("drag", (xy,), {"frames": frames}, {"composition": composition})

    def decode_at(
        self, target: Any, *, seed: int = 0, progress: Callable[..., Any] | None = None, **options: Any
    ) -> State:
        """Put on the desk what the codec decodes at a map point (x, y) or from a code: propose, refine, keep the
        best.

        Takes seconds; other edits go on meanwhile, and any of them (or ``cancel``) ends the decode, which then raises
        SessionError. ``progress`` is called as ``codec.decode`` documents; ``options`` go to ``codec.decode``. See
        ``state.latent.converged`` before trusting the result.
        """
        return self._edit("decode", (target,), {}, {"seed": seed, "progress": progress, **options})

    def locate(self) -> State:
        """Compute code, place on the map and predicted properties of the committed state; no step of the history."""
        state = self.committed
        if state.latent.stale or state.latent.root is None:
            latent = located(self.services, state)
            with self._lock:
                node = self._history[state.node]
                if node.state.arrays is state.arrays:
                    self._history = self._history.with_state(node.id, replace(node.state, latent=latent))
                    if self._state.node == node.id and not self._state.preview:
                        self._replace(replace(self._state, latent=latent), "locate")
            self._deliver()
        return self._state

    # ------------------------------------------------------------------------------------------------ read-outs

    def readouts(self, tier: str = "move") -> Readouts:
        """Numbers about the state as it is now, up to a tier.

        "move" takes a few ms; "release" adds symmetry, shape and valence, and predictions where the codec is loaded;
        "idle" loads codec and map and adds the nearest known structures. Locating a committed design on the way
        (see :meth:`locate`) gives the state a new version, which is the one stamped.
        """
        wanted = tier == "idle" or (tier == "release" and self.services.codec_loaded)
        missing = None
        if wanted and not self._state.preview and self.services.has_codec:
            try:
                self.locate()
            except MotifDeskError as error:
                missing = str(error)
        state, history = self._state, self._history
        above = history[state.node].parent if state.node in history.nodes else None
        return readouts(state, tier, self.services, missing, None if above is None else history[above].state)

    def diffraction(
        self, which: Any = None, *, wavelength: str | float = "CuKa", two_theta: tuple[float, float] = RANGE
    ) -> Pattern:
        """The X-ray powder pattern of the committed design, or of ``which``: "start", a history node, or anything
        ``motifdesk.read`` accepts. ``wavelength``: a name such as "CuKa" or "MoKa", or Angstrom; ``two_theta``:
        degrees. See :mod:`motifdesk.session.diffraction`."""
        beside = other(self._history, self._history.current if which is None else which)
        return powder_pattern(beside.structure, wavelength, two_theta, beside.title)

    def compare(self, a: int, b: int) -> Comparison:
        """How two nodes of the history differ: edits on either side of their common ancestor, displacements, cells."""
        return compare(self._history, a, b)

    def name_step(self, node: int, name: str) -> None:
        """Call a step of the history ``name`` (one line, 80 characters; "" takes the name away). A branch is called by
        its last step. Recorded with the session and with what is exported; no step of the history."""
        with self._lock:
            self._history = self._history.named(node, clean_name(name))
            self._replace(self._state, "name")
        self._deliver()

    def adopt(self, other: Session) -> State:
        """Go on as ``other``: its history, name and identity in place of this session's own, which is let go.

        Observers stay and are told ("adopt"). What is open of a gesture ends.
        """
        history = other.history
        with self._edit_lock, self._lock:
            self._end("another session took its place")
            self.name, self.identity = other.name, other.identity
            self._take(history)
            self._replace(self.committed, "adopt")
        self._deliver()
        return self._state

    # ------------------------------------------------------------------------------------------------ files

    def provenance(self) -> dict[str, Any]:
        """How the committed design came about: edits from the source to here, versions, seeds (JSON types)."""
        history = self._history
        state = history[history.current].state
        used: dict[str, str] = dict(base_versions())
        for node in history.path():
            used.update(node.edit.versions)
        about: dict[str, Any] = {
            "program": f"motifdesk {base_versions()['motifdesk']}",
            "session": self.name,
            "session_id": self.identity,
            "node": state.node,
            "formula": state.formula,
            "versions": used,
        }
        # one entry a step: writers give each its own comment line
        for k, node in enumerate(history.path()):
            edit = node.edit
            called = history.names.get(node.id)
            about[f"step {k}"] = {
                "name": edit.name.replace("Å", "A"),
                **({} if called is None else {"called": called}),
                "kind": edit.kind,
                "parameters": _short(edit.parameters),
                "seed": edit.seed,
            }
        if state.built is not None:
            about["family"] = {**state.built.recipe, "unchanged since": state.built.holds(state.arrays)}
        latent = state.latent
        if latent.residual is not None:
            about["decode"] = {
                "residual": latent.residual,
                "converged": latent.converged,
                "source": latent.source,
                "target_xy": latent.target_xy,
                "landed_xy": latent.xy,
            }
        return about

    def export(self, path: str | os.PathLike[str], format: str | None = None, overwrite: bool = False) -> Path:
        """Write the committed design (not a preview) with its recipe; the format follows the suffix unless given."""
        from motifdesk.structures import write

        return write(self.committed.structure, path, format=format, overwrite=overwrite, provenance=self.provenance())

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the whole history as JSON, atomically; a file of another session is replaced only with
        ``overwrite``."""
        history = self._history
        return write_session(self.name, self.identity, history, path, overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, codec: Any = "lazy", atlas: Any = "lazy") -> Session:
        """Open a saved session with the structures as stored; ``replay`` computes them again."""
        name, identity, history = from_json(read_json(path), str(path))
        return cls._from_history(name, identity, history, Services(codec, atlas))

    @classmethod
    def _from_history(cls, name: str, identity: str, history: History, services: Services) -> Session:
        session = cls.__new__(cls)
        session.services = services
        session.identity = identity
        session._setup(name, history)
        return session

    @property
    def other_versions(self) -> Mapping[str, tuple[str, str]]:
        """What made the steps of this session and is of another version now: name -> (then, now). Empty for a session
        of this kernel."""
        return other_versions(self._history, self.services)

    def replay(self) -> Replay:
        """Do every edit again from the source and the recipe, in a fresh session, and compare with what is stored
        here.

        This session stays as it is. Where an edit comes out more than 1e-6 Angstrom off, the new session keeps the
        stored structure and the mismatch names the versions that differ.
        """
        history, deviations, mismatches = replay(self._history, self.services)
        session = type(self)._from_history(self.name, self.identity, history, self.services)
        return Replay(session, deviations, mismatches)


def _short(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for people: whole structures and codes are left to the session file."""
    out = {}
    for key, value in parameters.items():
        if key in ("structure", "to", "start", "code", "codes") and value is not None:
            value = "(in the session file)"
        elif isinstance(value, list) and len(value) > 24:
            value = f"({len(value)} entries, in the session file)"
        out[key] = value
    return out
