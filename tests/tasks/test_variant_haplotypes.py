"""Phased variants of one sample together, against the same letters put together by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.tasks import variant_blocks
from dnabert_cli.tasks.variant_scores import S
from dnabert_cli.tasks.variant_tags import HAPLOTYPE_QUANTITIES
from dnabert_cli.variants_config import VariantsConfig
from tests.variant_toys import COLUMNS, PHASED, RuleModel, fasta, other, random_genome, scored, vcf

N_BASES, WINDOW, OFFSETS = 120, 12, 4
GENOME = random_genome(N_BASES, 4)
BOTH = VariantsConfig(haplotypes=True)
NAN = float("nan")


class Run:
    """Writes phased files on one genome and scores them."""

    def __init__(self, folder, genome=GENOME):
        self.folder, self.letters = folder, genome
        self.genome = fasta(folder, chr1=genome)

    def __call__(self, *rows, model=None, config=BOTH, columns=PHASED):
        path = vcf(self.folder, [("chr1", *row) for row in rows], columns=columns)
        pairs, self.run = scored(path, self.genome, [model or toy()], config)
        return [found for _, found in pairs]

    def snv(self, position, genotype):
        base = self.letters[position]
        return position, base, other(base), genotype


def toy(**more):
    return RuleModel(window=WINDOW, offsets=OFFSETS, **more)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def of_haplotypes(found, allele=0):
    """S of the first and the second haplotype, and of the allele on its own."""
    return found.haplotypes[allele, 0].tolist()


def strongest(position, one, two):
    """S between two sequences of equal length, over the windows that hold a base."""
    model, step = toy(), WINDOW // OFFSETS
    rows = {"+": [], "-": []}
    for start in range(0, len(one) - WINDOW + 1, step):
        if start <= position < start + WINDOW:
            pair = one[start : start + WINDOW], two[start : start + WINDOW]
            for strand, texts in (("+", pair), ("-", map(reverse_complement, pair))):
                rows[strand].append(tuple(map(model.rule, texts)))
    strand = max("+-", key=lambda each: max(map(max, rows[each])))
    return max(((b - a) * max(a, b) for a, b in rows[strand]), key=abs)


def with_snvs(*positions):
    letters = list(GENOME)
    for position in positions:
        letters[position] = other(letters[position])
    return "".join(letters)


def test_two_variants_of_a_haplotype_are_applied_together(run):
    one, two = run(run.snv(50, "0|1"), run.snv(54, "0|1"))

    both = with_snvs(50, 54)
    assert of_haplotypes(one) == pytest.approx(
        [NAN, strongest(50, GENOME, both), strongest(50, with_snvs(54), both)], nan_ok=True
    )
    assert of_haplotypes(two) == pytest.approx(
        [NAN, strongest(54, GENOME, both), strongest(54, with_snvs(50), both)], nan_ok=True
    )
    assert one.scores[0, 0, S] == pytest.approx(strongest(50, GENOME, with_snvs(50)))


def test_two_neighbours_score_as_the_mnv_that_stands_for_both(tmp_path):
    # a window has a say only where it holds both of them
    def rule(text):
        return toy().rule(text) if "TTT" in text or "GTG" in text else 0.25

    letters = GENOME[:50].replace("TTT", "TCT").replace("GTG", "GCG") + "ATTTA" + "CA" * 30
    run = Run(tmp_path, letters)
    at = letters.index("ATTTA") + 1
    first, second = run(
        (at, "T", "G", "1|0"), (at + 2, "T", "G", "1|0"), model=toy(rule=rule)
    )  # fmt: skip
    (whole,) = run((at, "TTT", "GTG", "1|0"), model=toy(rule=rule))

    assert whole.scores[0, 0, S] != 0
    assert of_haplotypes(first)[0] == of_haplotypes(second)[0] == whole.scores[0, 0, S]
    assert of_haplotypes(first)[0] != first.scores[0, 0, S]


@pytest.mark.parametrize("alleles", [("A", "C"), ("A", "AGG"), ("AC", "A"), ("AC", "GT")])
@pytest.mark.parametrize("genotype", ["0|1", "1|0"])
def test_a_lone_variant_has_the_same_score_on_its_haplotype(tmp_path, alleles, genotype):
    run = Run(tmp_path, GENOME[:60] + "AC" + GENOME[60:])
    (found,) = run((60, *alleles, genotype))

    score = found.scores[0, 0, S]
    place = genotype.split("|").index("1")
    assert of_haplotypes(found)[2] == of_haplotypes(found)[place] == score
    assert np.isnan(of_haplotypes(found)[1 - place])


def test_variants_of_different_haplotypes_do_not_meet(run):
    one, two = run(run.snv(50, "0|1"), run.snv(54, "1|0"))
    assert of_haplotypes(one)[1] == one.scores[0, 0, S]
    assert of_haplotypes(two)[0] == two.scores[0, 0, S]
    assert np.isnan([of_haplotypes(one)[0], of_haplotypes(two)[1]]).all()


def test_variants_far_apart_do_not_meet(run):
    for found in run(run.snv(30, "0|1"), run.snv(80, "0|1")):
        assert of_haplotypes(found)[1:] == [found.scores[0, 0, S]] * 2


def test_a_variant_on_both_haplotypes_has_a_score_on_each(run):
    hom, het = run(run.snv(50, "1|1"), run.snv(54, "0|1"))
    both = with_snvs(50, 54)
    alone = strongest(50, GENOME, with_snvs(50))
    beside = strongest(50, with_snvs(54), both)
    assert of_haplotypes(hom) == pytest.approx(
        [alone, strongest(50, GENOME, both), max(alone, beside, key=abs)]
    )
    assert np.isnan(of_haplotypes(het)[0])


def test_unphased_but_on_both_haplotypes_is_known(run):
    hom, het = run(run.snv(50, "1/1"), run.snv(54, "0|1"))
    assert np.isfinite(of_haplotypes(hom)).all()
    assert of_haplotypes(het)[1] == pytest.approx(strongest(54, GENOME, with_snvs(50, 54)))


@pytest.mark.parametrize("genotype", ["0/1", "./.", ".|.", "0|0", "0/0", "1|1|0"])
def test_variants_of_unknown_place_have_no_score_and_are_not_applied(run, genotype):
    found, other_one = run(run.snv(50, genotype), run.snv(54, "0|1"))
    assert np.isnan(of_haplotypes(found)).all()
    assert np.isfinite(found.scores).all()
    assert of_haplotypes(other_one)[1] == other_one.scores[0, 0, S]


def test_unphased_records_are_counted_and_told(run, caplog):
    run(run.snv(10, "0/1"), run.snv(30, "0|1"), run.snv(60, "0/0"), run.snv(80, "0/1"))
    (told,) = [one.message for one in caplog.records if "phased" in one.message]
    assert "2 records the sample carries are not phased" in told


def test_phase_sets_are_not_mixed(run):
    one, two, three = run(run.snv(50, "0|1:7"), run.snv(54, "0|1:8"), run.snv(57, "0|1:7"))
    assert of_haplotypes(two)[1] == two.scores[0, 0, S]
    assert of_haplotypes(one)[1] == pytest.approx(strongest(50, GENOME, with_snvs(50, 57)))
    assert of_haplotypes(three)[1] == pytest.approx(strongest(57, GENOME, with_snvs(50, 57)))


def test_one_on_both_haplotypes_without_a_set_stands_with_its_phased_neighbour(run):
    """Callers write no PS for 1/1, which used to leave its neighbours out of its haplotype."""
    one, both = run(run.snv(50, "1|0:7"), run.snv(54, "1|1:."))
    assert of_haplotypes(both)[0] == pytest.approx(strongest(54, GENOME, with_snvs(50, 54)))
    assert of_haplotypes(both)[1] == pytest.approx(strongest(54, GENOME, with_snvs(54)))
    assert of_haplotypes(one)[0] == pytest.approx(strongest(50, GENOME, with_snvs(50, 54)))


def test_codes_in_ref_are_read_as_the_genome_has_them(run):
    """An N in REF used to be taken for a letter of the haplotype."""
    plain, code = GENOME[50:54], GENOME[50] + "N" + GENOME[52:54]
    (found,) = run((50, code, GENOME[50], "0|1"))
    (expected,) = run((50, plain, GENOME[50], "0|1"))
    assert of_haplotypes(found) == pytest.approx(of_haplotypes(expected), nan_ok=True)
    assert of_haplotypes(found)[1] == found.scores[0, 0, S]


def test_a_haploid_genotype_is_the_first_haplotype(run):
    (found,) = run(run.snv(50, "1"))
    assert of_haplotypes(found)[0] == found.scores[0, 0, S]


def test_of_several_alleles_each_has_the_haplotype_that_carries_it(tmp_path):
    run = Run(tmp_path, GENOME[:60] + "A" + GENOME[61:])
    (found,) = run((60, "A", "C,<DEL>,G", "3|1"))
    assert of_haplotypes(found, 0)[1] == found.scores[0, 0, S]
    assert of_haplotypes(found, 2)[0] == found.scores[2, 0, S]
    assert np.isnan(of_haplotypes(found, 1)).all()
    assert np.isnan([of_haplotypes(found, 0)[0], of_haplotypes(found, 2)[1]]).all()


def test_of_two_that_overlap_the_later_one_is_left_out(tmp_path):
    run = Run(tmp_path, GENOME[:50] + "CATGT" + GENOME[55:])
    deletion, inside = run((50, "CATGT", "C", "0|1"), (53, "G", "A", "0|1"))
    assert of_haplotypes(deletion)[1] == deletion.scores[0, 0, S]
    assert np.isnan(of_haplotypes(inside)).all()


def test_a_neighbour_that_is_not_in_the_genome_is_not_applied(run):
    wrong = other(GENOME[54])
    found, mismatch = run(run.snv(50, "0|1"), (54, wrong, GENOME[54], "0|1"))
    assert of_haplotypes(found)[1] == found.scores[0, 0, S]
    assert np.isnan(mismatch.haplotypes).all()


def phased(rows, genome):
    """Turn (position, kind, genotype) into records on a genome, in order."""
    for position, kind, genotype in sorted(rows):
        base = genome[position]
        ref, alt = {
            "snv": (base, other(base)),
            "insertion": (base, base + other(base)),
            "copy": (base, base + genome[position + 1]),
            "deletion": (genome[position : position + 3], base),
            "long": (genome[position : position + 40], base),
            "hidden": (base, "<DEL>"),
        }[kind]
        yield position, ref, alt, genotype


ROWS = st.lists(
    st.tuples(
        st.integers(0, N_BASES - 3),
        st.sampled_from(["snv", "insertion", "copy", "deletion", "long", "hidden"]),
        st.sampled_from(["0|1", "1|0", "1|1", "0/1", "0|1:5"]),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda row: row[0],
)


@pytest.fixture(scope="module")
def repeats(tmp_path_factory):
    """A genome with repeats, in which variants could be written elsewhere."""
    letters = GENOME[:20] + "A" * 9 + GENOME[29:50] + "CAT" * 8 + GENOME[74:]
    return Run(tmp_path_factory.mktemp("haplotypes"), letters)


def in_units(run, rows, unit):
    """Return the scores of haplotypes `[n, 3]` of records with one allele."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_blocks, "UNIT_ALLELES", unit)
        return np.array([of_haplotypes(one) for one in run(*rows)])


@settings(max_examples=40)
@given(ROWS, st.sampled_from([1, 2, 3]))
def test_borders_of_units_do_not_matter(repeats, rows, unit):
    rows = [(at, kind, genotype if ":" not in genotype else "0|1") for at, kind, genotype in rows]
    whole, cut = (in_units(repeats, phased(rows, repeats.letters), each) for each in (256, unit))
    assert np.array_equal(whole, cut, equal_nan=True)


def test_a_deletion_written_far_to_the_right_meets_what_it_can_stand_beside(tmp_path):
    run = Run(tmp_path, GENOME[:30] + "C" + "A" * 80 + "G" + GENOME[30:])
    right, left = [(30, "C", "T", "0|1")], [(30, "C", "T", "0|1")]
    right.append((109, "AAG", "AG", "0|1"))
    left.append((31, "AA", "A", "0|1"))
    whole = in_units(run, left, 256)
    assert whole[0, 1] != whole[0, 2]
    assert np.array_equal(in_units(run, right, 256), whole, equal_nan=True)
    assert np.array_equal(in_units(run, left, 1), whole, equal_nan=True)
    # far more bases than a unit needs to see around it but for repeats
    assert np.array_equal(in_units(run, right, 1), whole, equal_nan=True)


def test_what_lies_beyond_a_long_deletion_is_met_across_units(tmp_path):
    run = Run(tmp_path, random_genome(300, 9))
    deletion = (40, run.letters[40:240], run.letters[40], "0|1")
    rows = [deletion, run.snv(42, "1|0"), run.snv(240, "0|1")]
    whole = in_units(run, rows, 256)
    assert whole[0, 1] != whole[0, 2]
    for unit in (1, 2, 3):
        assert np.array_equal(in_units(run, rows, unit), whole, equal_nan=True)


def test_the_sample_is_chosen_by_name(tmp_path):
    run, columns = Run(tmp_path), f"{COLUMNS}\tFORMAT\tmother\tson\n"
    row = run.snv(50, "0|1\t1|0")
    mother, son = (
        run(row, columns=columns, config=VariantsConfig(haplotypes=True, sample=name))[0]
        for name in ("mother", "son")
    )
    assert np.isnan(of_haplotypes(mother)[0])
    assert np.isnan(of_haplotypes(son)[1])


@pytest.mark.parametrize(
    ("columns", "sample", "error", "message"),
    [
        (f"{COLUMNS}\n", None, FormatError, "has no samples"),
        (f"{COLUMNS}\tFORMAT\ta\tb\n", None, DataError, "has 2 samples and none is named"),
        (f"{COLUMNS}\tFORMAT\ta\tb\n", "c", DataError, "has no sample 'c'"),
    ],
)
def test_a_sample_that_is_not_there_is_told(tmp_path, columns, sample, error, message):
    config = VariantsConfig(haplotypes=True, sample=sample)
    with pytest.raises(error, match=message):
        Run(tmp_path)(columns=columns, config=config)


def test_a_genotype_that_names_no_allele_is_told_with_its_record(run):
    with pytest.raises(FormatError, match=r"record 2 \(chr1, position 61\): GT '0\|2'"):
        run(run.snv(50, "0|1"), run.snv(60, "0|2"))


def test_entries_are_there_only_where_haplotypes_are_asked_for(run):
    run(run.snv(50, "0|1"))
    told = {tag.id for tag in run.run.tags.tags()}
    run(run.snv(50, "0|1"), config=VariantsConfig())
    without = {tag.id for tag in run.run.tags.tags()}
    assert told - without == {f"DNABERT_toy_{name}" for name in HAPLOTYPE_QUANTITIES}
