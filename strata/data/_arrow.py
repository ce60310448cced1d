"""Parquet and Feather, through the optional pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from strata.errors import DataError, MissingExtraError

__all__ = ["read_arrow"]

#: A file whose table needs more memory than this, and over 200 times the file, is refused.
_FREE_BYTES = 1 << 30
_MAX_RATIO = 200


def read_arrow(path: Path, *, form: str) -> pd.DataFrame:
    """Read a Parquet (``form="parquet"``) or Feather file; see :func:`strata.data.read_table`."""
    try:
        import pyarrow
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(
            f"{path}: reading {form.capitalize()} needs pyarrow. Install it with: pip install 'strata[tables]'"
        ) from None
    try:
        if form == "parquet":
            with pyarrow.parquet.ParquetFile(str(path)) as file:
                _refuse_bomb(path, file.metadata)
                table = file.read()
        else:
            table = pyarrow.feather.read_table(str(path), memory_map=False)
        _refuse_nested(path, table, pyarrow.types)
        frame: pd.DataFrame = _plain_decimals(table, pyarrow).to_pandas()
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a readable {form.capitalize()} file ({reason}).") from None
    frame = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    frame.attrs = {"path": str(path)}
    return frame


def _refuse_bomb(path: Path, metadata: Any) -> None:
    """Refuse by the numbers that the footer states, before anything is unpacked."""
    needed = 8 * metadata.num_rows * metadata.num_columns
    if needed > max(_FREE_BYTES, _MAX_RATIO * path.stat().st_size):
        raise DataError(
            f"{path}: the file states {metadata.num_rows} rows of {metadata.num_columns} columns, about {needed} "
            f"bytes, over {_MAX_RATIO} times its size: refused."
        )


def _refuse_nested(path: Path, table: Any, types: Any) -> None:
    for field in table.schema:
        kind = field.type
        if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
            raise DataError(f"{path}: column {field.name!r} holds {kind}; a table holds numbers, text, truth or dates.")


def _plain_decimals(table: Any, pyarrow: Any) -> Any:
    """Turn fixed-point columns into float64."""
    for number, field in enumerate(table.schema):
        if pyarrow.types.is_decimal(field.type):
            table = table.set_column(number, field.name, table.column(number).cast(pyarrow.float64()))
    return table
