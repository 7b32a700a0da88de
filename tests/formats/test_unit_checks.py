"""What was read back is what a command relies on; else the array and the file are named."""

import numpy as np
import pytest

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.unit_checks import Expected, check_answer

ROWS = {
    "starts": Expected("i", ("n",), (0, 9)),
    "scores": Expected("f", ("n", 2), may_miss=True),
    "count": Expected("i", ()),
}


def answer(**changes):
    arrays = {"starts": np.array([0, 9]), "scores": np.full((2, 2), np.nan), "count": np.array(3)}
    return arrays | changes


def test_what_fits_passes_with_more_beside_it():
    check_answer(answer(more=np.zeros(4)), ROWS, "part")


def test_axes_of_one_name_may_have_any_length():
    check_answer(answer(starts=np.arange(0), scores=np.empty((0, 2))), ROWS, "part")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"starts": np.array([0, 9, 9])}, r"'scores' has the shape \[2, 2\]"),
        ({"scores": np.zeros((2, 3))}, r"'scores' has the shape \[2, 3\]"),
        ({"scores": np.zeros(2)}, r"'scores' is float64 \[2\]"),
        ({"scores": np.zeros((2, 2), int)}, r"'scores' is int64 \[2, 2\]"),
        ({"count": np.array("x")}, "'count' is str"),
        ({"starts": np.array([0, 10])}, "'starts' holds what is out of range"),
        ({"starts": np.array([-1, 0])}, "'starts' holds what is out of range"),
    ],
)
def test_what_does_not_fit_is_named(changes, said):
    with pytest.raises(FormatError, match=rf"part: is damaged: {said}.* \(hint: make it anew"):
        check_answer(answer(**changes), ROWS, "part")


def test_a_missing_array_is_named():
    with pytest.raises(FormatError, match="part: is damaged: 'starts' is missing"):
        check_answer({}, ROWS, "part")


def test_nan_is_refused_where_every_number_is_known():
    with pytest.raises(FormatError, match="'p' holds what is not a number"):
        check_answer({"p": np.array([0, np.nan])}, {"p": Expected("f", (2,), (0, 1))}, "part")


def test_a_range_may_differ_from_column_to_column():
    low, high = np.array([0, -np.inf]), np.array([1, np.inf])
    one = {"p": Expected("f", ("n", 2), (low, high), may_miss=True)}
    check_answer({"p": np.array([[0, -7], [1, np.inf], [np.nan, 0]])}, one, "part")

    with pytest.raises(FormatError, match="'p' holds what is out of range"):
        check_answer({"p": np.array([[-7.0, 0]])}, one, "part")
