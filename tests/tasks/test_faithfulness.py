"""A faithfulness curve falls faster for bases that matter than for others, and starts equal."""

import numpy as np
import pytest

from dnabert_cli.config import TaskConfig
from dnabert_cli.errors import OptionsError
from dnabert_cli.explain_config import SHARES
from dnabert_cli.tasks import faithfulness as module
from dnabert_cli.tasks.faithfulness import RANDOM, TOP, Faithfulness, measure
from tests.viz_toys import FP32, MOTIF, example, save_motif_finder, shown, with_motif

PLACES = [5, 12, 20, 27]
TEXTS = [with_motif(seed, place) for seed, place in enumerate(PLACES)]
FINDS = 1 / (1 + np.exp(-3))  # what the finder answers to a full match
TASK = TaskConfig(k=1, classes=("no", "yes"), window=40)


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    return save_motif_finder(tmp_path_factory.mktemp("models") / "finder")


def scored(*, is_right, task=TASK):
    """Scores that are 1 in the motif, or (wrong) everywhere but there."""
    rows = []
    for text, place in zip(TEXTS, PLACES, strict=True):
        scores = np.zeros(len(text))
        scores[place : place + len(MOTIF)] = 1
        rows.append((example(text), scores if is_right else 1 - scores))
    return shown(*rows, task=task, probabilities=[[1 - FINDS, FINDS]] * len(rows))


def run(found, finder, **options):
    return measure(found, [str(finder)], FP32, **{"n_shuffles": 5, "seed": 1} | options)


def test_share_0_is_the_answer_to_the_sequences_as_they_are(finder):
    found = run(scored(is_right=True), finder)
    for points in found.curves.values():
        assert points[0] == pytest.approx([FINDS] * 3, abs=1e-5)


def test_right_scores_fall_faster_than_random_bases(finder):
    found = run(scored(is_right=True), finder)

    assert found.shares.tolist() == list(SHARES)
    assert found.n_sequences == 4
    top, other = found.curves[TOP][:, 0], found.curves[RANDOM][:, 0]
    at = SHARES.index(0.1)  # 4 of 40 bases, all of them in the motif
    assert top[at] < 0.4
    assert other[at] > 0.7
    assert found.area_between() > 0.1


def test_wrong_scores_lie_above_random_bases(finder):
    found = run(scored(is_right=False), finder)
    assert found.curves[TOP][-1, 0] == pytest.approx(FINDS, abs=1e-5)  # the motif is never touched
    assert found.area_between() < -0.1


def test_the_target_is_the_class_that_is_followed(finder):
    found = run(scored(is_right=True), finder, target=0)
    assert found.curves[TOP][0, 0] == pytest.approx(1 - FINDS, abs=1e-5)
    assert found.curves[TOP][-1, 0] > 0.5


def test_equal_seeds_give_equal_curves_and_others_do_not(finder):
    runs = [run(scored(is_right=True), finder, seed=seed).curves[RANDOM] for seed in (1, 1, 2)]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


def test_bases_without_scores_are_the_last_and_sequences_without_are_left_out(finder):
    found = scored(is_right=True)
    for scores in found.scores[:2]:
        scores[scores == 0] = np.nan
    found.scores[3][:] = np.nan

    measured = run(found, finder)

    assert measured.n_sequences == 3
    assert measured.curves[TOP][SHARES.index(0.1), 0] < 0.4


def test_letters_come_from_the_sequence_itself():
    generator = np.random.default_rng(0)
    text = "A" * 10 + "C" * 10
    scores = np.arange(20.0)
    changed = module._shuffled(text, scores, 0.5, True, generator)
    assert changed[:10] == "A" * 10  # the lower half
    assert set(changed[10:]) == {"A", "C"}
    assert len(changed) == 20


def test_an_interval_stays_within_probabilities():
    assert module._interval(np.array([0.0, 1.0])) == [0.5, 0.0, 1.0]
    mean, low, high = module._interval(np.array([0.4, 0.5, 0.6]))
    assert (mean, high - mean) == pytest.approx((0.5, 1.96 * 0.1 / np.sqrt(3)))
    assert mean - low == pytest.approx(high - mean)


def test_one_sequence_has_no_interval():
    assert module._interval(np.array([0.25])) == pytest.approx([0.25, np.nan, np.nan], nan_ok=True)


def test_the_area_is_that_of_the_trapezes():
    curves = {
        RANDOM: np.array([[1.0, 0, 0], [1, 0, 0], [0.5, 0, 0]]),
        TOP: np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    }
    found = Faithfulness(np.array([0, 0.1, 0.5]), curves, 1)
    # 0.1 wide with mean 0.5, then 0.4 wide with mean 0.75, over a width of 0.5
    assert found.area_between() == pytest.approx((0.05 + 0.3) / 0.5)


def test_a_model_that_answers_numbers_is_refused(finder):
    task = TaskConfig(k=1, classes=("a", "b"), head="regression")
    with pytest.raises(OptionsError, match="this model answers numbers"):
        run(scored(is_right=True, task=task), finder)
