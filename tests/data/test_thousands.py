"""Numbers with a mark between thousands: read where it is said, noticed where it is not."""

import re

import pandas as pd
import pytest

from strata.data import audit, read_table
from strata.errors import DataError


@pytest.fixture
def write(tmp_path):
    def _write(content):
        path = tmp_path / "table.csv"
        path.write_text(content)
        return path

    return _write


@pytest.mark.parametrize(
    ("mark", "decimal", "cells", "numbers"),
    [
        (",", ".", ["1,234.50", "999", "-12,345,678", "1,00,000"], [1234.5, 999.0, -12345678.0, 100000.0]),
        (".", ",", ["1.234,5", "7", "NA", "1.000.000"], [1234.5, 7.0, None, 1000000.0]),
        (" ", ",", ["1 234,5", "1\u202f000", "1\u00a0000\u00a0000", ""], [1234.5, 1000.0, 1000000.0, None]),
        ("'", ".", ["1'234", "5", "6'000'000", "0"], [1234, 5, 6000000, 0]),
        ("_", ".", ["1_234", "5", "6_000_000.5", "0"], [1234.0, 5.0, 6000000.5, 0.0]),
    ],
)
def test_marks_are_taken_out_of_whole_groups(write, mark, decimal, cells, numbers):
    path = write("a;b\n" + "".join(f"{cell};x\n" for cell in cells))
    column = read_table(path, sep=";", thousands=mark, decimal=decimal)["a"]
    assert [None if pd.isna(value) else value for value in column.tolist()] == numbers
    assert column.dtype == ("int64" if all(isinstance(number, int) for number in numbers) else "float64")


@pytest.mark.parametrize("cell", ["1,23", "12,34", "1234,567", ",123", "1,234,56", "1,234.567,8", "1,2345"])
def test_wrong_groups_are_no_numbers(write, cell):
    path = write("a;b\n" + "1,000;x\n" * 19 + f"{cell};x\n")
    with pytest.raises(DataError, match=rf"line 21, column 1 \('a'\): '{cell}' is text in a column of numbers"):
        read_table(path, sep=";", thousands=",")


def test_marks_that_cannot_be_are_refused(write):
    path = write("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"`thousands` must be one character.*Received: thousands=',,'"):
        read_table(path, thousands=",,")
    with pytest.raises(ValueError, match="`thousands` must be one character"):
        read_table(path, thousands="0")
    with pytest.raises(
        ValueError,
        match=r"must differ from the decimal mark.*Received: thousands='\.'.*Give decimal=',' \(--decimal ,\)",
    ):
        read_table(path, thousands=".")


@pytest.mark.parametrize(
    ("cells", "way_out"),
    [
        (["1,234.50", "2,000.00"], r"Give thousands=',' \(--thousands ,\), or text=\['a'\] \(--text a\)"),
        (["1,234", "12,000,000", "7"], r"Give thousands=',' \(--thousands ,\), or text="),
        (["1.234,5", "2,5"], r"Give decimal=',', thousands='\.' \(--decimal , --thousands \.\), or text="),
        (["1,5", "2,25"], r"Give decimal=',' \(--decimal ,\), or text="),
        (
            ["1,234", "2,345"],
            r"Give decimal=',' \(--decimal ,\) if .* or thousands=',' \(--thousands ,\) if it parts thous",
        ),
    ],
)
def test_commas_that_nothing_was_said_about_are_refused_with_the_way_out(write, cells, way_out):
    path = write("a;b\n" + "".join(f"{cell};x\n" for cell in cells))
    with pytest.raises(DataError, match=rf"line 2, column 1 \('a'\): '{cells[0]}' is a number with a comma. {way_out}"):
        read_table(path, sep=";")
    assert read_table(path, sep=";", text=["a"])["a"].tolist() == cells


@pytest.mark.parametrize(
    ("cells", "way_out"),
    [
        (["1 234", "22 345", "7"], r"' ' between thousands, such as '1 234': give thousands=' ' \(--thousands ' '\)"),
        (["1'234", "22'345", "7"], r"such as \"1'234\": give thousands=\"'\" \(--thousands \"'\"\)"),
        (["5", "1.234.567", "2.345.678"], r"give decimal=',', thousands='\.' \(--decimal , --thousands \.\)"),
    ],
)
def test_the_audit_notices_text_that_would_be_numbers(write, cells, way_out):
    path = write("a;b\n" + "".join(f"{cell};x\n" for cell in cells))
    frame = read_table(path, sep=";")
    (found,) = [finding for finding in audit(frame).findings if finding.code == "thousands"]
    assert found.column == "a"
    assert re.search(way_out, found.message)
    told = read_table(path, sep=";", text=["a"])
    assert not [finding for finding in audit(told).findings if finding.code == "thousands"]


def test_the_audit_of_a_frame_in_memory_names_no_option_of_a_file():
    (found,) = [f for f in audit({"a": ["1,234.5", "12"], "b": ["x", "1 2"]}).findings if f.code == "thousands"]
    assert "turn it into numbers" in found.message
    assert "--thousands" not in found.message
