"""A data set in memory: what goes in, what is to be predicted, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.errors import DataError

__all__ = ["Dataset", "SetInfo"]

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class SetInfo:
    """What ``strata data`` says about a set without loading it.

    Attributes
    ----------
    name : str
        The name that :func:`strata.data.load_set` takes.
    task : {"classification", "regression"}
        What is predicted.
    n_samples : int
        Rows for training; where ``generated``, the default.
    n_features : int
        Columns.
    n_classes : int or None
        None for a regression.
    description : str
        One sentence.
    source : str
        Where the data come from.
    generated : bool
        Whether ``n_samples``, ``noise`` and ``random_state`` apply.
    downloadable : bool
        Whether the files come from :func:`strata.data.download` or the user's path.
    """

    name: str
    task: Task
    n_samples: int
    n_features: int
    n_classes: int | None
    description: str
    source: str
    generated: bool = False
    downloadable: bool = False


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set ready to be split and learned from.

    Attributes
    ----------
    name : str
        As in :class:`SetInfo`.
    X : DataFrame or ndarray of shape (N, P)
        A frame for tables; uint8 in 0..255 for pictures, one row each.
    y : ndarray of shape (N,)
        Class names where the set has them, otherwise numbers.
    feature_names : tuple of str
        P names.
    target_name : str
        Name of ``y``.
    task : {"classification", "regression"}
        What is predicted.
    description : str
        One sentence.
    source : str
        Where the data come from.
    X_test : DataFrame or ndarray of shape (M, P) or None
        The published test part, where there is one.
    y_test : ndarray of shape (M,) or None
        Its targets.
    image_shape : tuple of int or None
        ``(height, width)`` or ``(channels, height, width)`` of a row that is a picture.
    """

    name: str
    X: pd.DataFrame | NDArray[Any]
    y: NDArray[Any]
    feature_names: tuple[str, ...]
    target_name: str
    task: Task
    description: str
    source: str
    X_test: pd.DataFrame | NDArray[Any] | None = None
    y_test: NDArray[Any] | None = None
    image_shape: tuple[int, ...] | None = None

    def frame(self) -> pd.DataFrame:
        """Return the training rows as one frame, the target in the last column.

        Returns
        -------
        frame : DataFrame of shape (N, P + 1)
            A copy.

        Examples
        --------
        >>> from strata.data import load_set
        >>> load_set("gate-and").frame().to_numpy().tolist()
        [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 1]]
        """
        frame = pd.DataFrame(self.X, columns=list(self.feature_names))
        frame = frame.copy()
        frame[self.target_name] = np.asarray(self.y)
        return frame

    def pictures(self, rows: Any) -> NDArray[Any]:
        """Return rows of a set of pictures as pictures.

        Parameters
        ----------
        rows : array-like of shape (n, P)
            ``X``, ``X_test`` or some rows of them.

        Returns
        -------
        pictures : ndarray of shape (n, height, width) or (n, height, width, channels)
            A view where it can be one.

        Raises
        ------
        DataError
            If the set is a table.

        Examples
        --------
        >>> from strata.data import load_set
        >>> digits = load_set("digits")
        >>> digits.pictures(digits.X[:5]).shape
        (5, 8, 8)
        """
        if self.image_shape is None:
            raise DataError(f"{self.name} is a table, not a set of pictures.")
        array = np.asarray(rows).reshape(-1, *self.image_shape)
        return array.transpose(0, 2, 3, 1) if len(self.image_shape) == 3 else array
