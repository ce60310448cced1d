"""The figures of every epoch, as columns."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from strata._files import atomic_write

__all__ = ["History"]


class History:
    """Keep the figures of every epoch as columns of equal length.

    Columns appear when a figure is first seen; epochs that do not have it hold NaN there. ``"epoch"`` counts
    from 1, ``"seconds"`` is the time that the epoch took, ``"rate"`` the learning rate it began with.

    See Also
    --------
    strata.engine.train : Fills the history of a run.

    Examples
    --------
    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.5})
    >>> history.append({"epoch": 2, "loss": 0.25, "val_loss": 0.75})
    >>> history["loss"], len(history)
    ([0.5, 0.25], 2)
    >>> history.rows()[1]
    {'epoch': 2, 'loss': 0.25, 'val_loss': 0.75}
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {"epoch": []}

    def append(self, figures: Mapping[str, float]) -> None:
        """Add the figures of one epoch.

        Parameters
        ----------
        figures : mapping of str to float
            Value of each figure, ``"epoch"`` among them.
        """
        columns = self._columns
        n_epochs = len(columns["epoch"])
        for name, value in figures.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = [math.nan] * n_epochs
            column.append(value)
        if len(figures) < len(columns):
            for column in columns.values():
                if len(column) == n_epochs:
                    column.append(math.nan)

    def __len__(self) -> int:
        return len(self._columns["epoch"])

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise KeyError(f"No figure {name!r} in the history. It has: {', '.join(self._columns)}.")
        return list(self._columns[name])

    def __repr__(self) -> str:
        return f"History({len(self)} epochs: {', '.join(self._columns)})"

    @property
    def columns(self) -> list[str]:
        """Names of the figures, in the order in which they were first seen."""
        return list(self._columns)

    def last(self, name: str, default: float = math.nan) -> float:
        """Return the latest value of one figure.

        Parameters
        ----------
        name : str
            Figure.
        default : float, default=nan
            What to return when the figure was never seen.

        Returns
        -------
        value : float
            Value at the last epoch.
        """
        column = self._columns.get(name)
        return column[-1] if column else default

    def rows(self) -> list[dict[str, float]]:
        """Return one dictionary per epoch, without the figures that the epoch does not have."""
        names = list(self._columns)
        return [
            {name: value for name, value in zip(names, values, strict=True) if not math.isnan(value)}
            for values in zip(*self._columns.values(), strict=True)
        ]

    def to_csv(self, path: str | Path) -> None:
        """Write the columns as comma-separated values; a reader never sees half a file.

        Parameters
        ----------
        path : str or Path
            File to write or to replace. Missing and NaN values are left empty.

        Raises
        ------
        OSError
            If the file cannot be written; a file that was there stays as it was.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._columns)
        for values in zip(*self._columns.values(), strict=True):
            writer.writerow(["" if math.isnan(value) else repr(value) for value in values])
        with atomic_write(path, mode="w") as file:
            file.write(text.getvalue())

    def state_dict(self) -> dict[str, Any]:
        """Return the columns as float64 arrays, for a checkpoint."""
        return {name: np.array(column, dtype=np.float64) for name, column in self._columns.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the columns back.

        Parameters
        ----------
        state : mapping of str to array
            What :meth:`state_dict` gave.
        """
        self._columns = {name: np.asarray(column).tolist() for name, column in state.items()}
        self._columns["epoch"] = [int(epoch) for epoch in self._columns.get("epoch", [])]
