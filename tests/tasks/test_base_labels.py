"""Labels per base: cut regions, paint intervals, on either strand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.records import Example
from dnabert_cli.tasks.base_labels import BaseLabels, cut_regions

GENOME = "".join(np.random.default_rng(0).choice(list("ACGT"), 60))


def region(start=0, end=20, strand="."):
    sequence = GENOME[start:end]
    if strand == "-":
        sequence = reverse_complement(sequence)
    return Example(sequence, chrom="chr1", start=start, end=end, strand=strand)


@pytest.fixture
def labels(tmp_path):
    def make(text, name="labels.bed"):
        (tmp_path / name).write_text(text)
        return BaseLabels(str(tmp_path / name), {"chr1"})

    return make


def test_names_are_classes_and_the_rest_is_background(labels):
    found = labels("chr1\t2\t5\tsite\nchr1\t5\t7\nchr1\t10\t30\texon\nchr2\t0\t20\tother\n")
    assert found.names == ("0", "1", "exon", "site")
    assert found.classes(region()).tolist() == [0, 0, 3, 3, 3, 1, 1, 0, 0, 0] + [2] * 10


def test_a_region_begins_anywhere(labels):
    found = labels("chr1\t2\t5\tsite\nchr1\t18\t30\texon\n")
    assert found.classes(region(4, 20)).tolist() == [2] + [0] * 13 + [1, 1]


def test_on_the_other_strand_labels_run_with_the_sequence(labels):
    found = labels("chr1\t2\t5\tsite\n")
    assert found.classes(region(0, 8, "-")).tolist() == [0, 0, 0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("strand", "expected"),
    [("+", [1, 0, 1]), ("-", [1, 1, 0]), (".", [1, 1, 1])],
)
def test_intervals_with_a_strand_count_for_their_own(labels, strand, expected):
    found = labels("chr1\t0\t1\tx\t0\t+\nchr1\t1\t2\tx\t0\t-\nchr1\t2\t3\tx\t0\t.\n")
    forward = found.classes(region(0, 3, strand))[:: -1 if strand == "-" else 1]
    assert forward.tolist() == (expected if strand != "-" else [0, 1, 1])


def test_overlapping_intervals_of_one_class_are_one(labels):
    found = labels("chr1\t2\t9\tx\nchr1\t1\t4\tx\nchr1\t3\t5\tx\n")
    assert found.classes(region(0, 10)).tolist() == [0] + [1] * 8 + [0]


def test_a_base_of_two_classes_names_both_lines(labels):
    found = labels("#c\nchr1\t5\t9\tb\nchr1\t1\t6\ta\n")
    with pytest.raises(FormatError, match=r"labels.bed:3: overlaps line 2 .*: 'a' and 'b'"):
        found.classes(region())


def test_background_that_is_written_down_contradicts_a_class_too(labels):
    found = labels("chr1\t1\t6\t0\nchr1\t5\t9\tb\n")
    with pytest.raises(FormatError, match=r":2: overlaps line 1 .*: '0' and 'b'"):
        found.classes(region())


def test_classes_of_different_strands_clash_on_unstranded_regions_only(labels):
    found = labels("chr1\t1\t6\ta\t0\t+\nchr1\t5\t9\tb\t0\t-\n")
    assert found.classes(region(0, 10, "+")).tolist() == [0] + [1] * 5 + [0] * 4
    with pytest.raises(FormatError, match="overlaps line 1"):
        found.classes(region(0, 10, "."))


def test_a_bedgraph_gives_values_and_gaps(labels):
    found = labels("chr1\t2\t4\t0.5\nchr1\t5\t6\t-3\n", "labels.bedGraph")
    assert found.names is None
    expected = [np.nan, np.nan, 0.5, 0.5, np.nan, -3, np.nan]
    assert found.values(region(0, 7)) == pytest.approx(expected, nan_ok=True)
    assert found.values(region(0, 7, "-")) == pytest.approx(expected[::-1], nan_ok=True)


def test_a_base_of_two_values_names_both_lines(labels):
    found = labels("chr1\t2\t4\t0.5\nchr1\t3\t6\t0.25\n", "labels.bedGraph")
    with pytest.raises(FormatError, match=r":2: overlaps line 1 .*: 0.25 and 0.5"):
        found.values(region())


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 10), st.sampled_from("+-.")), max_size=12
    ),
    st.integers(0, 50),
    st.integers(1, 10),
    st.sampled_from("+-."),
)
def test_painting_is_what_base_by_base_would_be(tmp_path_factory, intervals, start, n, strand):
    path = tmp_path_factory.mktemp("labels") / "labels.bed"
    path.write_text("".join(f"chr1\t{a}\t{a + size}\tx\t0\t{s}\n" for a, size, s in intervals))
    found = BaseLabels(str(path), {"chr1"}).classes(region(start, start + n, strand))
    expected = [
        int(any(a <= i < a + size and {s, strand} != {"+", "-"} for a, size, s in intervals))
        for i in range(start, start + n)
    ]
    assert found.tolist() == (expected[::-1] if strand == "-" else expected)


@given(st.integers(1, 60), st.integers(1, 30), st.sampled_from("+-"))
def test_windows_hold_every_base_of_a_region_once(n_bases, window, strand):
    whole = region(0, n_bases, strand)
    windows, n_seen = cut_regions([whole], window)
    bases = []
    for piece, n in zip(windows, n_seen, strict=True):
        assert len(piece.sequence) == min(window, n_bases)
        read = GENOME[piece.start : piece.end]
        assert piece.sequence == (reverse_complement(read) if strand == "-" else read)
        bases += list(range(piece.start, piece.end))[:: -1 if strand == "-" else 1][n:]
    assert sorted(bases) == list(range(n_bases))


def test_rows_without_a_place_are_refused():
    with pytest.raises(DataError, match=r"does not say where it lies .*BED with --genome"):
        cut_regions([Example("ACGT")], 10)


def test_labels_cannot_come_from_standard_input():
    with pytest.raises(OptionsError, match="--labels cannot be standard input"):
        BaseLabels("-", {"chr1"})
