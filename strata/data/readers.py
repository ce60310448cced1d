"""One reader for the files people keep tables in: CSV, TSV, Parquet, Feather, NPZ and IDX.

Nothing is guessed silently. A file that contradicts itself is refused with the file, the line and the column.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata._bounded import existing_file, is_gzip
from strata._names import unknown_name
from strata.data._arrow import read_arrow
from strata.data._csv import read_csv
from strata.data._number_form import NumberForm
from strata.data.frames import as_frame
from strata.data.idx import read_idx, read_idx_pair
from strata.data.npz import read_npz
from strata.errors import DataError

__all__ = ["READABLE", "read_table"]

#: Ends of names that :func:`read_table` knows; those of text and IDX also with ``.gz``.
READABLE = (".csv", ".tsv", ".tab", ".txt", ".data", ".parquet", ".feather", ".npz", ".idx")
_TABS = (".tsv", ".tab")
_IDX_NAME = re.compile(r"idx\d-ubyte|\.idx$")


def read_table(
    source: object,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    header: bool | None = None,
    text: Collection[str] = (),
    labels: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    r"""Read a table from a file, or pass a data frame through.

    Parameters
    ----------
    source : path, data frame or array of shape (N, P)
        The kind of a file is known by the end of its name: ``.csv``, ``.tsv`` / ``.tab``, ``.txt`` / ``.data``
        (as CSV), ``.parquet``, ``.feather``, ``.npz``, ``.idx`` or ``...-idx3-ubyte``. Text and IDX may be gzip. Frames
        (pandas, polars) and arrays are checked and returned as pandas frames.
    sep : str, optional
        Separator of a text file: by default a comma, and a tab for ``.tsv`` and ``.tab``. It is not guessed.
    encoding : str, optional
        Encoding of a text file: by default UTF-8, with or without a byte-order mark.
    decimal : {".", ","}, default="."
        Decimal mark of a text file.
    thousands : str, optional
        Mark between groups of digits of a text file, such as ``","`` in ``1,234.50`` (in quotes where it is the
        separator, too). Cells without the mark are numbers as well; the digits behind a mark must be groups of three,
        or of two and a last one of three. By default there is none. A space is any that does not break a line, too.
    header : bool, optional
        Whether the first line of a text file names the columns. By default it must, and a line of numbers is refused.
        With False the columns are called ``column_1``, ``column_2``, ...
    text : collection of str, default=()
        Columns of a text file whose cells are text even where they look like numbers (codes, levels such as ``3+``).
    labels : str or path, optional
        Labels of an IDX file; by default its sibling (``train-labels-idx1-ubyte`` for ``train-images-idx3-ubyte``).

    Returns
    -------
    table : DataFrame of shape (N, P)
        Numbers are int64 or float64, missing ones NaN; ``true`` / ``false`` in any case become bool; all else is text,
        without the blanks around it. Dates stay text (:class:`strata.data.TableEncoder` knows them). Missing are empty
        cells, ``NA``, ``N/A``, ``n/a``, ``NaN``, ``nan``, ``NULL``, ``null``, ``<NA>``, ``#N/A`` and ``?``.
        ``attrs["path"]`` is the file, and ``attrs["first_line"]`` the line of row 0 where each row is one line;
        ``attrs["text"]`` are the columns of ``text``, if there are any.

    Raises
    ------
    DataError
        If the file cannot be read as it stands. For text: rows wider or narrower than the header, NUL, another encoding
        or separator, a comma in a number that nothing was said about, a duplicate or empty name, a field of over
        131,072 characters, text in a column of which 90 % or more are numbers, a number beyond float64, no rows. For
        the others: see :func:`read_idx` and :func:`read_npz`; archives that inflate more than 200 times are refused.
    MissingExtraError
        If a Parquet or Feather file comes and pyarrow is not installed.
    ValueError
        If ``sep``, ``encoding``, ``decimal`` or ``thousands`` is not usable.

    See Also
    --------
    load_set : The data sets that come with the library.

    Notes
    -----
    An ``.npz`` archive holds ``X`` (N, P) or ``x``, optionally ``y``; or one-dimensional arrays of one length, by name.
    The columns of ``X`` are ``x0``, ``x1``, ..., and ``y`` becomes ``y``. Of an IDX file with labels the columns are
    ``pixel_0``, ``pixel_1``, ..., ``label``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "heights.csv")
    >>> _ = path.write_text("name,height,adult\nAda,1.62,true\nBen,NA,false\n")
    >>> read_table(path).dtypes.astype(str).tolist()[1:]
    ['float64', 'bool']
    """
    if not isinstance(source, str | os.PathLike):
        if isinstance(source, bytes | None):
            raise TypeError(f"`source` must be a path or a data frame. Received: {type(source).__name__}.")
        frame = as_frame(source)
        if frame.empty:
            raise DataError(f"The table must have rows and columns. Received the shape {frame.shape}.")
        return frame
    path = existing_file(source)
    name = path.name.lower()
    base = name.removesuffix(".gz") if is_gzip(path) else name
    if _IDX_NAME.search(base):
        return _idx_frame(path, labels)
    suffix = Path(base).suffix
    if suffix in (".parquet", ".feather"):
        return _checked(path, read_arrow(path, form=suffix[1:]))
    if suffix == ".npz":
        return _npz_frame(path, read_npz(path))
    if suffix not in READABLE:
        raise DataError(f"{path}: {unknown_name('kind of file', suffix or path.name, READABLE)}")
    separator = sep if sep is not None else "\t" if suffix in _TABS else ","
    form = NumberForm(decimal, thousands)
    return read_csv(path, sep=separator, encoding=encoding, form=form, header=header, text=tuple(text))


def _checked(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Refuse a frame without rows or columns, or with names that are no names."""
    if frame.empty:
        raise DataError(f"{path}: the table must have rows and columns. Received the shape {frame.shape}.")
    attrs = frame.attrs
    try:
        frame = as_frame(frame)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    for number, name in enumerate(frame.columns, 1):
        if not name.strip():
            raise DataError(f"{path}: column {number} has no name.")
    frame.attrs = attrs
    return frame


def _idx_frame(path: Path, labels: str | os.PathLike[str] | None) -> pd.DataFrame:
    """Lay images out as columns of pixels, and put their labels beside them."""
    sibling = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
    y: NDArray[np.generic] | None = None
    if labels is not None or (sibling != path and sibling.is_file()):
        x, y = read_idx_pair(path, sibling if labels is None else labels)
    else:
        x = read_idx(path)
    flat = x.reshape(len(x), -1)
    frame = pd.DataFrame(flat, columns=[f"pixel_{number}" for number in range(flat.shape[1])])
    if y is not None:
        frame["label"] = y
    frame.attrs["path"] = str(path)
    return frame


def _npz_frame(path: Path, arrays: dict[str, NDArray[np.generic]]) -> pd.DataFrame:
    """Make columns of ``X`` and ``y``, or of named one-dimensional arrays."""
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    key = next((name for name in ("X", "x") if name in arrays), None)
    lengths = {array.shape[0] if array.ndim else -1 for array in arrays.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise DataError(f"{path}: the arrays must have the same number of rows. Received: {shapes}.")
    columns: dict[str, NDArray[np.generic]] = {}
    for name, array in arrays.items():
        plain = array.astype("U") if array.dtype.kind == "S" else array
        if plain.ndim == 1:
            columns[name] = plain
        elif name == key:
            flat = plain.reshape(len(plain), -1)
            columns |= {f"x{number}": flat[:, number] for number in range(flat.shape[1])}
        else:
            raise DataError(
                f"{path}: a table is made of X (rows, columns) and one-dimensional arrays. Received: {shapes}."
            )
    frame = _checked(path, pd.DataFrame(columns))
    frame.attrs["path"] = str(path)
    return frame
