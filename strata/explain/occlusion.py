"""What happens to the answer when a part of the image is covered.

M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, arXiv:1311.2901, section
4.2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.explain._network import checked_images, examined, scores_of, target_classes

__all__ = ["occlusion"]

FIGURES = ("probability", "score")


def occlusion(
    network: nn.Module,
    x: Tensor,
    *,
    target: int | Sequence[int] | Tensor | None = None,
    patch: int | None = None,
    stride: int | None = None,
    value: float = 0.0,
    figure: str = "probability",
    batch_size: int = 64,
) -> Tensor:
    """Return by how much the answer falls when a square over each pixel is covered.

    Parameters
    ----------
    network : Module
        Classifier that gives scores before softmax, (n, n_classes). It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    target : int, sequence of int or Tensor of shape (n,), optional
        Class, one for all or one an image; by default the predicted one.
    patch : int, optional
        Side of the square in pixels; by default a sixth of the shorter side, at least 2.
    stride : int, optional
        Pixels from one square to the next; by default a third of the square.
    value : float, default=0.0
        What the square is filled with; 0 is the mean colour where inputs are standardized.
    figure : {"probability", "score"}, default="probability"
        What falls: the probability of the class, or its score before softmax.
    batch_size : int, default=64
        Images computed at once.

    Returns
    -------
    fall : Tensor of shape (n, h, w)
        At each pixel the mean over the squares that cover it of the answer for the whole image minus that for the
        covered one; below zero where covering helps.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images do not fit the network, a class or figure is unknown, or a number is out of its range.

    Notes
    -----
    Zeiler & Fergus, section 4.2 and figure 7, show the probability itself at the place of the grey square's centre.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
    >>> with torch.no_grad():
    ...     _ = network[1].weight.copy_(torch.eye(2, 16))
    >>> occlusion(network, torch.ones(1, 1, 4, 4), target=0, patch=2, stride=2, figure="score")[0, :, 0].tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    if figure not in FIGURES:
        raise ValueError(unknown_name("figure", figure, FIGURES))
    with examined(network) as looked_at, torch.no_grad():
        x = checked_images(x, looked_at)
        n, _, h, w = x.shape
        side = max(2, min(h, w) // 6) if patch is None else patch
        step = max(1, side // 3) if stride is None else stride
        if not 1 <= side <= min(h, w):
            raise ValueError(f"`patch` must be from 1 to {min(h, w)} pixels. Received: patch={patch}.")
        if not 1 <= step <= side:
            raise ValueError(f"`stride` must be from 1 to the side of the square, {side}. Received: stride={stride}.")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
        scores = scores_of(looked_at, x)
        classes = target_classes(target, scores)
        whole = _answers(scores, classes, figure)
        fall, count = x.new_zeros(n, h, w), x.new_zeros(h, w)
        places = [(top, left) for top in _starts(h, side, step) for left in _starts(w, side, step)]
        for top, left in places:
            count[top : top + side, left : left + side] += 1
        for row in range(n):
            for at in range(0, len(places), batch_size):
                some = places[at : at + batch_size]
                covered = x[row].repeat(len(some), 1, 1, 1)
                for each, (top, left) in zip(covered, some, strict=True):
                    each[:, top : top + side, left : left + side] = value
                answers = _answers(scores_of(looked_at, covered), classes[row].expand(len(some)), figure)
                for answer, (top, left) in zip(answers, some, strict=True):
                    fall[row, top : top + side, left : left + side] += whole[row] - answer
        return fall / count


def _starts(size: int, side: int, step: int) -> list[int]:
    """Return where the squares begin, so that the last one ends with the image."""
    return sorted({*range(0, size - side + 1, step), size - side})


def _answers(scores: Tensor, classes: Tensor, figure: str) -> Tensor:
    values = scores.softmax(1) if figure == "probability" else scores
    return values.gather(1, classes[:, None])[:, 0]
