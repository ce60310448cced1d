"""Images moved by a few pixels: what the grid of a network's strides draws into a picture averages out over them."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["MOST", "moved", "offsets"]

#: Offsets at most; strides beyond this one are covered up to it.
MOST = 16
_BITS = 4


def offsets(stride: int) -> list[tuple[int, int]]:
    """Return moves, in rows and columns, that visit every phase of a grid equally often.

    A set of Hammersley: 16 moves meet all residues modulo 16 of rows and of columns, and all pairs of residues modulo
    2 and 4. Smaller grids need fewer.

    >>> offsets(1), offsets(2), len(offsets(32))
    ([(0, 0)], [(0, 0), (-1, 0), (0, -1), (-1, -1)], 16)
    """
    side = min(1 << (max(stride, 1) - 1).bit_length(), MOST)  # a power of two that is no smaller
    found: dict[tuple[int, int], None] = {}
    for number in range(MOST):
        turned = int(f"{number:0{_BITS}b}"[::-1], 2)
        pair = number % side, turned % side
        found[tuple(each - side if each >= (side + 1) // 2 else each for each in pair)] = None  # type: ignore[index]
    return list(found)


def moved(x: Tensor, by: tuple[int, int]) -> Tensor:
    """Move images (n, c, h, w) down and to the right; edges are repeated.

    >>> moved(torch.tensor([[[[1.0, 2.0, 3.0]]]]), (0, 1)).flatten().tolist()
    [1.0, 1.0, 2.0]
    """
    down, right = by
    h, w = x.shape[2:]
    padding = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    wide = F.pad(x, padding, mode="replicate")
    top, left = max(-down, 0), max(-right, 0)
    return wide[:, :, top : top + h, left : left + w].contiguous()
