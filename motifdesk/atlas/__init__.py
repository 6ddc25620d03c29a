"""The atlas: every bundled crystal and molecule as a point of one map, and the way from the map back to codes.

>>> atlas = load_atlas()
>>> atlas.xy, atlas.columns["formula"]
>>> xy = atlas.project(codec.encode([structure]))      # where a structure lies
>>> code = atlas.lift(xy)                              # a code to decode, exact at a point of the corpus
>>> atlas.neighbours(codec.encode([structure]), k=5)

How it is made (``motifdesk atlas-fit``, `motifdesk.atlas.fit`): the codec encodes the bundled corpora; the geometry
blocks are standardised and rotated onto at most 128 principal components; umap-learn lays them out in two dimensions
with a fixed seed. Shipped are the coordinates, the components in half precision and the columns.

Opening the map imports neither umap nor numba. New points are placed between the points of their nearest neighbours in
the latent space. A point of the map is lifted by mixing the *exact* codes of its nearest neighbours on the map, encoded
again on first use and remembered.
"""

from .atlas import Atlas, Neighbour, load_atlas

__all__ = ["Atlas", "Neighbour", "load_atlas"]
