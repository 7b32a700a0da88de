"""The scores of alleles, with models whose answers are known by hand."""

import csv

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.importance import Importance, ImportanceOptions
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.alleles import Change, WindowPair
from dnabert_cli.tasks.variant_genome import REASONS, Allele
from dnabert_cli.tasks.variant_scores import (
    QUANTITIES,
    VariantModel,
    VariantScorer,
    change_weight,
    summarised,
)
from dnabert_cli.tasks.variant_windows import Reading, Readings
from dnabert_cli.variants_config import VariantsConfig
from tests.toys import save_bert
from tests.variant_toys import RuleModel, random_genome

NAN = float("nan")
GENOME = random_genome(80, 2)
COMPUTE = ComputeConfig(precision="fp32", threads=1)
PAIR = WindowPair(0, 0, 12)


def readings(*rows):
    """Readings of (strand, reference, alternative)."""
    return Readings([Reading(strand, PAIR, *indices) for strand, *indices in rows], 0)


def scorer(*models, genome=GENOME, **config):
    def letters(start, end):
        assert 0 <= start <= end <= len(genome), (start, end)
        return genome[start:end]

    return VariantScorer(models, {"chr1": letters}.__getitem__, VariantsConfig(**config))


def allele(position, ref, alt, genome=GENOME):
    assert genome[position : position + len(ref)] == ref
    return Allele("chr1", len(genome), Change(position, ref, alt))


def why(found, row=0, model=0):
    return REASONS[found["reasons"][row, model]]


def test_the_strongest_window_of_the_strand_with_the_largest_answer():
    # forward: S = -0.05, 0.24; backward, where 0.9 is: S = -0.36, 0.12
    probabilities = np.array([0.2, 0.1, 0.4, 0.8, 0.9, 0.5, 0.4, 0.6])
    found = summarised(readings((0, 0, 1), (0, 2, 3), (1, 4, 5), (1, 6, 7)), probabilities)

    assert found == pytest.approx(
        [0.9, 0.5, -0.36, np.log2(9), (-0.36 + 0.12) / 2, (np.log2(9) + np.log2(4 / 9)) / 2, 1]
    )


def test_of_equal_strands_the_forward_one_is_reported():
    found = summarised(readings((0, 0, 1), (1, 1, 0)), np.array([0.4, 0.6]))
    assert (found[QUANTITIES.index("STRAND")], found[2]) == (0, pytest.approx(0.12))


def test_strands_may_have_different_numbers_of_windows():
    found = summarised(readings((0, 0, 1), (1, 1, 2), (1, 0, 2)), np.array([0.1, 0.2, 0.3]))
    assert found[:3] == pytest.approx([0.1, 0.3, 0.06])
    assert found[4] == pytest.approx((0.03 + 0.06) / 2)


def test_one_strand_alone_is_enough():
    assert summarised(readings((1, 0, 1)), np.array([0.5, 0.25]))[-1] == 1


def test_windows_without_an_answer_count_in_nothing():
    probabilities = np.array([0.5, 0.75, NAN])
    found = summarised(readings((0, 0, 2), (0, 0, 1), (0, 2, 1)), probabilities)
    assert found[:3] == pytest.approx([0.5, 0.75, 0.1875])
    assert found[4] == pytest.approx(0.1875)


def test_without_any_answer_there_is_no_score():
    assert np.isnan(summarised(readings((0, 0, 0), (1, 0, 0)), np.array([NAN]))).all()


@pytest.mark.parametrize(
    ("change", "strand", "expected"),
    [
        (Change(12, "A", "C"), 0, 2),
        (Change(12, "A", "C"), 1, 3),
        (Change(11, "ACG", ""), 0, 3),
        (Change(11, "ACG", ""), 1, 4),
        (Change(12, "", "TT"), 0, 2),  # the bases on both sides: 1 and 2
        (Change(12, "", "TT"), 1, 4),
        (Change(10, "", "T"), 0, 0),  # before the first base of the window
        (Change(16, "", "T"), 0, 5),
        (Change(8, "ACGT", ""), 0, 1),  # as far as the window holds it
        (Change(14, "A" * 50, ""), 1, 1),
    ],
)
def test_the_weight_of_a_change_is_the_largest_of_its_bases(change, strand, expected):
    reading = Reading(strand, WindowPair(10, 10, 6), 0, 1)
    assert change_weight(change, reading, np.arange(6.0)) == expected


def test_bases_without_weight_do_not_count():
    reading = Reading(0, WindowPair(10, 10, 3), 0, 1)
    weights = np.array([NAN, 1.0, NAN])
    assert change_weight(Change(10, "ACG", ""), reading, weights) == 1
    assert np.isnan(change_weight(Change(10, "A", "C"), reading, weights))


def slow_scores(model, change, genome=GENOME):
    """The same numbers from windows cut out of two whole haplotypes (substitutions only)."""
    changed = genome[: change.position] + change.alt + genome[change.end :]
    rows = {}
    for strand in "+-":
        for start in range(0, len(genome) - 11, model.plan.step):
            if not start <= change.position < start + 12:
                continue
            pair = [one[start : start + 12] for one in (genome, changed)]
            if strand == "-":
                pair = list(map(reverse_complement, pair))
            rows.setdefault(strand, []).append(tuple(map(model.rule, pair)))
    strand = max("+-", key=lambda one: max(map(max, rows[one])))
    s = [(after - before) * max(before, after) for before, after in rows[strand]]
    best = max(range(len(s)), key=lambda index: abs(s[index]))
    return [*rows[strand][best], s[best], sum(s) / len(s), "+-".index(strand)]


@pytest.mark.parametrize("position", [0, 1, 13, 40, 41, 78, 79])
@pytest.mark.parametrize("offsets", [3, 12])  # grids on which the last window lies, too
def test_scores_equal_the_obvious_slow_way(position, offsets):
    model = RuleModel(offsets=offsets)
    one = allele(position, GENOME[position], "A" if GENOME[position] != "A" else "G")

    found = scorer(model).score([one])

    pick = [QUANTITIES.index(name) for name in ("PREF", "PALT", "S", "S_MEAN", "STRAND")]
    assert found["scores"][0, 0, pick] == pytest.approx(slow_scores(model, one.change))
    assert why(found) == ""


def test_an_allele_has_the_same_scores_alone_and_among_others():
    alleles = [
        allele(at, GENOME[at : at + n], alt)
        for at, n, alt in [(5, 1, "AC"), (20, 3, ""), (21, 0, "GG"), (22, 1, "T"), (70, 10, "")]
        if GENOME[at : at + n] != alt
    ]
    together = scorer(RuleModel()).score(alleles)
    for row, one in enumerate(alleles):
        alone = scorer(RuleModel()).score([one])
        assert np.array_equal(together["scores"][row], alone["scores"][0], equal_nan=True)


def test_each_different_window_is_computed_once():
    model = RuleModel(offsets=3)
    alleles = [allele(40, GENOME[40], base) for base in "ACGT" if base != GENOME[40]]

    found = scorer(model).score(alleles)

    assert len(set(model.read)) == len(model.read) == 2 * (3 + 3 * 3)
    assert found["n_windows"].tolist() == [2 * 2 * 9, 2 * (3 + 3 * 3)]


def test_alleles_without_a_change_keep_their_reason_and_cost_nothing():
    model = RuleModel()
    found = scorer(model).score([Allele("chr1", 80, None, "symbolic")])
    assert (why(found), model.read, found["n_windows"].tolist()) == ("symbolic", [], [0, 0])
    assert np.isnan(found["scores"]).all()
    assert found["scores"].shape == (1, 1, len(QUANTITIES))


def test_no_alleles_are_no_rows():
    found = scorer(RuleModel(), RuleModel(name="b")).score([])
    assert (found["scores"].shape, found["reasons"].shape) == ((0, 2, 7), (0, 2))


@pytest.mark.parametrize(
    ("genome", "change", "reason"),
    [
        ("N" * 80, Change(40, "N", "A"), "unknown_bases"),
        ("AC", Change(0, "A", "C"), "too_short"),
        (GENOME, Change(0, GENOME, ""), "too_short"),
    ],
)
def test_what_no_window_can_be_read_for_has_a_reason(genome, change, reason):
    found = scorer(RuleModel(), genome=genome).score([Allele("chr1", len(genome), change)])
    assert why(found) == reason
    assert np.isnan(found["scores"]).all()


def test_near_an_end_or_n_an_allele_is_scored_with_what_there_is():
    genome = GENOME[:30] + "N" * 20 + GENOME[50:]
    for position in (0, 29, 50, 79):
        one = allele(position, genome[position], "AC"[genome[position] == "A"], genome)
        found = scorer(RuleModel(), genome=genome).score([one])
        assert why(found) == ""
        assert np.isfinite(found["scores"]).all()


def test_models_are_scored_side_by_side_and_each_has_its_reason():
    short, long = RuleModel(name="a", window=8), RuleModel(name="b", window=10)
    found = scorer(short, long, genome="ACGT").score([allele(1, "C", "T", "ACGT")])
    assert [why(found, model=0), why(found, model=1)] == ["", "too_short"]
    assert np.isfinite(found["scores"][0, 0]).all()
    assert np.isnan(found["scores"][0, 1]).all()


def test_what_no_window_holds_is_no_score_of_zero():
    """Letters before the first base lie outside of all windows; S used to be 0, and scored."""
    genome = GENOME[:40]
    before, inside = allele(0, "", "TTTT", genome), allele(20, "", "TTTT", genome)
    found = scorer(RuleModel(), genome=genome).score([before, inside])
    assert [why(found, 0), why(found, 1)] == ["not_in_a_window", ""]
    assert np.isnan(found["scores"][0]).all()


def test_windows_shorter_than_half_the_models_are_not_read():
    """Sequences of a few bases used to have the largest scores of all."""
    for n_bases, reason in ((5, "too_short"), (6, "")):
        genome = GENOME[:n_bases]
        base = genome[2]
        found = scorer(RuleModel(window=12), genome=genome).score(
            [allele(2, base, "ACGT".replace(base, "")[0], genome)]
        )
        assert why(found, 0) == reason


def test_unimportant_changes_are_not_scored():
    genome = "AAAAAAAGAAAAAAAAAAAA"
    alleles = [allele(7, "G", "C", genome), allele(3, "A", "C", genome)]

    model = RuleModel()
    found = scorer(model, genome=genome, min_importance=1.5).score(alleles)

    # twelve bases of weight 1, one of them 2: mean 13 / 12
    assert found["importance"][:, 0] == pytest.approx([2 * 12 / 13, 1])
    assert [why(found, 0), why(found, 1)] == ["", "low_importance"]
    assert np.isfinite(found["scores"][0]).all()
    assert np.isnan(found["scores"][1]).all()
    assert all("G" in text or "C" in text for text in model.read)


def test_importance_is_missing_where_nobody_asks_or_nothing_changes():
    alleles = [allele(7, GENOME[7], "AC"), Allele("chr1", 80, None, "symbolic")]
    assert np.isnan(scorer(RuleModel()).score(alleles)["importance"]).all()
    found = scorer(RuleModel(), min_importance=0).score(alleles)
    assert np.isnan(found["importance"][:, 0]).tolist() == [False, True]
    assert why(found, 1) == "symbolic"


def model_of(folder, monkeypatch, answers=None, config=None, **task):
    """A real `VariantModel`, of which the network's answers may be given."""
    task = {"k": 3, "window": 12, "anchor": 4} | task
    save_bert(folder / "m", TaskConfig(**task))
    config = config or VariantsConfig(compute=COMPUTE)
    model = VariantModel("toy", [str(folder / "m")], config)
    if answers is not None:
        rows = np.array(answers, np.float32)
        monkeypatch.setattr(model.ensemble, "score_sequences", lambda _: rows)
    return model


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ({"classes": ("none", "site")}, ["toy"]),
        ({"classes": ("site", "none"), "background": "none"}, ["toy"]),
        ({"classes": ("neither", "donor", "acceptor")}, ["toy_donor", "toy_acceptor"]),
        ({"classes": ("H3K4me3", "a b"), "head": "multi-label"}, ["toy_H3K4me3", "toy_a_b"]),
        ({"classes": ("open",), "head": "multi-label"}, ["toy"]),
    ],
)
def test_every_called_class_is_a_channel(task, names):
    channels = scorer(RuleModel(**task)).channels
    assert [channel.name for channel in channels] == names


def test_channels_of_several_models_stand_one_behind_the_other():
    splice = RuleModel(name="splice", classes=("neither", "donor", "acceptor"))
    channels = scorer(RuleModel(name="prom"), splice).channels
    assert [(one.name, one.model, one.column, one.label) for one in channels] == [
        ("prom", 0, 1, "promoter"),
        ("splice_donor", 1, 1, "donor"),
        ("splice_acceptor", 1, 2, "acceptor"),
    ]


def test_classes_that_differ_have_keys_that_differ():
    task = {"classes": ("H3K4+", "H3K4-", "a b", "a_b"), "head": "multi-label"}
    names = [channel.name for channel in scorer(RuleModel(**task)).channels]
    assert len(set(names)) == 4


def test_a_class_is_set_against_the_background_only(tmp_path, monkeypatch):
    task = {"classes": ("neither", "donor", "acceptor")}
    model = model_of(tmp_path, monkeypatch, [[0.5, 0.25, 0.25], [0.2, 0.8, 0]], **task)
    with model:
        found = model.probabilities(["ACG"] * 2)
    assert found[:, 1:] == pytest.approx(np.array([[1 / 3, 1 / 3], [0.8, 0]]))


def test_labels_stand_alone(tmp_path, monkeypatch):
    task = {"classes": ("a", "b"), "head": "multi-label"}
    with model_of(tmp_path, monkeypatch, [[0.9, 0.8]], **task) as model:
        assert model.probabilities(["ACG"]) == pytest.approx(np.array([[0.9, 0.8]]))


def test_of_two_classes_the_probability_stays_what_it_is(tmp_path, monkeypatch):
    with model_of(tmp_path, monkeypatch, classes=("a", "b")) as model:
        texts = [GENOME[at : at + 12] for at in range(20)]
        expected = model.ensemble.score_sequences(texts)[:, 1]
        assert model.probabilities(texts)[:, 1] == pytest.approx(expected, abs=1e-7)


def test_importance_of_a_window_is_in_multiples_of_its_mean(tmp_path, monkeypatch):
    config = VariantsConfig(compute=COMPUTE, min_importance=1)
    with model_of(tmp_path, monkeypatch, classes=("a", "b"), config=config) as model:
        (found,) = model.importance([GENOME[:12]])
    loaded = [load_model(tmp_path / "m")]
    with Importance(loaded, COMPUTE, ImportanceOptions()) as importance:
        (plain,), _ = importance.scores([GENOME[:12]])
    assert len(found) == 12
    assert np.nanmean(found) == pytest.approx(1)
    assert found == pytest.approx(plain / plain.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"classes": ("a", "b"), "window": None, "anchor": None}, "has no window"),
        ({"classes": ("a",), "head": "regression"}, "answers a window with a number"),
        ({"classes": ("a", "b"), "head": "token"}, "answers every base"),
    ],
)
def test_models_without_probabilities_of_windows_are_refused(tmp_path, monkeypatch, task, message):
    with pytest.raises(ModelError, match=message):
        model_of(tmp_path, monkeypatch, **task)


def test_the_workers_of_all_models_end(monkeypatch):
    ended = []
    models = [RuleModel(name=name) for name in "ab"]
    for model in models:
        monkeypatch.setattr(
            type(model), "__exit__", lambda self, *_: ended.append(self.name), raising=True
        )
    with scorer(*models):
        pass
    assert ended == ["b", "a"]


@pytest.mark.oracle
def test_substitutions_and_scores_of_the_original_program(oracle):
    with (oracle / "snp" / "mutations.tsv").open(newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    n_compared = 0
    for genome in {row["orig_seq"] for row in rows}:
        here = [row for row in rows if row["orig_seq"] == genome and row["mut_seq"] != genome]
        answers = {row["mut_seq"]: float(row["mut_pred"]) for row in here}
        answers[genome] = float(here[0]["orig_pred"])
        # strands are not read by the original
        model = RuleModel(lambda text, known=answers: known.get(text, NAN), window=len(genome), k=6)
        differs = [
            next(at for at, pair in enumerate(zip(genome, row["mut_seq"], strict=True))
                 if len(set(pair)) == 2)
            for row in here
        ]  # fmt: skip
        alleles = [
            allele(at, genome[at], row["mut_seq"][at], genome)
            for at, row in zip(differs, here, strict=True)
        ]

        scores = scorer(model, genome=genome).score(alleles)["scores"][:, 0]

        assert set(answers) <= set(model.read)
        expected = [
            [float(row[name]) for name in ("orig_pred", "mut_pred", "diff")] for row in here
        ]
        assert scores[:, :3] == pytest.approx(np.array(expected), abs=1e-6)
        ratios = np.array([float(row["logOR"]) for row in here])
        finite = np.isfinite(ratios)
        assert scores[finite, 3] == pytest.approx(ratios[finite], abs=1e-5)
        assert (np.sign(scores[~finite, 3]) == np.sign(ratios[~finite])).all()
        n_compared += len(here)
    assert n_compared > 100
