"""A 2x2x2 frame of corner-sharing octahedra (ReO3) with signed modes, for the tests of distortions."""

import numpy as np
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import Distorter, distortion_modes, find_motifs

A = 3.9
TILT = {"x": "rotation:T1g:2", "y": "rotation:T1g:3", "z": "rotation:T1g:1"}


class Frame:
    """2x2x2 corner-sharing octahedra (ReO3), with signed modes of the octahedra's orbit."""

    def __init__(self) -> None:
        cell = Structure(
            Lattice.cubic(A), ["Re", "O", "O", "O"], [[0.5] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
        )
        self.structure = cell * (2, 2, 2)
        self.graph = find_motifs(self.structure)
        self.octahedra = [m for m in self.graph.motifs if m.symbol == "O:6"]
        self.distorter = Distorter(self.structure, self.graph)
        plain = self.modes()
        self.targets = [index for index, _ in plain[0].targets]
        centres = self.structure.frac_coords[[self.graph.motifs[i].centre for i in self.targets]]
        self.cells = np.floor(centres * 2 + 1e-6).astype(int)

    def modes(self, character=None):
        return distortion_modes(self.structure, self.octahedra[0], "orbit", graph=self.graph, character=character)

    def mode(self, tail: str, axes: str):
        """A mode of all octahedra whose sign alternates along the named axes."""
        sign = (-1) ** self.cells[:, ["xyz".index(a) for a in axes]].sum(axis=1) if axes else np.ones(8, dtype=int)
        return next(m for m in self.modes(sign * sign[0]) if m.key.endswith(tail))

    def one(self, tail: str):
        """A mode of the first octahedron alone."""
        modes = distortion_modes(self.structure, self.octahedra[0], "motif", graph=self.graph)
        return next(m for m in modes if m.key.endswith(tail))

    def tilts(self, **degrees):
        """Amplitudes of tilts: x_in=9 in phase about x, x_out=9 out of phase."""
        out = {}
        for name, value in degrees.items():
            axis, phase = name.split("_")
            others = "".join(a for a in "xyz" if a != axis)
            mode = self.mode(TILT[axis], others if phase == "in" else "xyz")
            out[mode] = 2 * (A / 2) * np.sin(np.radians(value))
        return out

    def made(self, amplitudes, distorter=None):
        solved = (distorter or self.distorter).solve(amplitudes)
        return solved, made_from(self.structure, solved)


def made_from(structure, solved):
    """The distorted structure as a pymatgen object."""
    return Structure(Lattice(solved.cell), structure.species, solved.positions, coords_are_cartesian=True)
