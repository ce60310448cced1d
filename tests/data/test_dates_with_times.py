"""Dates with a time of day are dates, in every form that dates come in."""

import numpy as np
import pandas as pd
import pytest

from strata.data import TableEncoder
from strata.data._kinds import column_kind, date_days, find_date_format
from strata.errors import DataError

DAY = 19753  # 2024-01-31, in days since 1970-01-01
FORMS = {
    "US": (["1/31/2024 18:00", "2/1/2024 06:00:00", None], "%m/%d/%Y"),
    "US, 12 hours": (["1/31/2024 6:00 PM", "2/1/2024 6:00 am", None], "%m/%d/%Y"),
    "British": (["31/1/2024 18:00", "1/2/2024 6:00", None], "%d/%m/%Y"),
    "German": (["31.1.2024 18:00", "01.02.2024 06:00:00", None], "%d.%m.%Y"),
    "year first": (["2024/1/31 18:00", "2024/02/01 06:00", None], "%Y/%m/%d"),
    "ISO with a zone": (["2024-01-31T18:00:00Z", "2024-02-01T08:00:00+02:00", None], "ISO8601"),
    "ISO with fractions": (["2024-01-31 18:00:00.000", "2024-02-01 06:00:00.000", None], "ISO8601"),
}


@pytest.mark.parametrize("form", FORMS)
def test_moments(form):
    values, name = FORMS[form]
    column = pd.Series(values, name="when")
    assert (column_kind(column), find_date_format(column)) == ("date", name)
    np.testing.assert_allclose(date_days(column, name), [DAY + 0.75, DAY + 1.25, np.nan])


def test_midnight_may_be_left_out():
    column = pd.Series(["1/31/2024", "2/1/2024 12:00", "12/1/2024"])
    np.testing.assert_allclose(date_days(column, "%m/%d/%Y"), [DAY, DAY + 1.5, DAY + 305])


@pytest.mark.parametrize("text", ["1/31/2024 25:00", "1/31/2024 12:61", "1/31/2024 noon", "13/31/2024 12:00"])
def test_what_is_no_time_is_named(text):
    with pytest.raises(DataError, match=r"Column 'when', row 1: .* is no date of the form %m/%d/%Y"):
        date_days(pd.Series(["1/30/2024 10:00", text], name="when"), "%m/%d/%Y")


def test_day_and_month_must_still_be_told_apart():
    with pytest.raises(DataError, match="can be day/month or month/day"):
        find_date_format(pd.Series(["1/2/2024 10:00", "3/4/2024 11:00"], name="when"))


def test_the_encoder_takes_them():
    frame = pd.DataFrame({"when": [f"1/{day}/2024 {day % 24}:30" for day in range(1, 32)]})
    encoder = TableEncoder(scale=False).fit(frame)
    assert np.isfinite(encoder.transform(frame)).all()
