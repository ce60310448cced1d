"""CSV and TSV, read strictly: a wrong file is refused at the line and column where it is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NoReturn

import pandas as pd

from strata.data._bounded import open_bounded
from strata.data._columns import MOSTLY, Column, parse_number
from strata.errors import DataError

__all__ = ["read_csv"]

_MAX_FIELD = 131_072  # characters
_MAX_LINE = 1 << 24  # characters
_CHUNK_ROWS = 20_000
_SEPARATORS = {",": "a comma", ";": "';'", "\t": "a tab", "|": "'|'"}
_MAGICS = (
    (b"PK\x03\x04", "a ZIP archive (xlsx, npz)"),
    (b"\x1f\x8b", "a gzip stream inside a gzip stream"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "a Feather file"),
    (b"FEA1", "a Feather file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"SQLite format 3", "an SQLite database"),
)


def read_csv(
    path: Path, *, sep: str, encoding: str | None, decimal: str, header: bool | None, text: Collection[str]
) -> pd.DataFrame:
    """Read a delimited file; see :func:`strata.data.read_table` for the rules."""
    _check_arguments(sep, decimal)
    while True:
        columns, lines = _read_columns(path, sep, encoding, decimal, header, text)
        again = {column.name for column in columns if column.needs_another_reading()}
        if not again:
            break
        text = {*text, *again}
    for number, column in enumerate(columns, 1):
        _refuse_column(path, number, column, lines)
    frame = pd.DataFrame({column.name: column.series() for column in columns})
    frame.attrs["path"] = str(path)
    if len(lines.offsets) == 1:
        frame.attrs["first_line"] = lines.offsets[0][1]
    return frame


class _Lines:
    """The lines of a file: checked as they pass, and found again by the row that they became."""

    def __init__(self, path: Path, stream: io.TextIOBase) -> None:
        self.path = path
        self.stream = stream
        self.number = 0
        self.last = ""
        self.plain = True  # no "_" and nothing beyond ASCII since the last chunk
        self.has_long_line = False
        self.offsets: list[tuple[int, int]] = []  # (row, line - row), where it changes

    def __iter__(self) -> Iterator[str]:
        while line := self.stream.readline(_MAX_LINE):
            self.number += 1
            if "\0" in line:
                raise DataError(
                    f"{self.path}: line {self.number}, character {line.index(chr(0)) + 1} is NUL: the file is binary, "
                    "or UTF-16 (then give encoding='utf-16')."
                )
            if len(line) > _MAX_FIELD:
                self.has_long_line = True
                if len(line) >= _MAX_LINE:
                    raise DataError(f"{self.path}: line {self.number} has over {_MAX_LINE} characters: not a table.")
            if not line.isascii() or "_" in line:
                self.plain = False
            self.last = line
            yield line

    def note(self, row: int, line: int) -> None:
        """Remember that ``row`` begins in ``line``."""
        if not self.offsets or self.offsets[-1][1] != line - row:
            self.offsets.append((row, line - row))

    def of(self, row: int) -> int:
        """Return the line in which a row began."""
        return row + next(offset for start, offset in reversed(self.offsets) if start <= row)


def _check_arguments(sep: str, decimal: str) -> None:
    if not isinstance(sep, str) or len(sep) != 1 or sep in '"\r\n' or sep.isalnum():
        raise ValueError(f"`sep` must be one character such as ',' or ';'. Received: sep={sep!r}.")
    if decimal not in (".", ","):
        raise ValueError(f"`decimal` must be '.' or ','. Received: decimal={decimal!r}.")


def _read_columns(
    path: Path, sep: str, encoding: str | None, decimal: str, header: bool | None, text: Collection[str]
) -> tuple[list[Column], _Lines]:
    """Read the file once."""
    with open_bounded(path) as binary:
        _refuse_foreign(path, binary.read(16), encoding)
    try:
        with open_bounded(path) as binary:
            stream = io.TextIOWrapper(binary, encoding or "utf-8-sig", errors="strict", newline="")
            lines = _Lines(path, stream)
            columns = _take_rows(path, lines, sep, decimal, header, text)
    except LookupError:
        raise ValueError(f"`encoding` must be a codec that Python knows. Received: encoding={encoding!r}.") from None
    except UnicodeError as error:
        _refuse_encoding(path, encoding or "utf-8", error)
    return columns, lines


def _take_rows(
    path: Path, lines: _Lines, sep: str, decimal: str, header: bool | None, text: Collection[str]
) -> list[Column]:
    """Split the lines into rows, check every width, and give the cells to the columns."""
    reader = csv.reader(lines, delimiter=sep, skipinitialspace=True, strict=True)
    columns: list[Column] = []
    chunk: list[list[str]] = []
    n_rows, line = 0, 0
    try:
        for row in reader:
            start, line = line + 1, reader.line_num
            if not row:  # a blank line holds nothing
                continue
            if not columns:
                columns = _read_header(path, row, lines, sep, decimal, header, text)
                lines.plain = header is not False or lines.plain  # the names do not count
                if header is not False:
                    continue
            if len(row) != len(columns):
                _refuse_width(path, start, row, columns)
            if lines.has_long_line:
                _refuse_long_field(path, start, row, columns)
            lines.note(n_rows, start)
            chunk.append(row)
            n_rows += 1
            if len(chunk) == _CHUNK_ROWS:
                _flush(columns, chunk, lines)
    except csv.Error as error:
        _refuse_syntax(path, line + 1, lines, sep, error)
    if not columns:
        raise DataError(f"{path}: the file holds blank lines only.")
    if n_rows == 0:
        raise DataError(f"{path}: line 1 names {len(columns)} columns, but no rows follow.")
    _flush(columns, chunk, lines)
    return columns


def _flush(columns: list[Column], chunk: list[list[str]], lines: _Lines) -> None:
    if chunk:
        for column, cells in zip(columns, zip(*chunk, strict=True), strict=True):
            column.add(cells, plain=lines.plain)
    chunk.clear()
    lines.plain = True


def _read_header(
    path: Path, row: list[str], lines: _Lines, sep: str, decimal: str, header: bool | None, text: Collection[str]
) -> list[Column]:
    """Make the columns from the first row."""
    if len(row) == 1:
        for other, words in _SEPARATORS.items():
            if other != sep and (n_columns := lines.last.count(other) + 1) > 1:
                raise DataError(
                    f"{path}: line {lines.number} is one column with the separator {sep!r}, but {words} splits it into "
                    f"{n_columns}. Give the separator: sep={other!r} (command: --sep {other!r})."
                )
    names = [name.strip() for name in row]
    if header is False:
        names = [f"column_{number}" for number in range(1, len(row) + 1)]
    elif header is None and all(_is_number(name) for name in names):
        raise DataError(
            f"{path}: line {lines.number} holds numbers only, where the names of the columns belong. "
            "Give header=False if there are no names, header=True if these are names."
        )
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{path}: line {lines.number}, column {number} has no name. Name it or remove the column.")
        if name in first:
            raise DataError(f"{path}: line {lines.number}, columns {first[name]} and {number} are both named {name!r}.")
        first[name] = number
    return [Column(name, as_text=name in text, decimal=decimal) for name in names]


def _is_number(name: str) -> bool:
    value = parse_number(name)
    return value is not None and value == value


def _refuse_foreign(path: Path, head: bytes, encoding: str | None) -> None:
    """Refuse what is plainly no text."""
    if not head:
        raise DataError(f"{path}: the file is empty.")
    for magic, what in _MAGICS:
        if head.startswith(magic):
            raise DataError(f"{path}: this is {what}, not text with separators, whatever its name says.")
    if encoding is None and head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path}: line 1, column 1: the file is UTF-16. Give encoding='utf-16', or save it as UTF-8.")


def _refuse_encoding(path: Path, encoding: str, error: UnicodeError) -> NoReturn:
    """Name the line that is not in the encoding."""
    with open_bounded(path) as binary:
        for number, line in enumerate(binary, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as found:
                raise DataError(
                    f"{path}: line {number}, byte {found.start + 1} (0x{line[found.start]:02x}) is not {encoding}. "
                    "Give the encoding, for example encoding='latin-1', or save the file as UTF-8."
                ) from None
            except UnicodeError:
                break
    raise DataError(f"{path}: line 1: the file is not {encoding} ({error}).") from None


def _refuse_width(path: Path, line: int, row: list[str], columns: list[Column]) -> NoReturn:
    n_columns = len(columns)
    if len(row) > n_columns:
        detail = f"column {n_columns + 1} ({row[n_columns][:40]!r}) has no name in the header"
    else:
        detail = f"column {len(row) + 1} ({columns[len(row)].name!r}) is missing"
    raise DataError(f"{path}: line {line} has {len(row)} columns, the header {n_columns}: {detail}.")


def _refuse_long_field(path: Path, line: int, row: list[str], columns: list[Column]) -> None:
    for number, cell in enumerate(row, 1):
        if len(cell) > _MAX_FIELD:
            raise DataError(
                f"{path}: line {line}, column {number} ({columns[number - 1].name!r}) holds {len(cell)} characters; "
                f"at most {_MAX_FIELD} are read."
            )


def _refuse_syntax(path: Path, line: int, lines: _Lines, sep: str, error: csv.Error) -> NoReturn:
    """Say where the quotes or the length of a field are wrong."""
    if "field limit" in str(error) and lines.number == line:
        pieces = lines.last.split(sep)
        number = next((n for n, piece in enumerate(pieces, 1) if len(piece) > csv.field_size_limit()), len(pieces))
        raise DataError(
            f"{path}: line {line}, column {number} holds over {csv.field_size_limit()} characters: refused."
        ) from None
    if "field limit" in str(error) or "unexpected end" in str(error):
        raise DataError(f"{path}: line {line}: a quoted field that begins in this line is never closed.") from None
    if '"' in str(error):
        raise DataError(f"{path}: line {line}: a closing quote must be followed by the separator {sep!r}.") from None
    raise DataError(f"{path}: line {line}: {error}.") from None


def _refuse_column(path: Path, number: int, column: Column, lines: _Lines) -> None:
    """Refuse a column whose cells contradict each other."""
    where = f"column {number} ({column.name!r})"
    if column.first_overflow is not None and column.kind() != "text":
        row, cell = column.first_overflow
        raise DataError(f"{path}: line {lines.of(row)}, {where}: {cell!r} is too large for a 64-bit number.")
    if column.first_bad is None:
        return
    row, cell = column.first_bad
    if column.kind() == "comma":
        raise DataError(
            f"{path}: line {lines.of(row)}, {where}: {cell!r} is a number with a comma. Give decimal=',' if that is "
            f"the decimal mark, remove it if it parts thousands, or give text=[{column.name!r}] if it is text."
        )
    if column.kind() == "mixed":
        raise DataError(
            f"{path}: line {lines.of(row)}, {where}: {cell!r} is text in a column of numbers ({MOSTLY:.0%} or more of "
            f"its cells are). Mend it, leave the cell empty, or give text=[{column.name!r}] if it is a category."
        )
