"""Counts of values among strong and weak alleles, and the tests of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from statsmodels.stats.contingency_tables import Table2x2

from dnabert_cli.analysis import strong_weak
from dnabert_cli.analysis.compare import benjamini_hochberg
from dnabert_cli.analysis.strong_weak import ANY, OTHERS, StrongWeak, fisher_p, odds_ratio


def counted(alleles):
    """Count (is_strong, values of the field X)."""
    found = StrongWeak()
    for is_strong, text in alleles:
        found.add(is_strong, {"X": text})
    return found.rows()


def counts(row):
    return row.n_strong_with, row.n_strong, row.n_weak_with, row.n_weak


@st.composite
def tables(draw):
    n_strong, n_weak = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    return draw(st.integers(0, n_strong)), n_strong, draw(st.integers(0, n_weak)), n_weak


def test_any_value_comes_first_then_single_ones_by_p():
    rows = counted(
        [(True, "bad")] * 6 + [(True, None)] * 2 + [(False, "good")] * 5 + [(False, "bad|good")]
        + [(False, "")] * 4
    )  # fmt: skip

    assert [(row.field, row.value, *counts(row)) for row in rows] == [
        ("X", ANY, 6, 8, 6, 10),
        ("X", "bad", 6, 8, 1, 10),
        ("X", "good", 0, 8, 6, 10),
    ]


def test_value_counts_once_per_allele():
    assert counts(counted([(True, "a|a||a"), (False, None)])[1]) == (1, 1, 0, 1)


def test_fields_are_tested_apart_and_corrected_together():
    found = StrongWeak()
    for number in range(20):
        found.add(number < 8, {"X": "a" if number < 7 else None, "Y": "b" if number % 2 else "c"})
    rows = found.rows()
    single = [row for row in rows if row.value != ANY]

    assert [(row.field, row.value) for row in rows] == [
        ("X", ANY), ("X", "a"), ("Y", ANY), ("Y", "b"), ("Y", "c"),
    ]  # fmt: skip
    expected = benjamini_hochberg(np.array([row.p_value for row in single])).tolist()
    assert [row.q_value for row in single] == expected
    assert all(math.isnan(row.q_value) for row in rows if row.value == ANY)


def test_values_after_the_first_thousand_are_counted_together():
    values = [f"v{number}" for number in range(1003)]
    rows = counted([(True, one) for one in values] + [(False, "v0|v1001|v1002"), (False, "v999")])

    assert len(rows) == 1 + 1000 + 1
    assert rows[-1].value == OTHERS
    assert counts(rows[-1]) == (3, 1003, 1, 2)
    assert math.isnan(rows[-1].q_value)
    assert {row.value for row in rows} == {ANY, OTHERS, *values[:1000]}
    assert counts(rows[0]) == (1003, 1003, 2, 2)


def test_memory_does_not_grow_with_new_values(monkeypatch):
    monkeypatch.setattr(strong_weak, "N_VALUES", 3)
    found = StrongWeak()
    for number in range(100):
        found.add(number % 2 == 0, {"X": f"v{number}"})

    assert len(found._counts["X"]) == 3 + 2


def test_no_alleles_no_rows():
    assert StrongWeak().rows() == []


def test_field_without_values_has_one_row():
    rows = counted([(True, None), (False, None)])

    assert [row.value for row in rows] == [ANY]
    assert rows[0].p_value == 1
    assert math.isnan(rows[0].odds_ratio)


@pytest.mark.parametrize("is_strong", [True, False])
def test_one_group_alone_is_not_tested(is_strong):
    rows = counted([(is_strong, "a"), (is_strong, "b"), (is_strong, None)])

    assert [row.value for row in rows] == [ANY, "a", "b"]
    assert all(math.isnan(row.p_value) and math.isnan(row.odds_ratio) for row in rows)
    assert all(math.isnan(row.q_value) for row in rows)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((6, 8, 1, 10), 6 * 9 / (2 * 1)),
        ((2, 8, 5, 10), 2 * 5 / (6 * 5)),
        ((3, 3, 1, 4), 3.5 * 3.5 / (0.5 * 1.5)),
        ((0, 8, 6, 10), 0.5 * 4.5 / (8.5 * 6.5)),
        ((0, 8, 0, 10), math.nan),
        ((8, 8, 10, 10), math.nan),
        ((0, 0, 5, 10), math.nan),
        ((2, 5, 0, 0), math.nan),
    ],
)
def test_odds_ratio_worked_by_hand(table, expected):
    assert odds_ratio(*table) == pytest.approx(expected, nan_ok=True)


@given(tables())
def test_odds_ratio_is_that_of_statsmodels(table):
    a, n_strong, c, n_weak = table
    cells = np.array([[a, n_strong - a], [c, n_weak - c]])
    if cells.sum(axis=0).all() and cells.sum(axis=1).all():
        expected = Table2x2(cells if cells.all() else cells + 0.5).oddsratio
        assert odds_ratio(*table) == pytest.approx(expected)


@given(tables())
def test_p_is_the_sum_over_tables_as_rare_or_rarer(table):
    a, n_strong, c, n_weak = table
    if not (n_strong and n_weak):
        assert math.isnan(fisher_p(*table))
        return
    chances = hypergeom(n_strong + n_weak, a + c, n_strong).pmf(np.arange(n_strong + 1))
    expected = chances[chances <= chances[a] * (1 + 1e-9)].sum()

    assert fisher_p(*table) == pytest.approx(expected)


@given(tables())
def test_strong_and_weak_exchanged_turn_the_odds_round(table):
    a, n_strong, c, n_weak = table
    turned = odds_ratio(c, n_weak, a, n_strong)

    assert odds_ratio(*table) * turned == pytest.approx(1) or math.isnan(turned)
