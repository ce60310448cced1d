"""Row 28 of the fault table, and the rules of a good file."""

import csv
import gzip
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata.data import read_table
from strata.data._columns import parse_number
from strata.errors import DataError, MissingExtraError


@pytest.fixture
def write(tmp_path):
    def _write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


NUMBERS = "a,b\n" + "1,2\n" * 19

REFUSED = {
    "narrow row": ("a,b\n1,2\n3\n", r"line 3 has 1 columns, the header 2: column 2 \('b'\) is missing"),
    "wide row": ("a,b\n1,2\n3,4,5\n", r"line 3 has 3 columns, the header 2: column 3 \('5'\) has no name"),
    "wide rows only": ("a,b\n1,2,3\n4,5,6\n", r"line 2 has 3 columns, the header 2"),
    "NUL": (b"a,b\n1,2\n1,\x002\n", r"line 3, character 3 is NUL"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), r"line 1, column 1: the file is UTF-16\. Give encoding='utf-16'"),
    "UTF-16 without mark": ("a,b\n1,2\n".encode("utf-16-le"), r"line 1, character 2 is NUL.*UTF-16"),
    "Latin-1": ("a,b\n1,2\n3,é\n".encode("latin-1"), r"line 3, byte 3 \(0xe9\) is not utf-8.*encoding='latin-1'"),
    "semicolons": ("a;b;c\n1;2;3\n", r"line 1 is one column .* ';' splits it into 3.*sep=';' \(--sep ';'\)"),
    "tabs in a .csv": ("a\tb\n1\t2\n", r"a tab splits it into 2.*sep='\\t'"),
    "decimal comma": (
        'a,b\n1,"1,5"\n2,"2,5"\n',
        r"line 2, column 2 \('b'\): '1,5' is a number with a comma.*decimal=','",
    ),
    "duplicate name": ("a,b,a\n1,2,3\n", r"line 1, columns 1 and 3 are both named 'a'"),
    "empty name": ("a,,b\n1,2,3\n", r"line 1, column 2 has no name"),
    "200 kB field": ("a,b\n1," + "x" * 200_000 + "\n", r"line 2, column 2 holds over 131072 characters"),
    "text among numbers": (NUMBERS + "3,oops\n", r"line 21, column 2 \('b'\): 'oops' is text in a column of numbers"),
    "grouped digits": (NUMBERS + "3,1_000\n", r"line 21, column 2 \('b'\): '1_000' is text"),
    "foreign digits": (NUMBERS + "3,١٢\n", r"line 21, column 2 \('b'\): '١٢' is text"),
    "empty": (b"", r"the file is empty"),
    "blank lines": (b"\n\n  \n", r"line 3, column 1 has no name|blank lines only"),
    "only header": ("a,b\n", r"line 1 names 2 columns, but no rows follow"),
    "1e400": ("a,b\n1,2\n1,1e400\n", r"line 3, column 2 \('b'\): '1e400' is too large"),
    "-1e400": ("a,b\n1,2.5\n1,-1e400\n", r"line 3, column 2 \('b'\): '-1e400' is too large"),
    "400 digits": ("a,b\n1," + "9" * 400 + "\n", r"line 2, column 2 \('b'\)"),
    "open quote": ('a,b\n1,"x\n2,3\n', r"line 2: a quoted field that begins in this line is never closed"),
    "quoted semicolons": ('"a";"b"\n"1";"x"\n', r"line 1: a closing quote.*Is the separator ';'\? Then give sep=';'"),
    "text after quote": ('a,b\n1,"x"y\n', r"line 2: a closing quote must be followed by the separator ','"),
    "no header": ("1,2\n3,4\n", r"line 1 holds numbers only.*header=False"),
    "xlsx": (b"PK\x03\x04" + b"x" * 50, r"this is a ZIP archive \(xlsx, npz\), not text"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"x" * 50, r"this is a PNG picture"),
    "any binary": (bytes(range(256)) * 4, r"line \d+, character \d+ is NUL"),
    "truncated gzip": (gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:-20], r"the gzip stream ends too early"),
    "damaged gzip": (b"\x1f\x8b\x08\x00" + b"\xff" * 40, r"the gzip stream (is damaged|ends too early)"),
    "gzip bomb": (gzip.compress(b"a,b\n" + b"1,2\n" * 20_000_000, 9), r"over 200 times the size of the file: refused"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_faults_are_refused_at_their_place(write, fault):
    content, message = REFUSED[fault]
    path = write(content)
    with pytest.raises(DataError, match=message) as error:
        read_table(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_missing_folder_and_unknown_kind(tmp_path, write):
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="this is a folder"):
        read_table(tmp_path)
    with pytest.raises(DataError, match=r"Unknown kind of file '\.xlsx'\..*Available: \.csv"):
        read_table(write("x", "t.xlsx"))
    with pytest.raises(DataError, match="no such file|not a path"):
        read_table("a\0b.csv")
    with pytest.raises(TypeError, match="must be a path or a data frame"):
        read_table(None)


def test_arguments_are_checked(write):
    path = write("a,b\n1,2\n")
    with pytest.raises(ValueError, match="`sep` must be one character.*Received: sep='ab'"):
        read_table(path, sep="ab")
    with pytest.raises(ValueError, match="`decimal` must be"):
        read_table(path, decimal=";")
    with pytest.raises(ValueError, match="`encoding` must be a codec.*Received: encoding='klingon'"):
        read_table(path, encoding="klingon")


def test_ways_out_that_the_messages_name(write):
    assert read_table(write("a;b\n1,5;x\n2;y\n"), sep=";", decimal=",")["a"].tolist() == [1.5, 2.0]
    assert read_table(write("a,b\n1,é\n".encode("latin-1")), encoding="latin-1")["b"].tolist() == ["é"]
    assert read_table(write("a,b\n1,é\n".encode("utf-16")), encoding="utf-16")["b"].tolist() == ["é"]
    assert read_table(write("1,2\n3,4\n"), header=False).to_dict("list") == {"column_1": [1, 3], "column_2": [2, 4]}
    assert read_table(write("1,2\n3,4\n"), header=True).columns.tolist() == ["1", "2"]
    mixed = read_table(write(NUMBERS + "3,4+\n"), text=["b"])
    assert mixed["b"].tolist()[-2:] == ["2", "4+"]


def test_cells_become_what_they_are(write):
    frame = read_table(
        write(
            '"n","x",t,ok,maybe,empty,word\n'
            '1,1.5,"a, b",True,true,,yes\n'
            ' 2 , NA,"say ""hi""",false,NA,,no \n'
            "\n"
            "3,-inf,two words,TRUE,FALSE,?,None\n"
        )
    )
    assert frame["n"].dtype == np.int64
    assert frame["n"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(frame["x"], [1.5, np.nan, -np.inf])
    assert frame["t"].tolist() == ["a, b", 'say "hi"', "two words"]
    assert frame["ok"].dtype == bool
    assert frame["ok"].tolist() == [True, False, True]
    assert str(frame["maybe"].dtype) == "boolean"
    assert frame["maybe"].isna().tolist() == [False, True, False]
    assert frame["empty"].isna().all()
    assert frame["word"].tolist() == ["yes", "no", "None"]


@pytest.mark.parametrize("marker", ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>", "#N/A", "?"])
def test_missing_markers(write, marker):
    frame = read_table(write(f"x,t\n1,a\n{marker},{marker}\n"))
    assert frame.isna().to_numpy().tolist() == [[False, False], [True, True]]


def test_line_ends_and_byte_order_mark(write):
    for content in (b"a,b\r\n1,2\r\n3,4\r\n", b"a,b\r1,2\r3,4\r", b"\xef\xbb\xbfa,b\n1,2\n3,4"):
        frame = read_table(write(content))
        assert frame.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
        assert frame.attrs["first_line"] == 2


def test_line_numbers_count_lines_not_rows(write):
    text = "a,b\n" + '"x\ny",1\n' * 15 + "\n" + "z,oops\n"
    with pytest.raises(DataError, match=r"line 33, column 2 \('b'\): 'oops'"):
        read_table(write(text))
    assert "first_line" not in read_table(write(text.replace("oops", "5"))).attrs


def test_a_column_that_turns_to_text_late_keeps_its_text(write):
    rows = ["01"] * 20_001 + ["b"] * 10_000
    frame = read_table(write("t\n" + "\n".join(rows) + "\n"))
    assert frame["t"].tolist() == rows


def test_whole_numbers_beyond_64_bits_become_floats(write):
    frame = read_table(write("a\n1\n123456789012345678901\n"))
    assert frame["a"].tolist() == [1.0, 123456789012345678901.0]


def test_gzip_and_tsv(write):
    assert read_table(write(gzip.compress(b"a\tb\n1\tx\n"), "t.tsv.gz")).to_dict("list") == {"a": [1], "b": ["x"]}


def test_a_raised_field_limit_of_another_library_changes_nothing(write):
    old = csv.field_size_limit(10_000_000)
    try:
        with pytest.raises(DataError, match=r"line 2, column 2 \('b'\) holds 200000 characters; at most 131072"):
            read_table(write("a,b\n1," + "x" * 200_000 + "\n"))
    finally:
        csv.field_size_limit(old)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**53), 2**53),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8).map(
                "t,".__add__
            ),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_what_pandas_wrote_comes_back_to_the_last_bit(write, rows):
    frame = pd.DataFrame(rows, columns=["i", "x", "t"])
    read = read_table(write(frame.to_csv(index=False)))
    assert read["i"].tolist() == frame["i"].tolist()
    assert read["x"].tolist() == frame["x"].tolist()
    assert read["t"].tolist() == frame["t"].tolist()


_WORDS = st.sampled_from(
    ["1", "2.5", "", "NA", "x", '"', '"a"', "1,5", "é", "1e400", "\0", "_", " ", "true", "inf", "'"]
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(str.encode),
        st.lists(st.lists(_WORDS, min_size=1, max_size=4).map(",".join), max_size=8).map(
            lambda x: "\n".join(x).encode()
        ),
        st.lists(st.lists(_WORDS, min_size=1, max_size=4).map(";".join), max_size=8).map(
            lambda x: gzip.compress("\r\n".join(x).encode())
        ),
    )
)
def test_only_our_errors_escape_from_csv(write, content):
    try:
        frame = read_table(write(content))
    except DataError as error:
        assert "table.csv" in str(error)  # noqa: PT017
    else:
        assert len(frame) > 0
        assert len(set(frame.columns)) == frame.shape[1]


def test_parse_number():
    assert parse_number("+1.5e-3") == 1.5e-3
    assert parse_number(".5") == 0.5
    for text in ("1_0", "0x10", "1,5", "١", "1 2", "--1", "e5", "."):
        assert parse_number(text) is None


def test_frames_pass_through():
    frame = pd.DataFrame({"a": [1, 2]})
    assert read_table(frame) is frame
    assert read_table(pl.DataFrame({"a": [1, None], "t": ["x", None]})).isna().to_numpy().tolist() == [
        [False] * 2,
        [True] * 2,
    ]
    assert read_table(np.eye(2)).columns.tolist() == ["x0", "x1"]
    with pytest.raises(DataError, match=r"must have rows and columns. Received the shape \(0, 1\)"):
        read_table(frame.iloc[:0])


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_parquet_and_feather(tmp_path, suffix):
    frame = pd.DataFrame(
        {
            "a": [1.5, None],
            "t": ["x", "y"],
            "d": pd.to_datetime(["2024-01-31", "2024-02-01"]),
            "c": pd.Categorical(["u", "v"]),
        }
    )
    path = tmp_path / f"t.{suffix}"
    getattr(frame, f"to_{suffix}")(path)
    read = read_table(path)
    assert read["a"].tolist()[0] == 1.5
    assert read["d"].tolist() == frame["d"].tolist()
    assert read["c"].tolist() == ["u", "v"]
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"PAR1" + b"\xff" * 100 + b"PAR1", b"ARROW1\0\0" + b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a readable"):
            read_table(path)


def test_parquet_of_lists_and_missing_rows_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [[1], [2]]}).to_parquet(path)
    with pytest.raises(DataError, match="column 'a' holds list"):
        read_table(path)
    pd.DataFrame({"a": []}).to_parquet(path)
    with pytest.raises(DataError, match="must have rows and columns"):
        read_table(path)


def test_parquet_bomb_is_refused_by_its_footer(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.zeros(100_000, np.int8)}).to_parquet(path)
    monkeypatch.setattr("strata.data._arrow._FREE_BYTES", 1000)
    monkeypatch.setattr("strata.data._arrow._MAX_RATIO", 1)
    with pytest.raises(DataError, match="the file states 100000 rows of 1 columns"):
        read_table(path)


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_missing_pyarrow_names_the_install_command(tmp_path, monkeypatch, form):
    path = tmp_path / f"t.{form}"
    getattr(pd.DataFrame({"a": [1]}), f"to_{form}")(path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"needs pyarrow. Install it with: pip install 'strata\[tables\]'$"):
        read_table(path)
