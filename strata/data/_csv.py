"""CSV and TSV, read strictly: a wrong file is refused at the line and column where it is wrong."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

import pandas as pd

from strata._bounded import is_gzip, open_bounded
from strata.data._columns import MOSTLY, Column, parse_number
from strata.data._number_form import NumberForm
from strata.errors import DataError

__all__ = ["count_lines", "read_csv"]

_MAX_FIELD = 131_072  # characters
_MAX_LINE = 1 << 24  # characters
_CHUNK_ROWS = 512  # few enough that the garbage collector does not look at them twice
_BLOCK = 1 << 20  # characters
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
    path: Path, *, sep: str, encoding: str | None, form: NumberForm, header: bool | None, text: Collection[str]
) -> pd.DataFrame:
    """Read a delimited file; see :func:`strata.data.read_table` for the rules."""
    _check_arguments(sep, form)
    said = tuple(text)
    while True:
        columns, lines = _read_columns(path, sep, encoding, form, header, text)
        again = {column.name for column in columns if column.needs_another_reading()}
        if not again:
            break
        text = {*text, *again}
    for number, column in enumerate(columns, 1):
        _refuse_column(path, number, column, lines)
    frame = pd.DataFrame({column.name: column.values() for column in columns})
    frame.attrs["path"] = str(path)
    if said:
        frame.attrs["text"] = said
    if len(lines.offsets) == 1:
        frame.attrs["first_line"] = lines.offsets[0][1]
    return frame


class _Lines:
    """The lines of a file: checked in blocks as they pass, and found again by the row that they became."""

    def __init__(self, path: Path, stream: io.TextIOBase) -> None:
        self.path = path
        self.stream = stream
        self.n_before = 0  # lines before the present block
        self.block = ""
        self.block_is_plain = True  # no "_" and nothing beyond ASCII
        self.plain = True  # the same of all blocks since the last chunk of rows
        self.offsets: list[tuple[int, int]] = []  # (row, line - row), where it changes

    def __iter__(self) -> Iterator[str]:
        while block := self.stream.read(_BLOCK):
            rest = self.stream.readline(_MAX_LINE)  # to the end of the line
            self.n_before += count_lines(self.block)
            self.block = block + rest
            if "\0" in self.block:
                _refuse_nul(self.path, self.block[: self.block.index("\0")], self.n_before)
            if len(rest) == _MAX_LINE:
                line = self.n_before + count_lines(self.block) + 1
                raise DataError(f"{self.path}: line {line} has over {_MAX_LINE} characters: not a table.")
            self.block_is_plain = self.block.isascii() and "_" not in self.block
            self.plain &= self.block_is_plain
            yield from io.StringIO(self.block, newline="")

    def note(self, row: int, line: int) -> None:
        """Remember that ``row`` begins in ``line``."""
        if not self.offsets or self.offsets[-1][1] != line - row:
            self.offsets.append((row, line - row))

    def of(self, row: int) -> int:
        """Return the line in which a row began."""
        return row + next(offset for start, offset in reversed(self.offsets) if start <= row)


def count_lines(text: str) -> int:
    r"""Count the line ends of a text: each of ``\n``, ``\r`` and ``\r\n`` is one.

    >>> count_lines("a\r\nb\nc\rd")
    3
    """
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _check_arguments(sep: str, form: NumberForm) -> None:
    if not isinstance(sep, str) or len(sep) != 1 or sep in '"\r\n' or sep.isalnum():
        raise ValueError(f"`sep` must be one character such as ',' or ';'. Received: sep={sep!r}.")
    form.check()


def _read_columns(
    path: Path, sep: str, encoding: str | None, form: NumberForm, header: bool | None, text: Collection[str]
) -> tuple[list[Column], _Lines]:
    """Read the file once."""
    _refuse_foreign(path, encoding)
    try:
        with _open_text(path, encoding) as stream:
            lines = _Lines(path, stream)
            columns = _take_rows(path, lines, sep, form, header, text)
    except csv.Error:
        _refuse_syntax(path, sep, encoding)
    except UnicodeError as error:
        _refuse_encoding(path, encoding or "utf-8", error)
    return columns, lines


@contextmanager
def _open_text(path: Path, encoding: str | None) -> Iterator[io.TextIOWrapper]:
    """Open a file as text, with its line ends as they are."""
    with open_bounded(path) as binary:
        try:
            stream = io.TextIOWrapper(binary, encoding or "utf-8-sig", errors="strict", newline="")
        except LookupError:
            raise ValueError(
                f"`encoding` must be a codec that Python knows. Received: encoding={encoding!r}."
            ) from None
        try:
            yield stream
        finally:
            stream.detach()


def _take_rows(
    path: Path, lines: _Lines, sep: str, form: NumberForm, header: bool | None, text: Collection[str]
) -> list[Column]:
    """Split the lines into rows, check every width, and give the cells to the columns."""
    reader = csv.reader(lines, delimiter=sep, skipinitialspace=True, strict=True)
    first = next((row for row in reader if row), None)
    if first is None:
        raise DataError(f"{path}: the file holds blank lines only.")
    line = reader.line_num
    columns = _read_header(path, first, line, sep, form, header, text)
    rows: Iterator[list[str]] = reader
    if header is False:
        rows, line = chain([first], reader), line - _n_lines(first)
    n_rows = 0
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        end = reader.line_num
        regular = end - line == len(chunk) and set(map(len, chunk)) == {len(columns)}
        if regular and csv.field_size_limit() <= _MAX_FIELD:
            lines.note(n_rows, line + 1)
        else:
            chunk = _check_rows(path, chunk, line, columns, lines, n_rows)
        if chunk:
            for column, cells in zip(columns, zip(*chunk, strict=True), strict=True):
                column.add(cells, plain=lines.plain)
        lines.plain = lines.block_is_plain
        n_rows, line = n_rows + len(chunk), end
    if n_rows == 0:
        raise DataError(f"{path}: line {line} names {len(columns)} columns, but no rows follow.")
    return columns


def _check_rows(
    path: Path, chunk: list[list[str]], line: int, columns: list[Column], lines: _Lines, n_rows: int
) -> list[list[str]]:
    """Go through the rows after ``line`` one by one; refuse a wrong one, leave blank lines out."""
    kept: list[list[str]] = []
    for row in chunk:
        start, line = line + 1, line + _n_lines(row)
        if not row:
            continue
        if len(row) != len(columns):
            _refuse_width(path, start, row, columns)
        _refuse_long_field(path, start, row, columns)
        lines.note(n_rows + len(kept), start)
        kept.append(row)
    return kept


def _n_lines(row: list[str]) -> int:
    """Return how many lines of the file a row took."""
    return 1 + sum(map(count_lines, row))


def _read_header(
    path: Path, row: list[str], line: int, sep: str, form: NumberForm, header: bool | None, text: Collection[str]
) -> list[Column]:
    """Make the columns from the first row."""
    if len(row) == 1:
        for other, words in _SEPARATORS.items():
            if other != sep and (n_columns := row[0].count(other) + 1) > 1:
                raise DataError(
                    f"{path}: line {line} is one column with the separator {sep!r}, but {words} splits it into "
                    f"{n_columns}. Give the separator: sep={other!r} (--sep {_quoted(other)})."
                )
    names = [name.strip() for name in row]
    if header is False:
        names = [f"column_{number}" for number in range(1, len(row) + 1)]
    elif header is None and all(_is_number(name) for name in names):
        raise DataError(
            f"{path}: line {line} holds numbers only, where the names of the columns belong. "
            "Give header=False if there are no names, header=True if these are names."
        )
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{path}: line {line}, column {number} has no name. Name it or remove the column.")
        if name in first:
            raise DataError(f"{path}: line {line}, columns {first[name]} and {number} are both named {name!r}.")
        first[name] = number
    return [Column(name, as_text=name in text, form=form) for name in names]


def _quoted(sep: str) -> str:
    """Return a separator as the command takes it."""
    return "tab" if sep == "\t" else sep if sep == "," else f"'{sep}'"


def _is_number(name: str) -> bool:
    value = parse_number(name)
    return value is not None and value == value


def _refuse_foreign(path: Path, encoding: str | None) -> None:
    """Refuse what is plainly no text, and a gzip stream that does not end well."""
    with open_bounded(path) as binary:
        head = binary.read(4096)
        while is_gzip(path) and binary.read(1 << 20):
            pass
    if not head:
        raise DataError(f"{path}: the file is empty.")
    for magic, what in _MAGICS:
        if head.startswith(magic):
            raise DataError(f"{path}: this is {what}, not text with separators, whatever its name says.")
    if encoding is not None:
        return
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(
            f"{path}: line 1, column 1: the file is UTF-16. Give encoding='utf-16' "
            "(--encoding utf-16), or save it as UTF-8."
        )
    if b"\0" in head:
        _refuse_nul(path, head[: head.index(b"\0")].decode("latin-1"), 0)


def _refuse_nul(path: Path, before: str, n_lines: int) -> NoReturn:
    """Refuse the NUL that follows ``before``, text that begins after ``n_lines`` lines."""
    character = len(before) - max(before.rfind("\n"), before.rfind("\r"))
    raise DataError(
        f"{path}: line {n_lines + count_lines(before) + 1}, character {character} is NUL: the file is binary, or "
        "UTF-16 (then give encoding='utf-16', --encoding utf-16)."
    )


def _refuse_encoding(path: Path, encoding: str, error: UnicodeError) -> NoReturn:
    """Name the line that is not in the encoding."""
    with open_bounded(path) as binary:
        for number, line in enumerate(binary, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as found:
                raise DataError(
                    f"{path}: line {number}, byte {found.start + 1} (0x{line[found.start]:02x}) is not {encoding}. "
                    "Give the encoding, for example encoding='latin-1' (--encoding latin-1), or save the file as UTF-8."
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


def _refuse_syntax(path: Path, sep: str, encoding: str | None) -> NoReturn:
    """Read again, row by row, and say where the quotes or the length of a field are wrong."""
    start, reason, record = 1, "", ""
    with _open_text(path, encoding) as stream:
        read: list[str] = []
        reader = csv.reader(_remember(_Lines(path, stream), read), delimiter=sep, skipinitialspace=True, strict=True)
        try:
            for _ in reader:
                start = reader.line_num + 1
                read.clear()
        except csv.Error as error:
            reason, record = str(error), read[0] if read else ""
            folded = len(read) > 1
    where = f"{path}: line {start}"
    if "field limit" in reason and not folded:
        pieces = record.split(sep)
        number = next((n for n, piece in enumerate(pieces, 1) if len(piece) > csv.field_size_limit()), len(pieces))
        raise DataError(f"{where}, column {number} holds over {csv.field_size_limit()} characters: refused.")
    if "field limit" in reason or "unexpected end" in reason:
        raise DataError(f"{where}: a quoted field that begins in this line is never closed.")
    other = next((other for other in _SEPARATORS if other != sep and f'"{other}' in record), None)
    hint = (
        ""
        if other is None
        else f" Is the separator {_SEPARATORS[other]}? Then give sep={other!r} (--sep {_quoted(other)})."
    )
    raise DataError(f"{where}: a closing quote must be followed by the separator {sep!r}.{hint}")


def _remember(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    for line in lines:
        read.append(line)
        yield line


def _refuse_column(path: Path, number: int, column: Column, lines: _Lines) -> None:
    """Refuse a column whose cells contradict each other."""
    where = f"column {number} ({column.name!r})"
    if column.first_overflow is not None and column.kind() != "text":
        row, cell = column.first_overflow
        raise DataError(f"{path}: line {lines.of(row)}, {where}: {cell[:40]!r} is too large for a 64-bit number.")
    if column.first_bad is None:
        return
    row, cell = column.first_bad
    if column.kind() == "comma":
        raise DataError(
            f"{path}: line {lines.of(row)}, {where}: {cell!r} is a number with a comma. Give "
            f"{_comma_words(column)}, or {_as_text(column)} if it is text."
        )
    if column.kind() == "mixed":
        raise DataError(
            f"{path}: line {lines.of(row)}, {where}: {cell!r} is text in a column of numbers ({MOSTLY:.0%} or more of "
            f"its cells are). Mend it, leave the cell empty, or give {_as_text(column)} if it is a category."
        )


def _comma_words(column: Column) -> str:
    """Say which arguments make numbers of a column with commas."""
    reasons = {",": "it parts thousands", ".": "the point parts thousands", None: "that is the decimal mark"}
    forms = column.comma_forms()
    if len(forms) == 1:
        return forms[0].words()
    return ", or ".join(f"{form.words()} if {reasons[form.thousands]}" for form in forms)


def _as_text(column: Column) -> str:
    return f"text=[{column.name!r}] (--text {shlex.quote(column.name)})"
