"""Runs over whole files: the score of a haplotype however it is written, order and counts."""

from itertools import count

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.vcf_header import parse_header
from dnabert_cli.tasks import variant_blocks
from dnabert_cli.tasks.variant_genome import REASONS, VariantGenome
from dnabert_cli.tasks.variant_scores import QUANTITIES, VariantModel
from dnabert_cli.tasks.variants import variants
from dnabert_cli.variants_config import VariantsConfig
from tests.toys import save_bert
from tests.variant_toys import COLUMNS, RuleModel, fasta, other, random_genome, scored, vcf

GENOME = random_genome(150, 6)
CANDIDATES = (("GT", 0), ("AG", -2))
MODELS = {
    "grid": {},
    "one window": {"offsets": 1},
    "all windows": {"offsets": 12},
    "sites": {"candidates": CANDIDATES, "classes": ("neither", "site")},
    "some sites": {"candidates": CANDIDATES, "offsets": 2, "classes": ("neither", "site")},
}


def bytes_of(found, row=0):
    """What a run says of one allele, to the last bit."""
    return found.scores[row].tobytes() + found.reasons[row].tobytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("variants")


@st.composite
def changed(draw):
    """A genome with a repeat, and the haplotype that an allele makes of it."""
    unit = draw(st.text("ACGT", min_size=1, max_size=3))
    left, right = (draw(st.text("ACGT", min_size=1, max_size=14)) for _ in range(2))
    genome = left + unit * draw(st.integers(1, 6)) + right
    start = draw(st.integers(0, len(genome) - 1))
    end = draw(st.integers(start, min(start + 6, len(genome))))
    alt = draw(st.one_of(st.just(""), st.just(unit), st.text("ACGT", max_size=5)))
    haplotype = genome[:start] + alt + genome[end:]
    assume(haplotype and haplotype != genome)
    return genome, haplotype


def writings(genome, haplotype):
    """Every record of VCF that turns one sequence into the other: shifted, padded, trimmed."""
    shift = len(haplotype) - len(genome)
    return [
        (start, genome[start:end], haplotype[start : end + shift])
        for start in range(len(genome))
        for end in range(max(start + 1, start + 1 - shift), len(genome) + 1)
        if genome[:start] == haplotype[:start] and genome[end:] == haplotype[end + shift :]
    ]


def same_score(rows, genome, kind, unit=256):
    """Return the set of what a run says of the first allele of each row."""
    place, letters = genome
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_blocks, "UNIT_ALLELES", unit)
        genome = fasta(place, chr1=letters)
        path = vcf(place, [("chr1", *row) for row in rows])
        pairs, _ = scored(path, genome, [RuleModel(**MODELS[kind])])
    assert len(pairs) == len(rows)
    return {bytes_of(found) for _, found in pairs}


@settings(max_examples=40)
@given(changed(), st.sampled_from(sorted(MODELS)), st.sampled_from([1, 256]), st.randoms())
def test_the_same_haplotype_has_the_same_score_however_it_is_written(place, two, kind, unit, rng):
    genome, haplotype = two
    every = writings(genome, haplotype)
    rows = sorted(rng.sample(every, min(len(every), 12)))
    rows += [(at, ref.lower(), alt.lower()) for at, ref, alt in rows[:1]]

    assert len(same_score(rows, (place, genome), kind, unit)) == 1


@settings(max_examples=25)
@given(changed(), st.sampled_from(sorted(MODELS)), st.text("ACGT", max_size=3), st.data())
def test_another_record_merged_in_does_not_matter(place, two, kind, text, data):
    """As `bcftools norm -m+` does: REF is as long as the longer one, ALT holds both."""
    genome, haplotype = two
    start, ref, alt = data.draw(st.sampled_from(writings(genome, haplotype)))
    more = genome[start + len(ref) :][: data.draw(st.integers(0, 4))]
    merged = start, ref + more, f"{alt}{more},{ref}{text},<DEL>,*"

    assert len(same_score([(start, ref, alt), merged], (place, genome), kind)) == 1


@settings(max_examples=12)
@given(st.integers(3, 140), st.sampled_from(sorted(MODELS)), st.integers(1, 5))
def test_neighbouring_substitutions_joined_are_one_allele(place, position, kind, n_between):
    """An MNV is the same whether what lies between its letters is written or both ends padded."""
    end = position + n_between + 1
    letters = GENOME[position:end]
    alt = other(letters[0]) + letters[1:-1] + other(letters[-1])
    wide = GENOME[position - 3 : end + 3]
    padded = wide[:3] + alt + wide[-3:]

    rows = [(position - 3, wide, padded), (position, letters, alt)]
    assert len(same_score(rows, (place, GENOME), kind)) == 1


@pytest.mark.parametrize("kind", MODELS)
def test_different_haplotypes_have_different_scores(place, kind):
    rows = [(40, GENOME[40], base) for base in "ACGT" if base != GENOME[40]]
    rows += [(41, GENOME[41], other(GENOME[41])), (40, GENOME[40:43], GENOME[40])]
    assert len(same_score(rows, (place, GENOME), kind)) == len(rows)


def test_with_a_network_an_allele_has_the_same_bytes_alone_and_among_others(tmp_path):
    save_bert(tmp_path / "m", TaskConfig(k=3, classes=("a", "b"), window=30, anchor=10, offsets=4))
    config = VariantsConfig(compute=ComputeConfig(precision="fp32", threads=1))
    genome = fasta(tmp_path, chr1=GENOME)
    rows = [("chr1", at, GENOME[at : at + 2], GENOME[at]) for at in range(0, 140, 9)]

    def run(part):
        model = VariantModel("m", [str(tmp_path / "m")], config)
        return [found for _, found in scored(vcf(tmp_path, part), genome, [model], config)[0]]

    together = run(rows)
    for row in (0, 7, 15):
        (alone,) = run(rows[row : row + 1])
        assert bytes_of(alone) == bytes_of(together[row])


SKIPPED = {
    "unknown_sequence": ("chr9", 5, "A", "C"),
    "telomere": ("chr1", -1, "N", "A"),
    "past_the_end": ("chr1", 150, "A", "C"),
    "ref_mismatch": ("chr1", 20, other(GENOME[20]), GENOME[20]),
    "symbolic": ("chr1", 20, GENOME[20], "<DUP>"),
    "breakend": ("chr1", 20, GENOME[20], f"{GENOME[20]}[chr1:3["),
    "spanning_deletion": ("chr1", 20, GENOME[20], "*"),
    "invalid": ("chr1", 20, GENOME[20], "J"),
    "ambiguous": ("chr1", 20, GENOME[20], "R" if GENOME[20] != "A" else "Y"),
    "same_as_reference": ("chr1", 20, GENOME[20], GENOME[20]),
    "unknown_bases": ("chrN", 20, "N", "A"),
    "too_short": ("tiny", 0, "A", "C"),
    "no_alternative": ("chr1", 20, GENOME[20], "."),
}
SCORED = [("chr1", at, GENOME[at], other(GENOME[at])) for at in (3, 70, 149)]


@pytest.fixture
def genome(tmp_path):
    return fasta(tmp_path, chr1=GENOME, chrN="N" * 60, tiny="AC")


@pytest.mark.parametrize("reason", SKIPPED)
def test_what_is_skipped_is_counted_by_its_reason(tmp_path, genome, reason):
    rows = [SCORED[0], SKIPPED[reason], SKIPPED[reason]]
    pairs, run = scored(vcf(tmp_path, rows), genome, [RuleModel()])

    assert [record.number for record, _ in pairs] == [1, 2, 3]
    assert dict(run.counts.skipped) == {reason: 2}
    assert f"3 records: 1 scored, 2 skipped (2 {reason}" in run.counts.summary()
    if reason != "no_alternative":
        assert pairs[1][1].whys() == [reason]
        assert np.isnan(pairs[1][1].scores).all()


@settings(max_examples=15)
@given(st.lists(st.sampled_from([*SKIPPED.values(), *SCORED]), max_size=12))
def test_scored_and_skipped_make_all_records_in_their_order(place, rows):
    genome = fasta(place, chr1=GENOME, chrN="N" * 60, tiny="AC")
    pairs, run = scored(vcf(place, rows), genome, [RuleModel()])

    assert [
        (one.chrom, one.position, one.ref, ",".join(one.alts) or ".") for one, _ in pairs
    ] == rows
    assert [one.number for one, _ in pairs] == list(range(1, len(rows) + 1))
    counts = run.counts
    assert counts.n_records == len(rows)
    assert counts.n_scored == sum(row in SCORED for row in rows)
    assert counts.n_scored + sum(counts.skipped.values()) == len(rows)
    assert set(counts.skipped) <= set(REASONS)


def test_alleles_of_one_record_are_counted_one_by_one(tmp_path, genome):
    base = GENOME[20]
    alts = ",".join([other(base), "<DEL>", base + "T"])
    pairs, run = scored(vcf(tmp_path, [("chr1", 20, base, alts)]), genome, [RuleModel()])

    assert (run.counts.n_alleles, run.counts.n_alleles_scored) == (3, 2)
    assert pairs[0][1].whys() == [None, "symbolic", None]
    assert "1 records: 1 scored, 0 skipped; 2 of 3 alternative alleles scored" in (
        run.counts.summary()
    )


def test_neighbours_cost_fewer_windows_than_alleles_apart(tmp_path, genome):
    near, apart = ([("chr1", at, GENOME[at], other(GENOME[at])) for at in places]
                   for places in (range(60, 66), range(10, 130, 20)))  # fmt: skip
    runs = [scored(vcf(tmp_path, rows), genome, [RuleModel()])[1] for rows in (near, apart)]
    one, two = (run.counts for run in runs)
    assert one.n_windows_computed < 0.8 * two.n_windows_computed
    assert one.n_windows > one.n_windows_computed


def test_every_window_of_a_unit_is_computed_once(tmp_path, genome):
    model = RuleModel()
    _, run = scored(vcf(tmp_path, SCORED * 3), genome, [model])
    assert len(model.read) == len(set(model.read)) == run.counts.n_windows_computed


def test_the_records_are_read_as_they_are_asked_for(tmp_path, genome, monkeypatch):
    """Memory does not grow: the source never ends, and the first record comes all the same."""
    monkeypatch.setattr(variant_blocks, "UNIT_ALLELES", 4)
    (record, _), *_ = scored(vcf(tmp_path, SCORED[:1]), genome, [RuleModel()])[0]

    class Endless:
        header = parse_header("x", ["##fileformat=VCFv4.2"], COLUMNS)

        def records(self):
            return (record for _ in count())

    run = variants(Endless(), VariantGenome(genome), [RuleModel()], VariantsConfig())
    assert [next(run.rows)[0] for _ in range(10)] == [record] * 10
    run.rows.close()


@pytest.mark.parametrize("config", [{}, {"null": 5}, {"top": 2}])
def test_progress_counts_every_record_once_per_pass(tmp_path, genome, config):
    class Watch:
        def __init__(self):
            self.passes = []

        def start(self, label, total, unit, done=0):
            assert unit == "records"
            self.passes.append(done)

        def advance(self, amount, note=""):
            self.passes[-1] += amount

        def finish(self):
            pass

    watch, config = Watch(), VariantsConfig(**config)
    scored(vcf(tmp_path, SCORED), genome, [RuleModel()], config, progress=watch)
    assert watch.passes == [3] * (1 + config.asks_twice)


def test_most_mismatches_mean_another_assembly(tmp_path, genome, caplog):
    scored(vcf(tmp_path, [SKIPPED["ref_mismatch"]] * 30 + SCORED[:2]), genome, [RuleModel()])
    (told,) = [one.message for one in caplog.records if "REF of" in one.message]
    assert "in.vcf: REF of 30 records is not in " in told
    assert "most of them, so it was made on another assembly" in told


def test_few_mismatches_are_told_without_a_guess(tmp_path, genome, caplog):
    rows = [SKIPPED["ref_mismatch"], *SCORED, SKIPPED["unknown_sequence"], SKIPPED["telomere"]]
    scored(vcf(tmp_path, rows), genome, [RuleModel()])
    (told,) = [one.message for one in caplog.records if "REF of" in one.message]
    assert "REF of 1 records" in told
    assert "assembly" not in told


def test_an_unsorted_file_is_scored_in_its_order_and_told(tmp_path, genome, caplog):
    pairs, _ = scored(vcf(tmp_path, [SCORED[1], SCORED[0], SCORED[2]]), genome, [RuleModel()])
    assert [record.position for record, _ in pairs] == [70, 3, 149]
    assert "record 2 is the first of 1 that come too late" in caplog.text


def test_a_file_that_breaks_off_is_told_after_what_was_whole(tmp_path, genome, monkeypatch):
    monkeypatch.setattr(variant_blocks, "UNIT_ALLELES", 1)
    path = vcf(tmp_path, SCORED)
    with open(path, "a") as handle:  # noqa: PTH123
        handle.write("chr1\t10\t.\tA\n")
    with pytest.raises(FormatError, match=r"in.vcf:6: record 4: expected 8 columns"):
        scored(path, genome, [RuleModel()])


def test_a_mismatch_ends_the_run_where_that_is_asked_for(tmp_path, genome):
    from dnabert_cli.tasks.variant_source import VariantFile

    path = vcf(tmp_path, [SCORED[0], SKIPPED["ref_mismatch"]])
    with VariantFile(path) as source:
        strict = VariantGenome(genome, on_mismatch="error")
        run = variants(source, strict, [RuleModel()], VariantsConfig(on_mismatch="error"))
        with pytest.raises(DataError, match=r"record 2 \(chr1, position 21\): REF is"):
            list(run.rows)


def test_entries_name_channel_and_quantity_with_one_value_per_allele(tmp_path, genome):
    models = [RuleModel(name="prom"), RuleModel(name="splice", classes=("n", "donor"))]
    config = VariantsConfig(null=5, top=5, min_importance=0)
    pairs, run = scored(vcf(tmp_path, SCORED), genome, models, config)
    tags = run.tags.tags()
    expected = [f"DNABERT_{name}_{each}" for name in ("prom", "splice")
                for each in (*QUANTITIES, "P", "Q")]  # fmt: skip
    expected += ["DNABERT_prom_IMP", "DNABERT_splice_IMP", "DNABERT_RANK", "DNABERT_WHY"]
    assert [tag.id for tag in tags] == expected
    assert {tag.number for tag in tags} == {"A"}
    values = run.tags.values(pairs[0][1])
    assert set(values) == set(expected) - {"DNABERT_WHY"}
    assert {len(each) for each in values.values()} == {1}
    assert values["DNABERT_prom_STRAND"][0] in "+-"
