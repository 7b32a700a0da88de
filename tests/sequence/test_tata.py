import csv
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.formats.bed import read_cells
from dnabert_cli.formats.indexed_fasta import IndexedFasta
from dnabert_cli.records import Interval, Site
from dnabert_cli.sequence.sites import window_of
from dnabert_cli.sequence.tata import find_tata, has_tata_box


@pytest.mark.parametrize("box", ["TATAAAA", "TATATAT", "tataaat", "UAUAAAU", "TATATAA"])
def test_consensus_is_a_box(box):
    assert find_tata(f"GC{box}GC") == [2]


@pytest.mark.parametrize("box", ["TATACAA", "TATAACA", "TATAAAG"])
def test_one_other_base_behind_the_core_is_allowed(box):
    assert find_tata(f"GC{box}GC") == [2]


@pytest.mark.parametrize("box", ["TATACCA", "TATACAG", "TATAACG", "TATAGGG"])
def test_two_other_bases_behind_the_core_are_too_many(box):
    assert find_tata(f"GC{box}GC") == []


@pytest.mark.parametrize("box", ["CATAAAA", "TTTAAAA", "TACAAAA", "TATTAAA"])
def test_the_core_is_not_to_be_changed(box):
    assert find_tata(f"GC{box}GC") == []


@pytest.mark.parametrize("box", ["TATANAA", "TATAWAW", "TATAAA", "TATAAAN"])
def test_unknown_and_missing_letters_make_no_box(box):
    assert find_tata(box) == []


def test_boxes_may_overlap():
    assert find_tata("TATATATAAAA") == [0, 2, 4]


def slow_boxes(sequence):
    """Every place whose core is TATA and whose tail differs from WAW in one base at most."""
    text = sequence.upper().replace("U", "T")
    found = []
    for start in range(len(text) - 6):
        core, tail = text[start : start + 4], text[start + 4 : start + 7]
        n_equal = sum(
            base in allowed for base, allowed in zip(tail, ("AT", "A", "AT"), strict=True)
        )
        if core == "TATA" and n_equal >= 2 and set(tail) <= set("ACGT"):
            found.append(start)
    return found


@given(st.text(st.sampled_from("TATATAtaugcN"), max_size=60))
def test_boxes_equal_those_of_counted_mismatches(sequence):
    assert find_tata(sequence) == slow_boxes(sequence)


@pytest.mark.parametrize(
    ("offset", "expected"), [(-36, False), (-35, True), (-30, True), (-20, True), (-19, False)]
)
def test_box_counts_where_it_works(offset, expected):
    letters = ["G"] * 300
    letters[249 + offset : 256 + offset] = "TATAAAA"
    assert has_tata_box("".join(letters), 249) is expected


def test_box_on_the_other_strand_does_not_count():
    assert not has_tata_box("G" * 220 + reverse_complement("TATAAAAG") + "G" * 72, 249)


def test_short_upstream_has_no_box():
    assert not has_tata_box("TATAAAA" + "G" * 60, 10)


@pytest.mark.realdata
def test_agreement_with_the_classes_of_the_promoter_database(real_data, tmp_path):
    """Where the rule was chosen: 6 of 16 TATA promoters have a box, 2 of 175 others."""
    genome = tmp_path / "genome.fa.gz"
    genome.symlink_to(real_data / "reference" / "hg38.mini.fa.gz")  # its index stays here
    fasta = IndexedFasta(str(genome))
    counts = {"TATA": [0, 0], "nonTATA": [0, 0]}
    path = real_data / "annotation" / "epdnew_hg38.in_blocks.bed.gz"
    for _, place, cells in read_cells(str(path)):
        site = Site(place.chrom, place.start, place.strand, "tss")
        letters = fasta.fetch(Interval(site.chrom, *window_of(site, 300, 249))).sequence
        promoter = letters if site.strand == "+" else reverse_complement(letters)
        counts[cells[4]][has_tata_box(promoter, 249)] += 1
    assert counts == {"TATA": [10, 6], "nonTATA": [173, 2]}


@pytest.mark.realdata
def test_agreement_holds_on_other_promoters(real_data):
    """Not looked at when the rule was chosen: two in five of TATA, one in 240 of others."""
    counts = {"tata": [0, 0], "notata": [0, 0]}
    with gzip.open(real_data / "promoter" / "prom300.train.tsv.gz", "rt") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            kind = row["source"].split("_")[2].split(".")[0]
            if row["label"] == "1" and kind in counts:
                counts[kind][has_tata_box(row["sequence"], 249)] += 1
    assert counts == {"tata": [1556, 1079], "notata": [2424, 10]}
