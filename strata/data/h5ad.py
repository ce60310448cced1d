"""The .h5ad files of single-cell data: read in part and checked, and given new columns.

The format is that of AnnData: an HDF5 file with the matrix ``X``, ``layers``, and the tables ``obs`` (cells) and
``var`` (genes). A sparse matrix stays sparse. Nothing in a file is code, and no link in it is followed.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_matrix

from strata.errors import DataError, MissingExtraError

__all__ = ["CellTable", "annotate_h5ad", "read_h5ad"]

#: An array that needs more memory than this, and over 200 times the file, is refused.
_FREE_BYTES = 1 << 30
_MAX_RATIO = 200
#: Texts that are read together at least; each may be as long as the file.
_TEXTS = 128
_FAULTS = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True)
class CellTable:
    """Counts with the names of genes and cells, by AnnData's words.

    Attributes
    ----------
    X : csr_matrix, ndarray or None
        Numbers of shape (n_cells, n_genes); None where a layer was asked for.
    obs : DataFrame
        The columns that were asked for, indexed by the names of the cells.
    var_names : ndarray of shape (n_genes,)
        Names of the genes.
    layers : dict of str to csr_matrix or ndarray
        The layer that was asked for.
    """

    X: Any
    obs: pd.DataFrame
    var_names: np.ndarray
    layers: dict[str, Any] = field(default_factory=dict)


def read_h5ad(path: str | os.PathLike[str], *, layer: str | None = None, columns: Sequence[str] = ()) -> CellTable:
    """Read one matrix of a .h5ad file, with some columns about its cells.

    Parameters
    ----------
    path : str or path
        The file.
    layer : str or None, default=None
        Layer to read in place of ``X``.
    columns : sequence of str, default=()
        Columns of ``obs`` to read.

    Returns
    -------
    table : CellTable
        The matrix in compressed sparse rows where the file holds it sparse, else as an array.

    Raises
    ------
    DataError
        If the file cannot be read, a part is missing, or its parts do not fit each other.
    MissingExtraError
        If h5py is missing.

    See Also
    --------
    annotate_h5ad : Writes what was learned into a copy.
    """
    path = Path(path)
    with _opened(path) as file:
        layers = list(_group(path, file, "layers")) if "layers" in list(file) else []
        where = "X" if layer is None else f"layers/{layer}"
        if layer not in (None, *layers) or (layer is None and "X" not in list(file)):
            known = f" It has the layers {', '.join(map(repr, layers))}." if layers else " It has no layers."
            raise DataError(f"{path}: there is no {where}.{known}")
        obs, var_names = _names(path, file, "obs"), _names(path, file, "var")
        matrix = _matrix(path, file, where, n_cells=len(obs), n_genes=len(var_names))
        known_columns = [name for name in _group(path, file, "obs") if name != _index_of(file["obs"])]
        for name in columns:
            if name not in known_columns:
                raise DataError(
                    f"{path}: obs has no column {name!r}. It has: {', '.join(map(repr, known_columns)) or 'none'}."
                )
        table = pd.DataFrame({name: _column(path, file, f"obs/{name}") for name in columns}, index=pd.Index(obs))
    if layer is None:
        return CellTable(matrix, table, var_names)
    return CellTable(None, table, var_names, {layer: matrix})


def annotate_h5ad(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    obsm: Mapping[str, np.ndarray],
    obs: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write a copy of a .h5ad file with something more about each cell.

    Parameters
    ----------
    path : str or path
        The file.
    target : str or path
        The copy; the same path replaces the file when the copy is whole.
    obsm : mapping of str to ndarray of shape (n_cells, d)
        Tables about the cells, such as a latent representation; those of the same names are replaced.
    obs : mapping of str to ndarray of shape (n_cells,) or None, default=None
        Columns of numbers about the cells.

    Returns
    -------
    target : Path
        The copy.

    Raises
    ------
    DataError
        If the file cannot be read, or an array has not one row for each cell.
    MissingExtraError
        If h5py is missing.

    See Also
    --------
    read_h5ad : Reads counts.
    """
    path, target = Path(path), Path(target)
    with _opened(path) as file:
        n_cells = len(_names(path, file, "obs"))
    columns = {} if obs is None else obs
    for name, values in {**obsm, **columns}.items():
        if len(values) != n_cells or not name or "/" in name:
            raise DataError(f"{path}: {name!r} must have one row for each of {n_cells} cells, and no / in its name.")
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    try:
        shutil.copyfile(path, temporary)
        with _opened(temporary, mode="r+") as file:
            _write(path, file, "obsm", obsm, {"encoding-type": "dict", "encoding-version": "0.1.0"})
            _write(path, file, "obs", columns, {})
            order = [*(str(name) for name in file["obs"].attrs.get("column-order", ()))]
            order += [name for name in columns if name not in order]
            if columns:
                file["obs"].attrs["column-order"] = np.array(order, dtype=object)
        with temporary.open("rb") as whole:
            os.fsync(whole.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _write(path: Path, file: Any, group: str, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, str]) -> None:
    """Put arrays into a group of the file itself: through a link another file would be written to."""
    place = _group(path, file, group) if file.get(group, getlink=True) is not None else file.create_group(group)
    for name, value in attributes.items():
        place.attrs.setdefault(name, value)
    for name, values in arrays.items():
        if name in place:
            del place[name]
        dataset = place.create_dataset(name, data=np.asarray(values))
        dataset.attrs["encoding-type"], dataset.attrs["encoding-version"] = "array", "0.2.0"


# -- the parts of a file -----------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, *, mode: str = "r") -> Iterator[Any]:
    """Open a file; whatever goes wrong inside the block is an error that names it."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(
            f"{path}: reading .h5ad files needs h5py. Install it with: pip install 'strata[cells]'"
        ) from None
    if not path.is_file():
        raise DataError(f"{path}: there is no such file.")
    try:
        with h5py.File(path, mode) as file:
            yield file
    except _FAULTS as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a readable .h5ad file ({reason or type(error).__name__}).") from None


def _part(path: Path, file: Any, name: str) -> Any:
    """Return a part of the file that lies in the file itself."""
    place = file
    for word in name.split("/"):
        link = place.get(word, getlink=True)
        if link is None:
            raise DataError(f"{path}: there is no {name}.")
        if type(link).__name__ != "HardLink":
            raise DataError(f"{path}: {name} is a link to somewhere else, which is not followed.")
        place = place[word]
    return place


def _group(path: Path, file: Any, name: str) -> Any:
    group = _part(path, file, name)
    if not hasattr(group, "keys"):
        raise DataError(
            f"{path}: {name} is not a group, as in files before 2020. Open the file with anndata and save it again."
        )
    return group


def _array(path: Path, file: Any, name: str, *, n_axes: int) -> Any:
    """Return a data set of numbers or text, unless it needs far more memory than the file could hold."""
    dataset = _part(path, file, name)
    if hasattr(dataset, "keys") or len(dataset.shape) != n_axes:
        raise DataError(f"{path}: {name} is not an array of {n_axes} axes.")
    if dataset.external or dataset.is_virtual:
        raise DataError(f"{path}: {name} lies in another file, which is not read.")
    # a chunk is unpacked as a whole, and may be larger than the array that it is a chunk of
    n_numbers = max(dataset.size, math.prod(dataset.chunks or ()))
    needed = n_numbers * max(8 if dataset.dtype.kind == "O" else dataset.dtype.itemsize, 1)
    if needed > max(_FREE_BYTES, _MAX_RATIO * path.stat().st_size):
        raise DataError(f"{path}: {name} states {needed} bytes, over {_MAX_RATIO} times the file: refused.")
    return dataset


def _numbers(path: Path, file: Any, name: str, *, n_axes: int = 1) -> np.ndarray:
    dataset = _array(path, file, name, n_axes=n_axes)
    if dataset.dtype.kind not in "biuf":
        raise DataError(f"{path}: {name} holds {dataset.dtype}, no numbers.")
    return np.asarray(dataset[...])


def _matrix(path: Path, file: Any, name: str, *, n_cells: int, n_genes: int) -> Any:
    """Return a matrix, sparse where it is stored so; its shape is compared before anything of that size is made."""
    part = _part(path, file, name)
    is_sparse = hasattr(part, "keys")
    shape = tuple(int(size) for size in (part.attrs["shape"] if is_sparse else part.shape))
    if shape != (n_cells, n_genes):
        raise DataError(
            f"{path}: {name} has the shape {shape}, but there are {n_cells} cells and {n_genes} genes by name."
        )
    if not is_sparse:
        return _numbers(path, file, name, n_axes=2)
    form = str(part.attrs.get("encoding-type", ""))
    if form not in ("csr_matrix", "csc_matrix"):
        raise DataError(f"{path}: {name} is stored as {form or 'something unknown'}, not as a sparse matrix.")
    n_lines, width = (n_cells, n_genes) if form == "csr_matrix" else (n_genes, n_cells)
    data, indices, indptr = (_numbers(path, file, f"{name}/{word}") for word in ("data", "indices", "indptr"))
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
        raise DataError(f"{path}: {name} has places that are no whole numbers.")
    steps = np.diff(indptr.astype(np.int64, copy=False))
    if len(indptr) != n_lines + 1 or indptr[0] != 0 or (steps < 0).any() or indptr[-1] != len(indices):
        raise DataError(f"{path}: indptr of {name} does not divide its {len(indices)} entries into {n_lines} lines.")
    if len(data) != len(indices):
        raise DataError(f"{path}: {name} has {len(data)} numbers at {len(indices)} places.")
    if len(indices) and (indices.min() < 0 or indices.max() >= width):
        raise DataError(f"{path}: indices of {name} go beyond its {width} lines across.")
    kind = csr_matrix if form == "csr_matrix" else csc_matrix
    return kind((data, indices, indptr), shape=(n_cells, n_genes)).tocsr()


def _index_of(group: Any) -> str:
    return str(group.attrs.get("_index", "_index"))


def _names(path: Path, file: Any, table: str) -> np.ndarray:
    return _column(path, file, f"{table}/{_index_of(_group(path, file, table))}")


def _column(path: Path, file: Any, name: str) -> np.ndarray:
    """Return a column of a table: text, numbers, or categories."""
    part = _part(path, file, name)
    if hasattr(part, "keys"):
        if "codes" in part:
            return _categories(path, file, name)
        if "values" in part:  # a column with gaps
            values, mask = _column(path, file, f"{name}/values"), _numbers(path, file, f"{name}/mask")
            if mask.any():
                values = values.astype(object)
                values[mask.astype(bool)] = None
            return values
        raise DataError(f"{path}: {name} is no column of text, numbers or categories.")
    dataset = _array(path, file, name, n_axes=1)
    return _texts(path, dataset, name) if dataset.dtype.kind in "OS" else _numbers(path, file, name)


def _texts(path: Path, dataset: Any, name: str) -> np.ndarray:
    """Return texts; many places of a file may hold one long text, so they are counted while they are read."""
    size = path.stat().st_size
    most, step = max(_FREE_BYTES, _MAX_RATIO * size), max(_TEXTS, _FREE_BYTES // max(size, 1))
    values, length = np.empty(len(dataset), dtype=object), 0
    for start in range(0, len(values), step):
        part = dataset.asstr()[start : start + step]
        length += sum(map(len, part))
        if length > most:
            raise DataError(f"{path}: {name} has texts of over {most} letters, {_MAX_RATIO} times the file: refused.")
        values[start : start + step] = part
    return values


def _categories(path: Path, file: Any, name: str) -> np.ndarray:
    codes, categories = _numbers(path, file, f"{name}/codes"), _column(path, file, f"{name}/categories")
    if codes.dtype.kind not in "iu" or (len(codes) and not -1 <= codes.min() <= codes.max() < len(categories)):
        raise DataError(f"{path}: {name} has codes beyond its {len(categories)} categories.")
    if (codes == -1).any():
        return np.array([None if code < 0 else categories[code] for code in codes], dtype=object)
    return np.asarray(categories[codes])
