import math

import numpy as np
import pytest

from dnabert_cli.formats.info_tags import (
    InfoTag,
    info_entry,
    joined_info,
    value_texts,
    without_tags,
)

FLOAT = InfoTag("F", "1", "Float", "")
TEXT = InfoTag("S", "1", "String", "")


def entry(tag, value, n_alts=1):
    return info_entry(tag, value_texts(tag, value, n_alts))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1234567891, "0.123457"),
        (-2.0, "-2"),
        (1e-9, "1e-09"),
        (-0.0, "0"),
        (np.float32(0.1), "0.1"),
        (math.nan, "."),
        (-math.inf, "."),
        (None, "."),
    ],
)
def test_number_has_six_digits_and_what_is_none_is_missing(number, text):
    assert entry(FLOAT, number) == f"F={text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b;c=d,e%f\n", "a%20b%3Bc%3Dd%2Ce%25f%0A"),
        ("\x00\x7f", "%00%7F"),
        ("é|:", "é|:"),
        ("", "."),
        (None, "."),
    ],
)
def test_text_is_percent_encoded(value, text):
    assert entry(TEXT, value) == f"S={text}"


def test_values_per_allele_keep_their_order():
    tag = InfoTag("F", "A", "Float", "")
    assert entry(tag, np.array([0.5, math.nan, -1]), 3) == "F=0.5,.,-1"


@pytest.mark.parametrize(
    ("number", "values"), [("A", [1, 2]), ("R", [1, 2, 3, 4]), ("2", [1]), ("1", [])]
)
def test_wrong_number_of_values_is_a_bug(number, values):
    with pytest.raises(AssertionError, match="values, not"):
        value_texts(InfoTag("I", number, "Integer", ""), values, 3 if number == "A" else 2)


def test_flag_is_its_key_or_nothing():
    flag = InfoTag("FLAG", "0", "Flag", "")
    assert entry(flag, True) == "FLAG"
    assert value_texts(flag, False, 1) == []


def test_description_is_quoted():
    line = InfoTag("X", "1", "String", r'a "b" \ c').header_line()
    assert line == r'##INFO=<ID=X,Number=1,Type=String,Description="a \"b\" \\ c">'


@pytest.mark.parametrize(
    ("info", "joined"),
    [(".", "X=1"), ("", "X=1"), ("A=1", "A=1;X=1"), ("A=1;", "A=1;X=1"), ("B;;", "B;;X=1")],
)
def test_what_info_holds_stays_in_front(info, joined):
    assert joined_info(info, "X=1") == joined
    assert joined_info(info, "") == info


@pytest.mark.parametrize(
    ("info", "rest", "removed"),
    [
        ("X=1;A=2", "A=2", ["X"]),
        ("A=2;X;B", "A=2;B", ["X"]),
        ("Y;X=1", ".", ["Y", "X"]),
        ("XX=1;AX=2;N=X=1;;", "XX=1;AX=2;N=X=1;;", []),
        (".", ".", []),
    ],
)
def test_only_entries_of_the_very_keys_are_taken_out(info, rest, removed):
    assert without_tags(info, frozenset({"X", "Y"})) == (rest, removed)
