"""The codec: one trained encoder, used both ways."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.codec.blueprint import blueprint_block
from motifdesk.codec.codes import COUNTS, GEOMETRY, LATTICE, MOTIF_WIDTH, N_ELEMENTS, ROOT_WIDTH, SYMMETRY, Codes
from motifdesk.codec.lattice import cell_to_block
from motifdesk.codec.readouts import bundled_readouts, code_inputs, read_densities, read_values
from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.corpora import corpora, corpus
from motifdesk.structures.errors import CodecError, MotifDeskError, MotifDeskWarning

if TYPE_CHECKING:
    import torch

    from motifdesk.codec.children import Children
    from motifdesk.codec.decode import Decoded
    from motifdesk.codec.follower import Follower
    from motifdesk.networks.encoder import Encoder
    from motifdesk.networks.readouts import Readout

_ATOMS_PER_BATCH = 2000
_CLOSE = 0.1  # Angstrom; two atoms nearer than this are one atom entered twice


def load_codec(path: str | os.PathLike[str] | None = None, device: str = "auto") -> Codec:
    """The codec with the bundled weights, or with those at ``path`` (a ``codec.safetensors`` of a training run).

    ``device``: "auto" (cuda when torch sees it), "cpu", "cuda", ... Raises :class:`CodecError` for missing or damaged
    weights.
    """
    from motifdesk.data import path as data_path
    from motifdesk.networks.checkpoint import load_weights
    from motifdesk.networks.errors import NetworkError

    source = data_path("weights", "codec.safetensors") if path is None else path
    chosen = _device(device)
    try:
        weights = load_weights(os.fspath(source), device="cpu")
        readouts = bundled_readouts(weights.digest)
    except NetworkError as error:
        raise CodecError(
            error.what,
            where=error.where or os.fspath(source),
            remedy=error.remedy or "give a codec.safetensors of motifdesk",
        ) from error
    return Codec(weights.encoder, weights.heads, version=weights.digest[:16], device=chosen, readouts=readouts)


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise CodecError(
            f"there is no device {name!r}", where="device", remedy='use "auto", "cpu" or "cuda"'
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise CodecError("torch sees no GPU here", where=f"device {name!r}", remedy='use device="auto"')
    return device


class Codec:
    """Encode structures to codes, decode codes to structures, predict properties, follow a moving code.

    Attributes:
        version: identifies the weights (start of the sha256 of all tensors); codes carry it.
        device: where the networks run.
    """

    def __init__(
        self,
        encoder: Encoder,
        heads: Any = None,
        *,
        version: str,
        device: torch.device | str = "cpu",
        readouts: dict[str, Readout] | None = None,
    ) -> None:
        import torch

        from motifdesk.codec.weights import encoder_arrays

        self.version = version
        self.device = torch.device(device)
        self._arrays = encoder_arrays(encoder)
        self._encoder = encoder.to(self.device, torch.float32).eval().requires_grad_(False)
        self._heads = None if heads is None else heads.to(self.device, torch.float32).eval().requires_grad_(False)
        self._readouts = {k: v.to(self.device, torch.float32) for k, v in (readouts or {}).items()}

    @classmethod
    def untrained(cls, seed: int = 0, device: str = "cpu") -> Codec:
        """A codec with random weights: for tests, and as the baseline that shows what training brings."""
        import torch

        from motifdesk.networks.encoder import Encoder

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = Encoder()
        made = cls(encoder, version=f"untrained-{seed}", device=_device(device))
        # standardised over a sample of the corpora, as training does: components of order one
        sample = [corpus(name)[int(k)] for name in corpora() for k in np.linspace(0, len(corpus(name)) - 1, 24)]
        codes = made.encode(sample, symmetry=False).geometry.astype(np.float64)
        with torch.no_grad():
            encoder.code_mean.copy_(torch.from_numpy(codes.mean(0)))
            encoder.code_std.copy_(torch.from_numpy(codes.std(0).clip(min=1e-3)))
        return cls(encoder, version=made.version, device=made.device)

    def __repr__(self) -> str:
        return f"Codec(weights {self.version}, {self.device})"

    # ------------------------------------------------------------------------------------------------- encode

    def encode(self, structures: Iterable[Any] | Any, *, motifs: bool = False, symmetry: bool = True) -> Codes:
        """Codes of structures.

        Args:
            structures: ``Structure``, ``Molecule``, ``ase.Atoms`` or ``AtomArrays``, one or several.
            motifs: also make the children, one code per motif (finds the motifs first, which takes longer): from root
                and children together :meth:`decode` needs no search.
            symmetry: fill the symmetry block (1 to 3 ms a crystal; of a molecule: its bonds, 1 ms); without, it is
                zeros, unknown.

        Raises:
            CodecError: a structure that has no code: elements beyond plutonium, coincident atoms, NaN, nothing given.
        """
        if (
            isinstance(structures, AtomArrays)
            or hasattr(structures, "cart_coords")
            or hasattr(structures, "get_positions")
        ):
            structures = [structures]
        given = list(structures)
        if not given:
            raise CodecError("there is nothing to encode", where="encode", remedy="give at least one structure")
        arrays = [self._checked(item, k) for k, item in enumerate(given)]
        order = sorted(range(len(arrays)), key=lambda k: len(arrays[k]))
        root = np.zeros((len(arrays), ROOT_WIDTH), dtype=np.float32)
        atoms: list[np.ndarray] = [np.zeros((0, MOTIF_WIDTH), np.float32)] * len(arrays)
        for block in _blocks(order, [len(a) for a in arrays]):
            geometry, features = self._guarded(partial(self._geometry, [arrays[k] for k in block], motifs))
            for row, k in enumerate(block):
                root[k, GEOMETRY] = geometry[row]
                if motifs:
                    atoms[k] = features[row]
        for k, a in enumerate(arrays):
            root[k, COUNTS] = np.bincount(a.numbers, minlength=N_ELEMENTS + 1)[1 : N_ELEMENTS + 1]
            root[k, LATTICE] = cell_to_block(a.cell, len(a))
            if symmetry:
                root[k, SYMMETRY] = blueprint_block(a.numbers, a.positions, a.cell)
        if not motifs:
            return Codes(root, (), self.version)
        trees = [self._at_motifs(item, features) for item, features in zip(given, atoms, strict=True)]
        return Codes(root, tuple(t[0] for t in trees), self.version, tuple(t[1] for t in trees))

    def _checked(self, item: Any, k: int) -> AtomArrays:
        where = f"structure {k}"
        try:
            arrays = to_arrays(item)
        except MotifDeskError as error:
            raise CodecError(
                error.what, where=f"{where} ({error.where})" if error.where else where, remedy=error.remedy
            ) from error
        if arrays.numbers.max() > N_ELEMENTS:
            site = int(arrays.numbers.argmax())
            raise CodecError(
                f"atom {site} has the atomic number {arrays.numbers[site]}",
                where=where,
                remedy=f"the codec knows elements 1 to {N_ELEMENTS}; replace it by a lighter one",
            )
        return arrays

    def _geometry(self, arrays: list[AtomArrays], features: bool) -> tuple[np.ndarray, list[np.ndarray]]:
        import torch

        from motifdesk.codec.threads import one_thread
        from motifdesk.networks.batch import collate
        from motifdesk.networks.errors import NetworkError

        try:
            batch = collate(
                [(a.numbers, a.positions, a.cell) for a in arrays],
                cutoff=self._encoder.config.cutoff,
                device=self.device,
            )
        except NetworkError as error:
            raise CodecError(error.what, where=error.where, remedy=error.remedy) from error
        if batch.num_edges:
            length = batch.edge_vec.norm(dim=-1)
            if float(length.min()) < _CLOSE:
                edge = int(length.argmin())
                i, j = batch.edge_index[:, edge].tolist()
                start = int((batch.batch < batch.batch[i]).sum())
                raise CodecError(
                    f"atoms {i - start} and {j - start} are {float(length.min()):.3f} A apart",
                    where=arrays[int(batch.batch[i])].formula,
                    remedy="remove the duplicate atom",
                )
        # one thread for one structure (a frame of the desk), all for a corpus
        with torch.no_grad(), one_thread() if batch.num_atoms < 200 else nullcontext():
            atoms = self._encoder.atoms(batch)
            geometry = self._encoder.pool(atoms, batch).cpu().numpy()
        if not np.isfinite(geometry).all():
            bad = int(np.flatnonzero(~np.isfinite(geometry).all(axis=1))[0])
            raise CodecError("the code is not finite", where=arrays[bad].formula, remedy="check coordinates and cell")
        if not features:
            return geometry, []
        joined = torch.cat([atoms["aware"], atoms["blind"]], dim=1).cpu().numpy()
        return geometry, np.split(joined, np.cumsum([len(a) for a in arrays])[:-1])

    def _at_motifs(self, item: Any, features: np.ndarray) -> tuple[np.ndarray, Children]:
        from motifdesk.codec.children import children_of
        from motifdesk.motifs import find_motifs
        from motifdesk.structures.arrays import from_arrays

        structure = from_arrays(to_arrays(item)) if not hasattr(item, "cart_coords") else item
        graph = find_motifs(structure)
        centres = [motif.centre for motif in graph.motifs]
        return features[centres].astype(np.float32).reshape(-1, MOTIF_WIDTH), children_of(structure, graph)

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """Run on the device; out of GPU memory is answered by the CPU, with a warning."""
        import torch

        try:
            return work()
        except torch.OutOfMemoryError:
            if self.device.type == "cpu":
                raise
            warnings.warn(MotifDeskWarning("out of GPU memory; this codec goes on on the CPU"), stacklevel=3)
            self.device = torch.device("cpu")
            self._encoder = self._encoder.cpu()
            self._heads = None if self._heads is None else self._heads.cpu()
            self._readouts = {k: v.cpu() for k, v in self._readouts.items()}
            torch.cuda.empty_cache()
            return work()

    # ------------------------------------------------------------------------------------------------- decode

    def decode(
        self,
        codes: Codes | np.ndarray,
        *,
        proposals: Sequence[str] = ("corpus", "free"),
        exclude: Iterable[str] = (),
        seed: int = 0,
        progress: Callable[[dict[str, Any]], object] | None = None,
        max_proposals: int = 16,
        free_rounds: int = 8,
        max_seconds: float | None = 20.0,
        snap: float | None = None,
        root_only: bool = False,
    ) -> list[Decoded]:
        """Structures of codes, each with its residual and whether it converged.

        Codes with children are decoded from these: motifs to atoms, then refined to the root. Where that does not
        converge, and for codes without children, the root alone is decoded from proposals.

        Args:
            codes: of this codec; one or several.
            proposals: "corpus" (bundled structures with the species exchanged), "symmetry" (crystals with the group and
                sites, molecules with the bonds, of the code's symmetry block) and "free" (no corpus: "symmetry", then
                random starts).
            exclude: ids ("mp-149" or "mp_20/mp-149") that may not be proposed, for honest benchmarks.
            seed: of the random starts; the same seed gives the same result unless the time runs out.
            progress: called with a dict (stage, tried, residual, converged, seconds, index, of) after each batch.
            max_proposals: corpus proposals that are refined. free_rounds: rounds of 60 random starts, 8 refined each.
            max_seconds: per structure, checked between batches; ``None``: no limit.
            snap: Angstrom; average atoms and cell over the symmetry found at this tolerance (declared, off by default).
            root_only: leave the children aside.
        """
        from motifdesk.codec.decode import PROPOSALS, decode_one
        from motifdesk.codec.tree import decode_tree

        given = self._codes(codes)
        unknown = [p for p in proposals if p not in PROPOSALS]
        if unknown or not proposals:
            raise CodecError(
                f"unknown proposals {unknown or list(proposals)}",
                where="decode",
                remedy=f"choose from {', '.join(PROPOSALS)}",
            )
        excluded = tuple(exclude)
        results = []
        for k, code in enumerate(given):

            def tell(news: dict[str, Any], k: int = k) -> None:
                if progress is not None:
                    progress({**news, "index": k, "of": len(given)})

            def search(code: Codes = code, tell: Callable[[dict[str, Any]], None] = tell) -> Decoded:
                return decode_one(
                    code,
                    self._arrays,
                    self.version,
                    proposals=proposals,
                    exclude=excluded,
                    seed=seed,
                    progress=tell,
                    max_proposals=max_proposals,
                    free_rounds=free_rounds,
                    max_seconds=max_seconds,
                    snap=snap,
                    device=self.device,  # read when called: it changes when the GPU is out of memory
                )

            def work(code: Codes = code, search: Callable[[], Decoded] = search) -> Decoded:
                if root_only or not code.children:
                    return search()
                return decode_tree(code, self._arrays, search, device=self.device)

            results.append(self._guarded(work))
        return results

    def _codes(self, codes: Codes | np.ndarray) -> Codes:
        given = codes if isinstance(codes, Codes) else Codes(np.asarray(codes))
        given.check_version(self.version)
        return given

    def follower(self, structure: Any, composition: str = "keep", *, seed: int = 0) -> Follower:
        """A warm start for dragging from ``structure``; see :class:`motifdesk.codec.follower.Follower`."""
        from motifdesk.codec.follower import Follower

        return Follower(
            self._checked(structure, 0), self._arrays, self.version, composition, seed=seed, device=self.device
        )

    # ------------------------------------------------------------------------------------------------- predict

    def predict(self, codes: Codes | np.ndarray) -> dict[str, np.ndarray]:
        """Properties of crystals (float64 [B] each, NaN for molecules), by the heads that come with the weights.

        Names as in the corpora: ``formation_energy_per_atom`` (eV/atom), ``band_gap`` (eV), ``energy_above_hull``
        (eV/atom, with the bundled weights), ... An untrained codec has no heads: the dict is empty.
        """
        given = self._codes(codes)
        if self._heads is None:
            return {}
        import torch

        with torch.no_grad():
            values = self._heads(*code_inputs(given, self.device))
        found = {name: v.double().cpu().numpy() for name, v in values.items()}
        found |= read_values(self._readouts, given, self.device)
        return {name: np.where(given.is_crystal, v, np.nan) for name, v in found.items()}

    def predict_motifs(self, codes: Codes | np.ndarray) -> dict[str, np.ndarray]:
        """Density of motifs by shape, as ``find_motifs`` names them: motifs per nm^3, float64 [B], NaN for molecules.

        Read from the root alone, without atoms: for points of the map, blends and samples. Only the bundled weights
        have this read-out; with others the dict is empty.
        """
        given = self._codes(codes)
        found = read_densities(self._readouts, given, self.device)
        return {name: np.where(given.is_crystal, v, np.nan) for name, v in found.items()}


def _blocks(order: list[int], sizes: list[int]) -> Iterable[list[int]]:
    """Consecutive entries of ``order`` with at most ``_ATOMS_PER_BATCH`` atoms together (at least one each)."""
    block: list[int] = []
    total = 0
    for k in order:
        if block and total + sizes[k] > _ATOMS_PER_BATCH:
            yield block
            block, total = [], 0
        block.append(k)
        total += sizes[k]
    if block:
        yield block
