"""Atoms to motifs to one point, and back: the reduce and create step applied recursively, as deep as the data.

A *node* is a point with children around it; an atom is a node without children. Reducing a node gives ::

    code(node) = [ atom or not, autoencoder code of its children's species and offsets,
                   sum_j code(child_j) (x)_W Y(r_j) ]

with the same motif autoencoder, the same weights, at every level (its codes know no scale but the cluster's own). The
last part is the same tensor field product, with the children's own codes as features; it is missing where all
children are atoms. Creating reads species and offsets from the middle part; with the offsets known the last part is
linear in the children's codes, which are solved for channel by channel (least squares), and each child is created in
the same way.

The last part keeps what it is given, and therefore grows: a code of depth d + 1 has some ``copies * (l_max + 1)**2``
times the numbers of one of depth d. Up to about that many children have a solution; the misfit tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.clusters import Clusters, pack
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.motif_autoencoder import MotifAutoencoder, cluster_length
from motifdesk.networks.reduce import Reduce


@dataclass(frozen=True)
class Node:
    """``number``: element; ``offset [3]``: Angstrom from the parent; ``atom``: whether an atom sits on the point
    itself; ``misfit``: the largest of the creation, here and below."""

    number: int
    offset: np.ndarray
    children: tuple[Node, ...] = ()
    atom: bool = True
    misfit: float = 0.0

    @property
    def depth(self) -> int:
        """0 for an atom, 1 for a motif, 2 for motifs around a point, ..."""
        return 1 + max(child.depth for child in self.children) if self.children else 0

    def atoms(self, origin: np.ndarray | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """``(number, position)`` of all atoms."""
        here = self.offset if origin is None else origin + self.offset
        if self.atom:
            yield self.number, here
        for child in self.children:
            yield from child.atoms(here)

    def turned(self, matrix: np.ndarray) -> Node:
        """The node with every offset ``x -> matrix @ x``."""
        return replace(self, offset=matrix @ self.offset, children=tuple(c.turned(matrix) for c in self.children))


def grow(nodes: Sequence[Node], largest: int = 14) -> Node:
    """One point over ``nodes`` (offsets from a common origin): their mean; with groups between where they are many.

    Groups of at most ``largest`` nodes, started from points far from each other; a group bears the element of the node
    nearest to its middle. The depth follows from the number of nodes.
    """
    nodes = list(nodes)
    if not nodes:
        raise NetworkError("there are no nodes", where="grow", remedy="Give at least one.")
    while len(nodes) > largest:
        x = np.array([n.offset for n in nodes])
        count = min(largest, -(-len(nodes) // max(2, largest // 2)))
        seeds = [int(np.linalg.norm(x - x.mean(0), axis=1).argmax())]
        while len(seeds) < count:
            seeds.append(int(np.linalg.norm(x[:, None] - x[seeds][None], axis=2).min(1).argmax()))
        nearest = np.linalg.norm(x[:, None] - x[seeds][None], axis=2).argmin(1)
        groups = []
        for k in range(count):
            members = np.flatnonzero(nearest == k)
            groups += [members[i : i + largest] for i in range(0, len(members), largest)]
        nodes = [_around([nodes[i] for i in group]) for group in groups if len(group)]
    return _around(nodes)


def _around(nodes: Sequence[Node]) -> Node:
    middle = np.mean([n.offset for n in nodes], axis=0)
    nearest = min(nodes, key=lambda n: (round(float(np.linalg.norm(n.offset - middle)), 6), n.number))
    return Node(nearest.number, middle, tuple(replace(n, offset=n.offset - middle) for n in nodes), False)


class Hierarchy(nn.Module):
    """Reduce nodes to points and create them again.

    Parameters: ``autoencoder``, used at every level; ``l_max`` and ``copies`` of the product that carries the
    children's codes; ``seed`` of its radial functions.
    """

    def __init__(self, autoencoder: MotifAutoencoder, *, l_max: int = 4, copies: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.autoencoder, self.l_max, self.copies, self.seed = autoencoder, l_max, copies, seed
        self.carriers = nn.ModuleList()

    def irreps(self, depth: int) -> o3.Irreps:
        """Of the code of a node of this depth (at least 1)."""
        own = o3.Irreps("1x0e") + self.autoencoder.irreps
        return own if depth <= 1 else own + self._carrier(depth).irreps_out

    def _carrier(self, depth: int) -> Reduce:
        """The product that reduces children of depth ``depth - 1`` to their parent's point."""
        while len(self.carriers) < depth - 1:
            below = self.irreps(len(self.carriers) + 1)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed + len(self.carriers))
                like = self.autoencoder.mean
                carrier = Reduce(below * self.copies, None, l_max=self.l_max, dtype=like.dtype)
            self.carriers.append(carrier.to(like.device).requires_grad_(False))
        made = self.carriers[depth - 2]
        assert isinstance(made, Reduce)
        return made

    def _cluster(self, node: Node) -> Clusters:
        shell = ([c.number for c in node.children], np.array([c.offset for c in node.children]).reshape(-1, 3))
        return pack([shell], self.autoencoder.config.largest, self.autoencoder.mean.dtype)

    def reduce(self, node: Node, depth: int | None = None) -> torch.Tensor:
        """The code ``[irreps(depth).dim]`` of a node; ``depth``: at least the node's own (default), and at least 1."""
        depth = max(1, node.depth) if depth is None else depth
        if depth < max(1, node.depth):
            raise NetworkError(f"a node of depth {node.depth} does not fit depth {depth}", where="Hierarchy.reduce")
        cluster = self._cluster(node)
        own = self.autoencoder.encode(cluster)[0]
        own = torch.cat([own.new_tensor([float(node.atom)]), own])
        if depth == 1:
            return own
        carrier = self._carrier(depth)
        if not node.children:
            return torch.cat([own, own.new_zeros(carrier.irreps_out.dim)])
        codes = torch.stack([self.reduce(child, depth - 1) for child in node.children])
        offsets = cluster.offsets[0] / cluster_length(cluster)
        point = torch.zeros(len(codes), dtype=torch.int64, device=own.device)
        return torch.cat([own, carrier(codes.repeat(1, self.copies), offsets, point, 1)[0]])

    @torch.no_grad()
    def create(self, code: torch.Tensor, depth: int, number: int = 1, offset: np.ndarray | None = None) -> Node:
        """The node of a code of this depth; ``number`` and ``offset`` are its parent's to know."""
        if code.shape != (self.irreps(depth).dim,):
            raise NetworkError(
                f"the code has shape {tuple(code.shape)}, a node of depth {depth} has {self.irreps(depth).dim} numbers",
                where="Hierarchy.create",
                remedy="Give the depth at which it was reduced.",
            )
        width = 1 + self.autoencoder.width
        made = self.autoencoder.decode(code[None, 1:width])
        (numbers, offsets), misfit = made.clusters.split()[0], float(made.misfit[0])
        offset = np.zeros(3) if offset is None else offset
        if depth == 1 or not len(numbers):
            children = [Node(int(z), x) for z, x in zip(numbers, offsets, strict=True)]
        else:
            scaled = torch.from_numpy(offsets).to(code) / cluster_length(made.clusters).to(code)
            codes, left = self._solve(self._carrier(depth), scaled, code[width:])
            misfit = max(misfit, left)
            children = [self.create(c, depth - 1, int(z), x) for c, z, x in zip(codes, numbers, offsets, strict=True)]
        misfit = max([misfit, *(c.misfit for c in children)])
        return Node(int(number), offset, tuple(children), bool(code[0] > 0.5), misfit)

    def _solve(self, carrier: Reduce, offsets: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Features ``[M, dim]`` of the points at ``offsets [M, 3]`` whose reduction is ``target``, and the misfit."""
        points = len(offsets)
        blocks = len(carrier.irreps_in) // self.copies
        where, starts = carrier.irreps_in.slices(), carrier.irreps_out.slices()
        found, left = [], 0.0
        for i in range(blocks):
            multiplicity, ir = carrier.irreps_in[i]
            basis = offsets.new_zeros(ir.dim, carrier.irreps_in.dim)
            for copy in range(self.copies):
                view = basis[:, where[i + copy * blocks]].view(ir.dim, multiplicity, ir.dim)
                view[torch.arange(ir.dim), :, torch.arange(ir.dim)] = 1.0
            rows = basis.repeat(points, 1)  # point after point, component after component
            messages = carrier.messages(rows, offsets.repeat_interleave(ir.dim, 0))
            made, wanted = [], []
            for path in carrier.product.instructions:
                if path.i_in1 % blocks == i:
                    part = starts[path.i_out]
                    made.append(messages[:, part].view(len(rows), multiplicity, -1))
                    wanted.append(target[part].view(multiplicity, -1))
            matrix = torch.cat(made, 2).permute(1, 2, 0).double()  # [channel, equations, unknowns]
            goal = torch.cat(wanted, 1).unsqueeze(-1).double()
            x = torch.linalg.lstsq(matrix, goal, driver="gelsd").solution
            left = max(left, float((matrix @ x - goal).square().mean()))
            found.append(x.view(multiplicity, points, ir.dim).transpose(0, 1).reshape(points, -1))
        return torch.cat(found, 1).to(target), left
