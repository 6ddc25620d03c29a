"""Which elements, and how many of each, add up to a sum of embeddings: an exact integer read-out."""

from __future__ import annotations

import torch
from torch import Tensor

# squared misfit below which no further element is looked for: labels are some 1.5 apart in 24 dimensions,
# where sums of other elements do not come this near by chance; noise of 5 % of the spread leaves half of it
_NEAR = 0.1
_LARGEST_SET = 6
_KEPT = 300  # sets of elements that are extended by one more


def read_compositions(total: Tensor, count: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """The whole numbers ``n_z`` with ``sum_z n_z = count`` whose ``sum_z n_z table[z]`` is nearest to ``total``.

    Searched are all sets of one and two elements, and the sets of three to six that extend those whose real (not
    whole) solution comes nearest; each solution is rounded, and one more element must explain more than noise would.

    Parameters: ``total [B, D]``, ``count int [B]``, ``table [Z, D]`` (row 0 is element 1).

    Returns: ``counts int64 [B, Z]`` and the squared misfit ``[B]``.
    """
    elements = len(table)
    found = torch.zeros(len(total), elements, dtype=torch.int64, device=total.device)
    misfit = torch.empty(len(total), dtype=total.dtype, device=total.device)
    pairs = torch.triu_indices(elements, elements, 1, device=total.device).T
    for b in range(len(total)):
        n = int(count[b])
        if n <= 0:
            misfit[b] = total[b].square().sum()
            continue
        best_value, best_set, best_share = torch.inf, torch.zeros(1, dtype=torch.int64), torch.tensor([n])
        sets = torch.arange(elements, device=total.device).unsqueeze(1)
        for size in range(1, min(_LARGEST_SET, n, elements) + 1):
            share, value, real = _rounded(total[b], n, table, sets)
            k = int(value.argmin())
            # a further element must remove most of what is left, else it fits noise
            if float(value[k]) < (1.0 if size == 1 else 0.25) * best_value:
                best_value, best_set, best_share = float(value[k]), sets[k], share[k]
            if best_value < _NEAR or size == min(_LARGEST_SET, n, elements):
                break
            if size == 1:
                sets = pairs
            else:
                kept = sets[real.topk(min(_KEPT, len(real)), largest=False).indices]
                wider = torch.cat(
                    [
                        kept.repeat_interleave(elements, 0),
                        torch.arange(elements, device=total.device).repeat(len(kept)).unsqueeze(1),
                    ],
                    1,
                )
                wider = wider[(wider[:, :-1] != wider[:, -1:]).all(1)]
                sets = wider.sort(1).values.unique(dim=0)
        found[b, best_set] = best_share.to(found)
        misfit[b] = best_value
    return found, misfit


def _rounded(total: Tensor, count: int, table: Tensor, sets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whole shares ``[P, s]`` (each at least 1, sum ``count``) on each set of elements ``[P, s]``, their squared
    misfit, and that of the real shares."""
    size = sets.shape[1]

    def misfit(share: Tensor) -> Tensor:
        return (torch.einsum("ps,psd->pd", share, vectors) - total).square().sum(-1)

    vectors = table[sets]  # [P, s, D]
    if size == 1:
        share = torch.full((len(sets), 1), float(count), dtype=total.dtype, device=total.device)
        real = misfit(share)
    else:
        # the last share follows from the sum: least squares in the others
        base = vectors[:, :-1] - vectors[:, -1:]
        rest = total - count * vectors[:, -1]
        gram = base @ base.mT + 1e-9 * torch.eye(size - 1, dtype=total.dtype, device=total.device)
        free = torch.linalg.solve(gram, base @ rest.unsqueeze(-1)).squeeze(-1)
        real = misfit(torch.cat([free, count - free.sum(1, keepdim=True)], 1))
        free = free.round().clamp(1, count)
        share = torch.cat([free, count - free.sum(1, keepdim=True)], 1)
    value = misfit(share)
    return share, torch.where((share >= 1).all(1), value, torch.full_like(value, torch.inf)), real
