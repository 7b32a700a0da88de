"""Data sets as a whole: from files to tables that say where every row comes from."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from dnabert_cli.dataset_config import DatasetConfig, HardConfig
from dnabert_cli.errors import DataError, DnabertError, ModelError, OptionsError
from dnabert_cli.tasks import dataset as module
from dnabert_cli.tasks.dataset import Inputs, build, check_folder, check_leakage, write
from tests.dataset_toys import (
    letters,
    read_on,
    read_tsv,
    site_bed,
    toy_records,
    transcript,
    write_fasta,
    write_rows,
)

RECORDS = toy_records()
PARTS = ("train.tsv", "dev.tsv", "test.tsv")
SMALL = {"block": 5_000, "distance": 200, "negatives": (("genomic", 1.0),), "dev_fraction": 0.2,
         "test_fraction": 0.2}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """The toy genome and a BED of its sites."""
    genome = write_fasta(tmp_path / "g.fa", RECORDS)
    return Inputs([write_rows(tmp_path / "sites.bed", site_bed())], genome)


@pytest.fixture
def make(tmp_path, files):
    """Build and write a data set; return its folder."""

    def call(name="out", inputs=files, kind="promoters", **options):
        config = DatasetConfig(kind=kind, **(SMALL | options))
        write(build(inputs, config), inputs, config, tmp_path / name)
        return tmp_path / name

    return call


def fasta_of(path, texts):
    return write_fasta(path, {f"s{i}": text for i, text in enumerate(texts)})


def rows_of(folder):
    return [row for name in PARTS if (folder / name).exists() for row in read_tsv(folder / name)]


def test_every_row_that_has_a_place_is_the_genome_there(make):
    rows = rows_of(make())
    assert {row["strand"] for row in rows} == {"+", "-"}
    for row in rows:
        text = read_on(RECORDS, row["chrom"], row["strand"]).upper()
        start, end = int(row["start"]), int(row["end"])
        first = start if row["strand"] == "+" else len(text) - end
        assert row["sequence"] == text[first : first + end - start]


def test_every_site_is_a_positive_with_its_name_and_file(make):
    positives = [row for row in rows_of(make()) if row["label"] == "1"]
    assert {row["name"] for row in positives} == {row[3] for row in site_bed()}
    assert {row["source"] for row in positives} == {"sites.bed"}


def test_what_was_made_from_a_row_has_no_place_in_the_table(make):
    made = [
        row
        for row in rows_of(make(negatives=(("shuffled", 1.0), ("substituted", 1.0))))
        if row["label"] == "0"
    ]
    assert {row["source"] for row in made} == {"shuffled", "substituted"}
    assert {(row["chrom"], row["start"], row["end"], row["strand"]) for row in made} == {(".",) * 4}


def test_synthetic_rows_lie_in_the_part_of_their_parent(make):
    folder = make(negatives=(("shuffled", 1.0),))
    for name in PARTS:
        rows = read_tsv(folder / name)
        parents = {row["name"] for row in rows if row["label"] == "1"}
        made = {row["name"].removeprefix("shuffled:") for row in rows if row["label"] == "0"}
        assert made == parents


@pytest.mark.parametrize("kind", ["promoters", "sequences"])
def test_equal_seeds_give_equal_files_and_another_seed_others(make, tmp_path, kind):
    options = {"kind": kind}
    if kind == "sequences":
        path = fasta_of(tmp_path / "p.fa", [letters(80, i) for i in range(60)])
        options |= {"inputs": Inputs([path]), "negatives": None}
    first, second, other = (
        {path.name: path.read_bytes() for path in make(f"{n}", seed=seed, **options).iterdir()}
        for n, seed in enumerate((1, 1, 2))
    )
    assert first == second
    assert all(first[name] != other[name] for name in PARTS)


def test_the_manifest_fits_the_files(make, files):
    folder = make()
    values = json.loads((folder / "dataset.json").read_text())
    assert values["files"].keys() == set(PARTS)
    for name in PARTS:
        part, rows = name.removesuffix(".tsv"), read_tsv(folder / name)
        assert values["files"][name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert values["rows"][part] == len(rows)
        assert values["labels"][part] == Counter(row["label"] for row in rows)
        assert values["sources"][part] == Counter(row["source"] for row in rows)
    checksums = [each["sha256"] for each in values["inputs"]]
    assert checksums[1] == hashlib.sha256(Path(files.genome).read_bytes()).hexdigest()
    assert values["options"]["block"] == 5_000


def test_what_was_left_out_is_logged_and_in_the_manifest(make, files, tmp_path, caplog):
    rows = [*site_bed(), ("chr1", 50, 51, "edge", 0, "+"), ("chr8", 50, 51, "alien", 0, "+"),
            ("chr1", 20_300, 20_301, "n", 0, "+")]  # fmt: skip
    folder = make(inputs=Inputs([write_rows(tmp_path / "more.bed", rows)], files.genome))
    left_out = json.loads((folder / "dataset.json").read_text())["left_out"]
    assert left_out == {
        "past the end of the sequence": 1,
        "on a sequence the genome lacks": 1,
        "with too many N": 1,
    }
    assert any("rows left out: 1 past the end" in message for message in caplog.messages)


def test_rows_and_negatives_outside_the_regions_are_left_out(make, files, tmp_path):
    regions = write_rows(tmp_path / "r.bed", [("chr2", 0, 20_000), ("chr1", 40_000, 60_000)])
    inputs = Inputs(files.sources, files.genome, regions=regions)
    folder = make(inputs=inputs, dev_fraction=0, test_fraction=0)
    rows = read_tsv(folder / "train.tsv")
    assert {row["label"] for row in rows} == {"0", "1"}
    for row in rows:
        low, high = {"chr2": (0, 20_000), "chr1": (40_000, 60_000)}[row["chrom"]]
        assert low <= int(row["start"])
        assert int(row["end"]) <= high
    left_out = json.loads((folder / "dataset.json").read_text())["left_out"]
    n_positives = sum(row["label"] == "1" for row in rows)
    assert left_out == {"outside --regions": len(site_bed()) - n_positives}


def test_the_regions_of_the_parts_are_read(make, files, tmp_path):
    dev = write_rows(tmp_path / "dev.bed", [("2", 0, 12_000)])
    test = write_rows(tmp_path / "test.bed", [("chr2", 12_000, 30_000)])
    folder = make(inputs=Inputs(files.sources, files.genome, dev_regions=dev, test_regions=test))
    for name, low, high in (("dev", 0, 12_000), ("test", 12_000, 30_000)):
        for row in read_tsv(folder / f"{name}.tsv"):
            assert row["chrom"] == "chr2"
            assert low <= int(row["start"]) < int(row["end"]) <= high
    in_train = [row for row in read_tsv(folder / "train.tsv") if row["chrom"] == "chr2"]
    assert min(int(row["start"]) for row in in_train) >= 30_000


@pytest.mark.parametrize(
    ("dev", "test", "message"),
    [
        ([("chr2", 0, 900)], [("chr2", 800, 2_000)], "overlap: chr2:0-900 is in both"),
        ([], [("chr2", 800, 2_000)], r"dev\.bed holds no regions"),
        ([("chr9", 0, 900)], [("chr2", 0, 900)], "have no sequence in common: chr9 against chr1"),
    ],
)
def test_regions_that_make_no_parts_are_refused(make, files, tmp_path, dev, test, message):
    paths = [write_rows(tmp_path / "dev.bed", dev), write_rows(tmp_path / "test.bed", test)]
    with pytest.raises(DataError, match=message):
        make(inputs=Inputs(files.sources, files.genome, None, None, *paths))


def test_a_sequence_with_two_labels_and_doubles_are_left_out(make, tmp_path):
    texts = [letters(80, i) for i in range(60)]
    positives = fasta_of(tmp_path / "p.fa", [*texts[:30], texts[0], texts[5].lower()])
    negatives = fasta_of(tmp_path / "n.fa", [*texts[30:], texts[7]])
    folder = make(inputs=Inputs([positives, negatives]), kind="sequences", negatives=())
    assert Counter(row["sequence"] for row in rows_of(folder)) == Counter(
        text for text in texts if text != texts[7]
    )
    left_out = json.loads((folder / "dataset.json").read_text())["left_out"]
    assert left_out == {"of a sequence that has two labels": 2, "the same sequence again": 2}


def test_ready_sequences_with_n_are_left_out_unless_allowed(make, tmp_path):
    texts = [letters(80, i) for i in range(60)]
    texts[3] = "N" * 20 + texts[3][20:]
    inputs = Inputs([fasta_of(tmp_path / "p.fa", texts)])
    options = {"inputs": inputs, "kind": "sequences", "negatives": None}
    strict, loose = make("a", **options), make("b", max_unknown=0.25, **options)
    assert [len(rows_of(folder)) for folder in (strict, loose)] == [118, 120]
    assert json.loads((strict / "dataset.json").read_text())["left_out"] == {"with too many N": 1}


def test_nothing_left_is_refused_with_the_reasons(make, files, tmp_path):
    source = write_rows(tmp_path / "bare.bed", [row[:3] for row in site_bed()])
    with pytest.raises(DataError, match=r"no row of .*bare\.bed is left: 38 of unknown strand"):
        make(inputs=Inputs([source], files.genome))


def test_a_class_that_is_lost_is_refused_with_the_reasons(make, tmp_path):
    """Donors without acceptors would be a set of another kind."""
    gene = [(3_000 + 900 * i, 3_300 + 900 * i) for i in range(5)]
    text = RECORDS["chr1"]
    for _, end in gene:
        text = text[:end] + "GT" + text[end + 2 :]
    for start, _ in gene:
        text = text[: start - 2] + "TT" + text[start:]
    genome = write_fasta(tmp_path / "g.fa", {"chr1": text})
    lines = transcript("a", "chr1", "+", gene)
    inputs = Inputs([write_rows(tmp_path / "a.gtf", lines)], genome)
    with pytest.raises(DataError, match="no row of class acceptor is left: 4 without GT or AG"):
        make(inputs=inputs, kind="splice", negatives=None)


def test_one_label_is_refused(make):
    with pytest.raises(DataError, match=r"all rows have one label .*--negatives"):
        make(negatives=())


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("promoters", {"genome": None}, "dataset promoters cuts windows: add --genome"),
        ("promoters", {"sources": ["a", "b"]}, "reads one file; 2 are named"),
        ("promoters", {"sources": ["-"], "avoid": "-"}, "only one input can be standard input"),
        ("sequences", {"genome": None, "avoid": "a"}, "--avoid: sequences have no place"),
        ("table", {"genome": None, "test_regions": "a"}, "--test-regions: table have no place"),
    ],
)
def test_inputs_that_do_not_fit_the_kind_are_refused(files, kind, changes, message):
    values = {"sources": files.sources, "genome": files.genome} | changes
    with pytest.raises(OptionsError, match=message):
        build(Inputs(**values), DatasetConfig(kind=kind))


def test_rounds_are_checked_before_anything_is_read(files):
    missing = Inputs(["nowhere.bed"], files.genome)
    hard = HardConfig(rounds=1, model="no-such-model")
    with pytest.raises(ModelError, match="no-such-model"):
        build(missing, DatasetConfig(kind="promoters", hard=hard))
    hard = HardConfig(rounds=1, arch="cnn")
    with pytest.raises(OptionsError, match=r"needs a dev part: raise --dev-fraction"):
        build(missing, DatasetConfig(kind="promoters", dev_fraction=0, hard=hard))


def test_a_folder_that_is_new_or_empty_can_be_written(tmp_path, files):
    check_folder(tmp_path / "new", files, force=False)
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty", files, force=False)


def test_a_folder_with_anything_in_it_needs_force(tmp_path, files):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OptionsError, match="out is not empty: --force"):
        check_folder(tmp_path / "out", files, force=False)
    check_folder(tmp_path / "out", files, force=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [("sites.bed", "is a file; -o names the folder"), ("a/b", "its parent folder does not exist")],
)
def test_a_place_that_can_be_no_folder_is_refused(tmp_path, files, name, message):
    with pytest.raises(OptionsError, match=message):
        check_folder(tmp_path / name, files, force=True)


def test_an_input_is_never_overwritten(tmp_path, files):
    (tmp_path / "out").mkdir()
    source = write_rows(tmp_path / "out" / "train.tsv", site_bed())
    with pytest.raises(DnabertError, match=r"train\.tsv is both input and output"):
        check_folder(tmp_path / "out", Inputs([source], files.genome), force=True)


def test_a_new_data_set_replaces_the_old_one_and_spares_other_files(make, tmp_path):
    folder = make()
    (folder / "notes.txt").write_text("mine")
    (folder / "rounds.tsv").write_text("of an earlier data set")
    make(test_fraction=0)
    found = {path.name for path in folder.iterdir()}
    assert found == {"train.tsv", "dev.tsv", "dataset.json", "notes.txt"}
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("broken", PARTS)
def test_an_interrupted_writing_leaves_nothing_that_looks_whole(make, monkeypatch, broken):
    """Neither the manifest nor tables of the data set before it."""
    folder = make(seed=1)
    old = {name: (folder / name).read_bytes() for name in PARTS}
    real = module.open_output

    def stopped(path, **options):
        if path.endswith(broken):
            raise KeyboardInterrupt
        return real(path, **options)

    monkeypatch.setattr(module, "open_output", stopped)
    with pytest.raises(KeyboardInterrupt):
        make(seed=2)
    assert not (folder / "dataset.json").exists()
    left = {path.name for path in folder.iterdir()}
    assert left == set(PARTS[: PARTS.index(broken)])
    assert all((folder / name).read_bytes() != old[name] for name in left)


def test_a_failed_build_keeps_the_old_data_set(make):
    folder = make()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError):
        make(negatives=())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_ready_data_set_can_be_split_again_as_a_table(make):
    folder = make()
    again = make("again", Inputs([str(folder / name) for name in PARTS]), "table", negatives=None)
    first, second = (
        sorted((row["sequence"], row["label"], row["start"]) for row in rows_of(each))
        for each in (folder, again)
    )
    assert first == second


def test_sequences_and_check_read_bed_with_a_genome(tmp_path):
    """BED said "add --genome", which was then refused."""
    fasta = fasta_of(tmp_path / "genome.fa", [letters(400, 1)])
    name = (tmp_path / "genome.fa").read_text().splitlines()[0][1:]
    beds = [str(tmp_path / each) for each in ("a.bed", "b.bed")]
    for bed, start in zip(beds, (0, 60), strict=True):
        Path(bed).write_text(f"{name}\t{start}\t{start + 120}\n")
    found = check_leakage(beds, 0.5, fasta)
    assert [each.n_repeat_matches for each in found] == [1, 1]


def test_check_counts_rows_found_in_another_file(tmp_path):
    texts = [letters(80, i) for i in range(10)]
    one = fasta_of(tmp_path / "one.fa", texts[:6])
    two = fasta_of(tmp_path / "two.fa", texts[4:])
    found = check_leakage([one, two], 0.5)
    assert [(each.part, each.other, each.n_rows, each.n_exact) for each in found] == [
        (one, two, 6, 2), (two, one, 6, 2),
    ]  # fmt: skip


def test_check_needs_two_different_files_and_a_share(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fasta_of(tmp_path / "one.fa", [letters(80, 1)])
    with pytest.raises(OptionsError, match="name two or more"):
        check_leakage(["one.fa"], 0.5)
    with pytest.raises(OptionsError, match="named twice"):
        check_leakage(["one.fa", "./one.fa"], 0.5)
    with pytest.raises(OptionsError, match="--max-shared"):
        check_leakage(["one.fa", "two.fa"], 0.0)


@pytest.fixture(scope="module")
def human(real_data, tmp_path_factory):
    """The human genome through a link, so that its index stays here, and the block kept apart."""
    folder = tmp_path_factory.mktemp("human")
    genome = folder / "hg38.fa.gz"
    genome.symlink_to((real_data / "reference" / "hg38.mini.fa.gz").resolve())
    return str(genome), write_rows(folder / "block.bed", [("chr1", 52_045_200, 54_501_000)])


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "source", "labels"),
    [
        ("promoters", "epdnew_hg38.in_blocks.bed.gz", {"0", "1"}),
        ("splice", "ensembl_chr1_CDS.in_blocks.gtf.gz", {"none", "donor", "acceptor"}),
    ],
)
def test_human_sets_do_not_leak_and_test_in_their_block_only(
    real_data, human, tmp_path, kind, source, labels
):
    genome, block = human
    inputs = Inputs([str(real_data / "annotation" / source)], genome, test_regions=block)
    config = DatasetConfig(kind=kind)
    write(build(inputs, config), inputs, config, tmp_path / "out")

    for row in read_tsv(tmp_path / "out" / "test.tsv"):
        assert row["chrom"] == "chr1"
        assert 52_045_200 <= int(row["start"]) < int(row["end"]) <= 54_501_000
    for name in PARTS:
        rows = read_tsv(tmp_path / "out" / name)
        assert {row["label"] for row in rows} == labels
        if name != "test.tsv":
            places = [(row["chrom"], int(row["start"])) for row in rows]
            assert not any(c == "chr1" and 52_045_200 <= at < 54_501_000 for c, at in places)
    found = check_leakage([str(tmp_path / "out" / name) for name in PARTS], config.max_shared)
    assert {each.n_near_duplicates for each in found} == {0}
    assert {each.n_exact for each in found} == {0}
