"""Formulas as the command takes them."""

import pytest

from strata.data import parse_formula

COLUMNS = ["age", "parity", "case", "induced", "pooled.stratum", "a b"]


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("case ~ parity + induced + age", ("parity", "induced", "age")),
        ("case~.", ("age", "parity", "induced", "pooled.stratum", "a b")),
        ("case ~ . - age - `a b`", ("parity", "induced", "pooled.stratum")),
        ("case ~ -age + . - parity", ("age", "induced", "pooled.stratum", "a b")),
        ("`case` ~ pooled.stratum + 1", ("pooled.stratum",)),
        ("case ~ age + age", ("age",)),
    ],
)
def test_formulas(text, features):
    formula = parse_formula(text, COLUMNS)
    assert formula.target == "case"
    assert formula.features == features


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parity", "has one '~'"),
        ("a ~ b ~ c", "has one '~'"),
        ("~ age", "begins with one target column"),
        ("case + age ~ parity", "begins with one target column"),
        ("case ~", "at least one column"),
        ("case ~ age - age", "at least one column"),
        ("case ~ prity", "Unknown column 'prity'. Did you mean 'parity'?"),
        ("cse ~ age", "Unknown column 'cse'. Did you mean 'case'?"),
        ("case ~ a*b", r"Received '\*' at character 9"),
        ("case ~ log(age)", r"Received '\(' at character 11"),
        ("case ~ case", "cannot predict itself"),
        ("case ~ age +", "ends with a column"),
        ("case ~ 0 + age", r"Received \+ 0"),
        ("case ~ age induced parity", "joined by '\\+' or '-'. Received 'induced'"),
        ("case ~ `age", "Received '`' at character 8"),
    ],
)
def test_what_is_no_formula(text, message):
    with pytest.raises(ValueError, match=message):
        parse_formula(text, COLUMNS)
