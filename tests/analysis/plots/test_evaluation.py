"""The pictures of an evaluation: what is drawn where, and every word of it."""

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_hex

from dnabert_cli.analysis import metrics
from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.evaluation import (
    MOST_SYSTEMS,
    ScanCurve,
    SystemCurves,
    draw_confusion,
    draw_evaluation,
    draw_scan,
)

NAN = float("nan")
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
NOTHING = (np.array([]), np.array([]))

SYSTEM = SystemCurves(
    name="model A",
    roc=(np.array([0.0, 0.5, 1.0]), np.array([0.5, 1.0, 1.0])),
    precision_recall=(np.array([0.5, 1.0, 1.0]), np.array([1.0, 0.6, 0.4])),
    calibration=np.array([[0.1, 0.2, 0.05, 0.4], [NAN, NAN, NAN, NAN], [0.9, 0.8, 0.6, 0.95]]),
    auroc=(0.875, 0.8123, 0.9249),
    auprc=(0.8, NAN, NAN),
)
EMPTY = SystemCurves("silent", NOTHING, NOTHING, np.zeros((0, 4)), (NAN,) * 3, (NAN,) * 3)
SCAN = ScanCurve(
    name="model A",
    thresholds=np.array([0.2, 0.4, 0.6, 0.8]),
    precision=np.array([0.3, 0.5, 0.75, NAN]),
    recall=np.array([1.0, 0.8, 0.6, 0.0]),
    f1=np.array([0.46, 0.62, 0.67, 0.0]),
    chosen=0.6,
)
MATRIX = np.array([[9000, 500, 500], [1, 3, 0], [0, 0, 0]])
CLASSES = ("none", "donor", "acceptor")


def evaluation(*systems, share=0.02, title="", fmt="svg"):
    return draw_evaluation(systems, share_of_positives=share, title=title, fmt=fmt)


def scan(*curves, title="", fmt="svg"):
    return draw_scan(curves, title=title, fmt=fmt)


def confusion(matrix=MATRIX, classes=CLASSES, title="", fmt="svg"):
    return draw_confusion(matrix, classes, title=title, fmt=fmt)


def words(svg):
    """Return every text of a picture."""
    return [
        "".join(text.itertext())
        for text in ET.fromstring(svg.decode()).iter("{http://www.w3.org/2000/svg}text")
    ]


def lines(axis):
    return [np.stack(line.get_data()).T.tolist() for line in axis.get_lines()]


def rings(axis):
    return [
        tuple(float(part[0]) for part in line.get_data())
        for line in axis.get_lines()
        if line.get_fillstyle() == "none"
    ]


@pytest.fixture
def figures(monkeypatch):
    """Let the functions return the figure in place of its bytes."""
    monkeypatch.setattr(canvas, "save", lambda figure, _: figure)


DRAWN = {
    "evaluation": lambda fmt: evaluation(SYSTEM, EMPTY, title="t", fmt=fmt),
    "scan": lambda fmt: scan(SCAN, title="t", fmt=fmt),
    "confusion": lambda fmt: confusion(title="t", fmt=fmt),
    "large confusion": lambda fmt: confusion(np.eye(12, dtype=int), list("abcdefghijkl"), fmt=fmt),
}


@pytest.mark.parametrize("fmt", canvas.FORMATS)
@pytest.mark.parametrize("picture", DRAWN)
def test_equal_numbers_are_equal_bytes_of_the_format(picture, fmt):
    content = DRAWN[picture](fmt)

    assert content.startswith(SIGNATURES[fmt])
    assert content == DRAWN[picture](fmt)


@pytest.mark.parametrize("picture", DRAWN)
def test_no_text_is_smaller_than_seven_points(picture, figures):
    from matplotlib.text import Text

    texts = DRAWN[picture]("svg").findobj(Text)

    assert min(text.get_fontsize() for text in texts) >= 7


def test_an_evaluation_names_title_panels_axes_and_systems():
    other = dataclasses.replace(SYSTEM, name="model B")

    assert {
        "Promoters (test)", "ROC", "Precision-recall", "Calibration",
        "false positive rate", "recall (true positive rate)", "precision",
        "predicted probability (mean of bin)", "observed share of positives",
        "model A", "model B", "guessing", "perfect calibration",
    } <= set(words(evaluation(SYSTEM, other, title="Promoters (test)")))  # fmt: skip


def test_areas_are_told_with_their_intervals_and_alone_where_there_is_none():
    told = words(evaluation(SYSTEM, share=0.0213))

    assert {"0.875 (0.812 to 0.925)", "0.800", "0.500", "0.021"} <= set(told)


def test_a_system_without_curves_is_named_and_called_undefined():
    told = words(evaluation(SYSTEM, EMPTY))

    assert "silent" in told
    assert told.count("undefined") == 2


def test_curves_of_undefined_numbers_are_as_good_as_none():
    nans = (np.full(3, NAN), np.array([0.0, 0.5, 1.0]))
    system = dataclasses.replace(EMPTY, roc=nans, precision_recall=nans)

    assert words(evaluation(system, share=NAN)).count("undefined") == 2


def test_an_unknown_share_of_positives_draws_no_line(figures):
    known, unknown = (evaluation(SYSTEM, share=share).axes[1] for share in (0.02, NAN))

    assert lines(known)[0] == [[0, 0.02], [1, 0.02]]
    assert lines(known)[1:] == lines(unknown)


def test_roc_begins_where_nothing_is_called(figures):
    roc = evaluation(SYSTEM).axes[0]

    assert lines(roc) == [[[0, 0], [1, 1]], [[0, 0], [0, 0.5], [0.5, 1], [1, 1]]]


def test_curves_may_be_given_from_either_end(figures):
    turned = dataclasses.replace(
        SYSTEM,
        roc=tuple(part[::-1] for part in SYSTEM.roc),
        precision_recall=tuple(part[::-1] for part in SYSTEM.precision_recall),
    )

    for there, back in zip(evaluation(SYSTEM).axes, evaluation(turned).axes, strict=True):
        assert lines(there) == lines(back)


def test_the_area_under_the_drawn_precision_is_the_average_precision(figures):
    rng = np.random.default_rng(3)
    scores, labels = rng.random(40), rng.integers(0, 2, 40)
    ranked = labels[np.argsort(-scores)]
    hits = np.cumsum(ranked)
    curve = (hits / hits[-1], hits / np.arange(1, 41))

    axis = evaluation(dataclasses.replace(SYSTEM, precision_recall=curve)).axes[1]

    x, y = axis.get_lines()[1].get_data()
    assert np.trapezoid(y, x) == pytest.approx(metrics.auprc(labels, scores), abs=1e-3)


def test_calibration_has_a_point_and_a_bar_per_bin_that_holds_rows(figures):
    axis = evaluation(SYSTEM).axes[2]

    assert lines(axis)[1] == [[0.1, 0.2], [0.9, 0.8]]
    bars = [bar.tolist() for bar in axis.collections[0].get_segments()]
    assert bars == [[[0.1, 0.05], [0.1, 0.4]], [[0.9, 0.6], [0.9, 0.95]]]


def test_a_bin_without_an_interval_keeps_its_point(figures):
    bins = np.array([[0.1, 0.2, NAN, NAN]])

    axis = evaluation(dataclasses.replace(SYSTEM, calibration=bins)).axes[2]

    assert lines(axis)[1] == [[0.1, 0.2]]
    assert axis.collections[0].get_segments() == []


def test_all_panels_are_square_and_reach_from_0_to_1(figures):
    for figure in (evaluation(SYSTEM, EMPTY, title="t"), scan(SCAN)):
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        for axis in figure.axes:
            place = axis.get_position()
            assert (axis.get_xlim(), axis.get_ylim()) == ((0, 1), (0, 1))
            assert place.width * width == pytest.approx(place.height * height, abs=0.01)


def test_the_legend_lies_below_the_panels_and_inside_the_page(figures):
    systems = [dataclasses.replace(SYSTEM, name="W" * 99) for _ in range(MOST_SYSTEMS)]
    curves = [dataclasses.replace(SCAN, name="W" * 99) for _ in range(MOST_SYSTEMS)]
    for figure in (evaluation(*systems, title="t"), scan(*curves, title="t")):
        figure.draw_without_rendering()
        legend = figure.legends[0].get_window_extent()
        assert figure.bbox.x0 <= legend.x0
        assert legend.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= legend.y0
        assert legend.y1 <= min(axis.get_tightbbox().y0 for axis in figure.axes)


def test_each_system_has_a_colour_and_a_line_style_of_its_own(figures):
    axis = evaluation(*[SYSTEM] * MOST_SYSTEMS).axes[0]

    curves = axis.get_lines()[1:]
    assert [line.get_color() for line in curves] == list(canvas.OKABE_ITO)
    assert len({str(line._unscaled_dash_pattern) for line in curves}) == MOST_SYSTEMS


@pytest.mark.parametrize("n_systems", [0, MOST_SYSTEMS + 1])
def test_a_picture_of_no_or_too_many_systems_is_refused(n_systems):
    with pytest.raises(ValueError, match=f"1 to 8 systems, not {n_systems}"):
        evaluation(*[SYSTEM] * n_systems)
    with pytest.raises(ValueError, match=f"1 to 8 systems, not {n_systems}"):
        scan(*[SCAN] * n_systems)


NAMES = [
    "a < b & c > d",
    "$x_1^2$ and $",
    "_hidden",
    'quoted "\\alpha"',
    "µ², β",
    "{0} %s",
    "启动子",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are(name):
    assert {name, f"title {name}"} <= set(
        words(evaluation(dataclasses.replace(SYSTEM, name=name), title=f"title {name}"))
    )
    assert name in words(scan(dataclasses.replace(SCAN, name=name)))
    assert words(confusion(classes=(name, "b", "c"))).count(name) == 2


def test_long_names_are_cut_in_the_middle():
    name = "runs/2024/promoters/6-mer/seed-1/a-folder/checkpoint"

    told = words(evaluation(dataclasses.replace(SYSTEM, name=name)))

    assert "runs/2024/promoter…folder/checkpoint" in told


@pytest.mark.parametrize("fmt", ["svg", "pdf"])
def test_pictures_of_many_rows_stay_small(fmt):
    rng = np.random.default_rng(0)
    hits = np.cumsum(rng.random(100_000) < np.linspace(0.3, 0.0, 100_000))
    called = np.arange(1, 100_001)
    roc = ((called - hits) / (called - hits)[-1], hits / hits[-1])
    system = dataclasses.replace(SYSTEM, roc=roc, precision_recall=(roc[1], hits / called))

    assert len(evaluation(system, fmt=fmt)) < 300_000


def test_a_scan_names_title_axes_systems_quantities_and_the_chosen_threshold():
    assert {
        "Thresholds (dev)", "recall (true positive rate)", "precision",
        "threshold (probability from which a call counts)", "precision, recall, F1",
        "model A", "recall", "F1", "chosen threshold", "0.6",
    } <= set(words(scan(SCAN, title="Thresholds (dev)")))  # fmt: skip


def test_what_the_chosen_threshold_gives_is_ringed(figures):
    trade, course = scan(SCAN).axes

    assert rings(trade) == [(0.6, 0.75)]
    assert rings(course) == [(0.6, 0.75), (0.6, 0.6), (0.6, 0.67)]


@pytest.mark.parametrize(
    ("chosen", "recall"), [(0.5, 0.6), (0.6 + 1e-12, 0.6), (0.1, 1.0), (0.2, 1.0)]
)
@pytest.mark.parametrize("step", [1, -1])
def test_a_threshold_between_two_calls_what_the_higher_one_calls(chosen, recall, step, figures):
    turned = {name: getattr(SCAN, name)[::step] for name in ("thresholds", "precision", "recall")}

    trade, _ = scan(dataclasses.replace(SCAN, **turned, f1=SCAN.f1[::step], chosen=chosen)).axes

    assert [x for x, _ in rings(trade)] == [recall]


@pytest.mark.parametrize("chosen", [None, NAN, 0.95, 0.8])
def test_no_ring_where_there_is_no_point(chosen, figures):
    trade, _ = scan(dataclasses.replace(SCAN, chosen=chosen)).axes

    assert rings(trade) == []


def test_where_no_threshold_was_chosen_none_is_told():
    assert "chosen threshold" not in words(scan(dataclasses.replace(SCAN, chosen=None)))


def test_an_empty_scan_is_named_and_called_undefined():
    told = words(scan(ScanCurve("silent", *[np.array([])] * 4, chosen=0.5)))

    assert {"silent", "undefined"} <= set(told)


def test_thresholds_are_drawn_as_they_are_and_undefined_values_left_out(figures):
    _, course = scan(SCAN).axes

    assert lines(course)[0] == [[0.2, 0.3], [0.4, 0.5], [0.6, 0.75]]
    assert lines(course)[1] == [[0.2, 1], [0.6, 0.6], [0.8, 0]]


def test_several_systems_in_a_scan_are_told_apart_by_marks(figures):
    _, course = scan(SCAN, dataclasses.replace(SCAN, name="model B")).axes

    drawn = [line for line in course.get_lines() if line.get_marker() in canvas.MARKERS[:2]]
    assert [line.get_marker() for line in drawn if line.get_fillstyle() == "full"] == [
        *["o"] * 3,
        *["s"] * 3,
    ]


def test_cells_tell_counts_and_shares_of_their_row():
    told = words(confusion(title="Splice sites"))

    assert {"Splice sites", "true class", "predicted class"} <= set(told)
    assert all(told.count(name) == 2 for name in CLASSES)
    assert {"9,000", "90.0 %", "25.0 %", "75.0 %"} <= set(told)
    assert told.count("5.0 %") == 2
    assert told.count("no rows") == 3


def test_true_classes_are_rows_from_the_top_and_predicted_ones_columns(figures):
    axis = confusion().axes[0]

    by_place = {tuple(text.get_position()): text.get_text() for text in axis.texts}
    assert by_place[0.5, 1.5] == "1\n25.0 %"
    assert by_place[1.5, 0.5] == "500\n5.0 %"
    assert axis.yaxis_inverted()
    assert [text.get_text() for text in axis.get_yticklabels()] == list(CLASSES)


def luminance(color):
    """Return the relative luminance of WCAG 2."""
    parts = np.array(color[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_text_can_be_read_on_every_cell(figures):
    for share in (*range(0, 101, 10), 69, 71, 72, 73):
        axis = confusion(np.array([[share, 100 - share], [0, 1]]), ("a", "b")).axes[0]
        fill = luminance(axis.collections[0].to_rgba(share / 100))
        text = 1.0 if to_hex(axis.texts[0].get_color()) == "#ffffff" else 0.0
        contrast = (max(fill, text) + 0.05) / (min(fill, text) + 0.05)
        assert contrast >= 4.4


def test_cells_of_many_classes_hold_no_text_but_a_scale_tells_the_shares():
    names = [f"class {number}" for number in range(40)]

    told = words(confusion(np.ones((40, 40), dtype=int), names))

    assert set(names) <= set(told)
    assert "share of the true class" in told
    assert not any("%" in word for word in told)


@pytest.mark.parametrize(
    ("matrix", "classes"), [(np.zeros((2, 3)), "ab"), (np.zeros((2, 2)), "abc"), (np.eye(0), "")]
)
def test_a_matrix_that_does_not_fit_its_names_is_refused(matrix, classes):
    with pytest.raises(ValueError, match=r"classes do not fit a matrix of shape"):
        confusion(matrix, list(classes))


def test_a_single_class_is_drawn():
    assert "100.0 %" in words(confusion(np.array([[7]]), ["only"]))
