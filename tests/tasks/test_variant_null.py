"""p and q against random substitutions, and the strongest alleles of a file."""

from itertools import chain

import numpy as np
import pytest

from dnabert_cli.analysis.compare import benjamini_hochberg
from dnabert_cli.errors import DataError
from dnabert_cli.formats.units import temporary_units
from dnabert_cli.tasks import variant_blocks
from dnabert_cli.tasks.variant_scores import S
from dnabert_cli.variants_config import VariantsConfig
from tests.variant_toys import RuleModel, fasta, other, random_genome, scored, vcf

GENOME = random_genome(150, 6)
SYMBOLIC = ("chr1", 20, GENOME[20], "<DUP>")


@pytest.fixture
def genome(tmp_path):
    return fasta(tmp_path, chr1=GENOME)


def bytes_of(found):
    return found.scores.tobytes() + found.reasons.tobytes()


MANY = [("chr1", at, GENOME[at], other(GENOME[at])) for at in range(5, 145, 5)]
NULL = VariantsConfig(null=40, seed=3)


def null_of(tmp_path, genome, config, model=None, **options):
    pairs, run = scored(vcf(tmp_path, MANY), genome, [model or RuleModel()], config, **options)
    stacked = [np.concatenate([getattr(found, name) for _, found in pairs])
               for name in ("p_values", "q_values")]  # fmt: skip
    return *stacked, pairs, run


def test_p_and_q_are_the_same_for_the_same_seed_only(tmp_path, genome):
    one, again = (null_of(tmp_path, genome, NULL)[:2] for _ in range(2))
    another = null_of(tmp_path, genome, VariantsConfig(null=40, seed=4))[0]
    assert np.array_equal(one, again)
    assert not np.array_equal(one[0], another)


def test_p_is_a_share_of_the_null_and_falls_with_the_size_of_the_score(tmp_path, genome):
    p_values, _, pairs, _ = null_of(tmp_path, genome, NULL)
    sizes = np.concatenate([np.abs(found.scores[:, :, S]) for _, found in pairs])
    assert ((p_values >= 1 / 41) & (p_values <= 1)).all()
    assert np.allclose(p_values * 41, np.rint(p_values * 41))
    assert (np.diff(p_values[np.argsort(sizes[:, 0]), 0]) <= 0).all()


def test_q_is_corrected_over_all_alleles_of_the_file(tmp_path, genome, monkeypatch):
    monkeypatch.setattr(variant_blocks, "UNIT_ALLELES", 3)
    p_values, q_values, *_ = null_of(tmp_path, genome, NULL)
    assert q_values[:, 0] == pytest.approx(benjamini_hochberg(p_values[:, 0]))


def test_scores_are_those_without_a_null_and_counts_those_of_one_pass(tmp_path, genome):
    *_, pairs, run = null_of(tmp_path, genome, NULL)
    plain, once = scored(vcf(tmp_path, MANY), genome, [RuleModel()])
    for (_, found), (_, expected) in zip(pairs, plain, strict=True):
        assert bytes_of(found) == bytes_of(expected)
    assert run.counts == once.counts


def test_two_passes_compute_once_where_answers_are_kept(tmp_path, genome):
    model = RuleModel()
    with temporary_units() as units:
        null_of(tmp_path, genome, VariantsConfig(null=20, top=3), model, units=units)
    n_twice = len(model.read)
    single = RuleModel()
    scored(vcf(tmp_path, MANY), genome, [single])
    assert n_twice < 2 * len(single.read)


def test_alleles_without_a_score_have_no_p(tmp_path, genome):
    rows = [SYMBOLIC, *MANY[:3]]
    pairs, _ = scored(vcf(tmp_path, rows), genome, [RuleModel()], NULL)
    assert np.isnan(pairs[0][1].p_values).all()
    assert np.isnan(pairs[0][1].q_values).all()
    assert np.isfinite(pairs[1][1].q_values).all()


def test_each_channel_has_its_own_null(tmp_path, genome):
    models = [RuleModel(name="a"), RuleModel(lambda _: 0.5, name="b")]
    pairs, _ = scored(vcf(tmp_path, MANY), genome, models, NULL)
    p_values = np.concatenate([found.p_values for _, found in pairs])
    assert len(set(p_values[:, 0])) > 3
    assert set(p_values[:, 1]) == {1}


@pytest.mark.parametrize(
    ("rows", "config", "letters"),
    [
        ([SYMBOLIC], {}, GENOME),  # nothing to match
        ([("chr1", 20, "C", "T")], {}, "A" * 20 + "C" + "A" * 20),  # nothing like it
        ([MANY[0]], {"min_importance": 99}, GENOME),  # nothing of it has a score
        ([MANY[0]], {"max_unknown": 0}, GENOME[:10] + 14 * ("NNN" + GENOME[5:11])),
    ],
)
def test_a_null_of_nothing_is_an_error_with_a_cure(tmp_path, rows, config, letters):
    genome = fasta(tmp_path, chr1=letters)
    with pytest.raises(DataError, match=r"null.*\(hint: .*--null"):
        scored(vcf(tmp_path, rows), genome, [RuleModel()], VariantsConfig(null=5, **config))


def strongest_first(pairs):
    """Return (|S| of the stronger channel, record, allele) of all alleles, strongest first."""
    sizes = (
        (-np.abs(of_allele).max(), record.number, row)
        for record, found in pairs
        for row, of_allele in enumerate(found.scores[:, :, S])
        if not np.isnan(of_allele).any()
    )
    return sorted(sizes)


def test_the_strongest_alleles_are_kept_in_the_order_of_the_file(tmp_path, genome):
    base = GENOME[7]
    several = ("chr1", 7, base, ",".join(one for one in "ACGT" if one != base) + ",<DEL>")
    path = vcf(tmp_path, [several, *MANY, SYMBOLIC])
    models = [RuleModel(name="a"), RuleModel(lambda text: RuleModel().rule(text[::-1]), name="b")]
    every, _ = scored(path, genome, models)
    expected = {
        (number, row): rank for rank, (_, number, row) in enumerate(strongest_first(every)[:6], 1)
    }

    pairs, run = scored(path, genome, models, VariantsConfig(top=6))

    numbers = [record.number for record, _ in pairs]
    assert numbers == sorted({number for number, _ in expected})
    ranks = {
        (record.number, row): rank
        for record, found in pairs
        for row, rank in enumerate(found.ranks)
        if rank is not None
    }
    assert ranks == expected
    assert run.counts.n_records == len(every)


def test_more_asked_for_than_there_are_keeps_all_scored(tmp_path, genome):
    path = vcf(tmp_path, [*MANY[:3], SYMBOLIC])
    pairs, _ = scored(path, genome, [RuleModel()], VariantsConfig(top=99))
    assert sorted(chain(*(found.ranks for _, found in pairs))) == [1, 2, 3]
