"""Max pooling that hands out its switches, and the way back through them.

M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, arXiv:1311.2901, section 2.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SwitchMaxPool2d", "SwitchUnpool2d"]


class SwitchMaxPool2d(nn.Module):
    """Take the largest value of each window, and tell where it stood.

    Parameters
    ----------
    kernel_size : int
        Height and width of a window.
    stride : int, optional
        Step from window to window; by default the kernel size, so that windows do not overlap.
    padding : int, default=0
        Rows and columns around the image that can never win.
    ceil_mode : bool, default=False
        Whether a last window may reach beyond the image.

    See Also
    --------
    SwitchUnpool2d : The way back.

    Examples
    --------
    >>> values, switches = SwitchMaxPool2d(2)(torch.tensor([[[[1.0, 3.0], [4.0, 2.0]]]]))
    >>> values.item(), switches.item()
    (4.0, 2)
    """

    def __init__(
        self, kernel_size: int, stride: int | None = None, *, padding: int = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pool.

        Parameters
        ----------
        x : Tensor of shape (N, C, H, W), float
            Feature maps.

        Returns
        -------
        values : Tensor of shape (N, C, H', W')
            Largest values.
        switches : Tensor of shape (N, C, H', W'), int64
            Where each stood, as ``row * W + column``. Of equal values the first one wins.
        """
        values, switches = F.max_pool2d(
            x, self.kernel_size, self.stride, self.padding, ceil_mode=self.ceil_mode, return_indices=True
        )
        return values, switches

    def extra_repr(self) -> str:
        """Describe the layer in one line.

        Returns
        -------
        text : str
            Its parameters.
        """
        return f"{self.kernel_size}, stride={self.stride}, padding={self.padding}, ceil_mode={self.ceil_mode}"


class SwitchUnpool2d(nn.Module):
    """Put each value back to where its switch says, with zeros elsewhere.

    Parameters
    ----------
    overlap : {"mean", "sum"}, default="mean"
        What happens where overlapping windows chose the same place. "mean": the mean of their values, so that pooling
        and unpooling keeps exactly the maxima. "sum": their sum, which is the backward pass of the pooling.

    Raises
    ------
    ValueError
        If ``overlap`` is neither.

    See Also
    --------
    SwitchMaxPool2d : Gives the switches.

    Examples
    --------
    >>> x = torch.tensor([[[[1.0, 3.0], [4.0, 2.0]]]])
    >>> values, switches = SwitchMaxPool2d(2)(x)
    >>> SwitchUnpool2d()(values, switches, (2, 2))
    tensor([[[[0., 0.],
              [4., 0.]]]])
    """

    def __init__(self, *, overlap: Literal["mean", "sum"] = "mean") -> None:
        super().__init__()
        if overlap not in ("mean", "sum"):
            raise ValueError(f"`overlap` must be 'mean' or 'sum'. Received: overlap={overlap!r}.")
        self.overlap = overlap

    def forward(self, values: Tensor, switches: Tensor, size: tuple[int, int]) -> Tensor:
        """Unpool.

        Parameters
        ----------
        values : Tensor of shape (N, C, H', W'), float
            What to put back.
        switches : Tensor of shape (N, C, H', W'), int64
            Where to put it, as ``row * W + column``.
        size : tuple of int
            Height H and width W of the result, those of what was pooled.

        Returns
        -------
        x : Tensor of shape (N, C, H, W)
            Zero where no switch points.

        Raises
        ------
        ValueError
            If the shapes of values and switches differ.
        """
        if values.shape != switches.shape:
            raise ValueError(
                "`values` and `switches` must have the same shape. "
                f"Received: {tuple(values.shape)} and {tuple(switches.shape)}."
            )
        height, width = size
        flat = values.new_zeros(*values.shape[:2], height * width)
        places = switches.flatten(2)
        out = flat.scatter_add(2, places, values.flatten(2))
        if self.overlap == "mean":
            count = flat.scatter_add(2, places, torch.ones_like(values).flatten(2))
            out = out / count.clamp(min=1)
        return out.view(*values.shape[:2], height, width)
