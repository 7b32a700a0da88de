"""Hard negatives: a model's false calls join the training rows, and only these."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig
from dnabert_cli.dataset_config import DatasetConfig, HardConfig
from dnabert_cli.errors import DataError
from dnabert_cli.formats.bed import read_bed
from dnabert_cli.formats.tables import read_examples
from dnabert_cli.records import Call
from dnabert_cli.tasks import hard_negatives as module
from dnabert_cli.tasks.dataset import Inputs, build
from tests.dataset_toys import letters, planted, read_on, transcript, write_fasta, write_rows

BLOCK = 20_000
COMPUTE = ComputeConfig(device="cpu", precision="fp32", threads=1)
SITES = [(chrom, 2_500 + 5_000 * i, "+-"[i % 2]) for chrom in ("chr1", "chr2") for i in range(60)]


def toy_genome():
    return {"chr1": letters(300_000, 1), "chr2": letters(300_000, 2)}


@pytest.fixture
def inputs(tmp_path):
    """Two chromosomes of 15 blocks, with three sites in each."""
    rows = [(chrom, at, at + 1, f"s{at}", 0, strand) for chrom, at, strand in SITES]
    genome = write_fasta(tmp_path / "g.fa", toy_genome())
    return Inputs([write_rows(tmp_path / "sites.bed", rows)], genome)


def config_of(hard=None, **options):
    hard = {"rounds": 1, "arch": "cnn", "scan_bases": 100_000, "compute": COMPUTE} | (hard or {})
    values = {"kind": "peaks", "block": BLOCK, "dev_fraction": 0.2, "test_fraction": 0.2} | options
    return DatasetConfig(**values, hard=HardConfig(**hard))


class Recorder:
    """Stands in for training and scanning; every scanned piece gets calls where it is told."""

    def __init__(self, offsets=(3_000,), calls=None):
        self.trained, self.scanned, self.models = [], [], []
        self.offsets, self.calls = offsets, calls

    def finetune(self, paths, config, run):
        rows = list(read_examples(paths[0]))
        devs = list(read_examples(run.devs[0]))
        self.trained.append(SimpleNamespace(rows=rows, devs=devs, config=config))

    def scan(self, genome, models, config, *, regions, progress):
        self.models += models
        pieces = read_bed(regions)
        self.scanned.append([(piece.chrom, piece.start, piece.end) for piece in pieces])
        found = self.calls or [
            Call(piece.chrom, at - 9, at + 9, "1", 0.5 + offset / 1e6, strand, at, 1)
            for piece in pieces
            for offset in self.offsets
            for at, strand in [(piece.start + offset, "+-"[offset % 2])]
        ]
        return SimpleNamespace(calls=found)


@pytest.fixture
def hunt(inputs, monkeypatch):
    """Build with a recorder in place of training and scanning."""

    def call(recorder=None, where=inputs, **options):
        recorder = recorder or Recorder()
        monkeypatch.setattr(module, "finetune", recorder.finetune)
        monkeypatch.setattr(module, "scan", recorder.scan)
        return build(where, config_of(**options)), recorder

    return call


def hard_rows(data, part="train"):
    return [row.example for row in data.parts.rows[part] if row.example.source.startswith("hard")]


def test_only_the_training_part_grows(hunt, inputs):
    data, _ = hunt()
    plain = build(inputs, replace(config_of(), hard=HardConfig()))
    for part in ("dev", "test"):
        assert data.parts.rows[part] == plain.parts.rows[part]
    n_old = len(plain.parts.rows["train"])
    assert data.parts.rows["train"][:n_old] == plain.parts.rows["train"]
    assert len(hard_rows(data)) == len(data.parts.rows["train"]) - n_old > 0


def test_a_hard_negative_has_the_summit_of_its_call_at_the_anchor(hunt):
    genome = toy_genome()
    data, recorder = hunt(Recorder(offsets=(3_000, 7_777)))
    called = {(chrom, start + o) for chrom, start, _ in recorder.scanned[0] for o in (3_000, 7_777)}
    for example in hard_rows(data):
        assert (example.label, example.source, example.end - example.start) == ("0", "hard:1", 101)
        assert (example.chrom, example.start + 50) in called
        text = read_on(genome, example.chrom, example.strand)
        first = example.start if example.strand == "+" else len(text) - example.end
        assert example.sequence == text[first : first + 101]


def test_no_hard_negative_lies_near_a_site(hunt):
    offsets = tuple(range(200, 9_800, 97))
    data, _ = hunt(Recorder(offsets), distance=700)
    (done,) = data.rounds
    assert done.n_near_sites > 0
    assert done.n_near_sites + done.n_new <= done.n_calls
    for example in hard_rows(data):
        for chrom, site, _ in SITES:
            if chrom == example.chrom:
                assert max(site - 50 - example.end, example.start - (site + 51)) >= 700


def test_only_places_of_the_training_part_are_scanned(hunt, inputs, tmp_path):
    avoid = write_rows(tmp_path / "avoid.bed", [("chr2", 100_000, 150_000)])
    test = write_rows(tmp_path / "test.bed", [("chr1", 0, 60_000)])
    where = replace(inputs, avoid=avoid, test_regions=test)
    data, recorder = hunt(where=where, hard={"scan_bases": 10**9})
    closed = [("chr2", 100_000, 150_000), ("chr1", 0, 60_000)]
    for row in data.parts.rows["dev"]:
        first = (row.example.start + row.example.end) // 2 // BLOCK * BLOCK
        closed.append((row.example.chrom, first, first + BLOCK))
    assert recorder.scanned[0]
    for chrom, start, end in recorder.scanned[0]:
        assert all(chrom != other or end <= low or start >= high for other, low, high in closed)


def test_a_window_that_reaches_into_another_part_is_left_out_and_counted(hunt, inputs, tmp_path):
    """The window of a call may be longer than the stretch that the model looked at."""
    test = write_rows(tmp_path / "test.bed", [("chr1", 0, 60_000)])
    calls = [Call("chr1", at - 9, at + 9, "1", 0.9, "+", at, 1) for at in (60_030, 60_060)]
    where = replace(inputs, test_regions=test)
    data, _ = hunt(Recorder(calls=calls), where, dev_fraction=0.1, seed=seed_that_trains(where))
    assert [example.start for example in hard_rows(data)] == [60_010]
    assert data.dropped.to_json()["hard negatives that reach into another part"] == 1


def seed_that_trains(where):
    """A seed with which the block behind the test region is a training block."""
    for seed in range(20):
        plain = config_of(dev_fraction=0.1, seed=seed)
        data = build(where, replace(plain, hard=HardConfig()))
        if not any("chr1" in places and (60_000, 80_000) in places["chr1"]
                   for places in [data.parts.territory]):  # fmt: skip
            return seed
    raise AssertionError("no seed")


def test_each_round_trains_on_the_rows_found_so_far(hunt, inputs):
    data, recorder = hunt(hard={"rounds": 3, "scan_bases": 30_000, "epochs": 2})
    plain = build(inputs, replace(config_of(), hard=HardConfig()))
    sizes = [len(plain.parts.rows["train"])]
    for done in data.rounds:
        sizes.append(sizes[-1] + done.n_new)
    assert [len(each.rows) for each in recorder.trained] == sizes[:-1]
    assert [done.n_train for done in data.rounds] == sizes[:-1]
    assert {len(each.devs) for each in recorder.trained} == {len(data.parts.rows["dev"])}
    config = recorder.trained[0].config
    assert (config.arch, config.epochs, config.anchor, config.background) == ("cnn", 2, 50, "0")
    assert config.compute == COMPUTE
    assert [example.source for example in hard_rows(data)] == [
        f"hard:{done.round}" for done in data.rounds for _ in range(done.n_new)
    ]


def test_no_piece_is_scanned_twice_and_the_rounds_end_with_the_genome(hunt):
    data, recorder = hunt(hard={"rounds": 9, "scan_bases": 120_000})
    pieces = [piece for each in recorder.scanned for piece in each]
    assert len(set(pieces)) == len(pieces)
    assert 1 < len(data.rounds) < 9


def test_rounds_end_when_few_new_ones_are_found(hunt):
    data, _ = hunt(
        Recorder(calls=[Call("chr1", 1, 9, "1", 0.9, "+", 5_000, 1)]), hard={"rounds": 5}
    )
    assert len(data.rounds) == 1


def test_rounds_count_what_they_did(hunt):
    data, recorder = hunt(Recorder(offsets=(3_000, 3_001)))
    (done,) = data.rounds
    assert done.scanned_bases == 10_000 * len(recorder.scanned[0]) == 100_000
    assert done.n_calls == 20
    assert done.calls_per_mb == pytest.approx((20 - done.n_near_sites) / 0.1)


def test_a_genome_too_small_to_scan_is_refused(hunt, inputs, tmp_path):
    regions = [(chrom, at - 3_000, at + 3_000) for chrom, at, _ in SITES if at % 10_000 < 5_000]
    small = write_rows(tmp_path / "small.bed", [(c, max(a, 0), b) for c, a, b in regions])
    with pytest.raises(DataError, match="no stretch of 10,000 bases of the training part"):
        hunt(where=replace(inputs, regions=small))


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_resembles_dev_or_test_is_no_hard_negative(hunt, inputs, tmp_path, is_kept):
    """A copy of a test row stands, far from any site, in a training block."""
    plain = build(inputs, replace(config_of(), hard=HardConfig()))
    copied = next(r.example for r in plain.parts.rows["test"] if r.example.strand == "+")
    home = next(r.example for r in plain.parts.rows["train"] if r.example.label == "0")
    genome = planted(toy_genome(), {(home.chrom, home.start + 200): copied.sequence})
    where = Inputs(inputs.sources, write_fasta(tmp_path / "copies.fa", genome))
    at = home.start + 250
    calls = [Call(home.chrom, at, at + 1, "1", 0.9, "+", at, 1)]
    data, _ = hunt(Recorder(calls=calls), where, keep_near_duplicates=is_kept)
    is_counted = "hard negatives near-duplicate to dev or test" in data.dropped.to_json()
    assert (len(hard_rows(data)), is_counted) == ((1, False) if is_kept else (0, True))
    found = {(e.part, e.other): e.n_exact for e in data.parts.after}
    assert found["train", "test"] == int(is_kept)


def test_a_row_that_trains_already_is_not_added_again(hunt, inputs):
    plain = build(inputs, replace(config_of(), hard=HardConfig()))
    home = next(r.example for r in plain.parts.rows["train"] if r.example.label == "0")
    at = home.start + 50
    data, _ = hunt(Recorder(calls=[Call(home.chrom, at, at + 1, "1", 0.9, home.strand, at, 1)]))
    assert hard_rows(data) == []
    assert (data.rounds[0].n_calls, data.rounds[0].n_new) == (1, 0)


def test_a_ready_model_is_scanned_with_as_it_is_and_then_trained(hunt, tiny_model):
    hard = {"arch": "bert", "model": str(tiny_model), "rounds": 2}
    data, recorder = hunt(hard=hard)
    assert recorder.models[0] == str(tiny_model)
    assert [done.n_train > 0 for done in data.rounds] == [False, True]
    (trained,) = recorder.trained
    assert (trained.config.arch, trained.config.base) == ("bert", str(tiny_model))


def test_a_model_of_other_classes_is_trained_from_the_first_round(
    hunt, inputs, tmp_path, tiny_model
):
    lines = [
        line
        for i in range(0, 280_000, 4_000)
        for line in transcript(f"t{i}", "chr1", "+", [(i + 500, i + 900), (i + 1_500, i + 3_000)])
    ]
    where = Inputs([write_rows(tmp_path / "a.gtf", lines)], inputs.genome)
    hard = {"arch": "bert", "model": str(tiny_model)}
    data, recorder = hunt(where=where, hard=hard, kind="splice", canonical=False)
    assert data.rounds[0].n_train > 0
    config = recorder.trained[0].config
    assert config.background == "none"
    assert config.candidates == ("GT:0", "AG:-2")
    assert {example.label for example in hard_rows(data)} == {"none"}


def test_a_call_at_a_splice_site_is_no_mistake_and_one_beside_it_is(hunt, inputs, tmp_path):
    lines = [
        line
        for i in range(0, 280_000, 4_000)
        for line in transcript(f"t{i}", "chr1", "+", [(i + 500, i + 900), (i + 1_500, i + 3_000)])
    ]
    where = Inputs([write_rows(tmp_path / "a.gtf", lines)], inputs.genome)
    plain = build(where, replace(config_of(kind="splice", canonical=False), hard=HardConfig()))
    donor = next(r.example for r in plain.parts.rows["train"] if r.example.label == "donor")
    at = donor.start + 200
    calls = [Call("chr1", at + o, at + o + 1, "donor", 0.9, "+", at + o, 1) for o in (0, 300)]
    data, _ = hunt(Recorder(calls=calls), where, kind="splice", canonical=False)
    assert [example.start + 200 for example in hard_rows(data)] == [at + 300]
    assert data.rounds[0].n_near_sites == 1


def motif_genome():
    """Sites under a motif, and the same motif where no site is."""
    texts = toy_genome()
    places = {}
    generator = np.random.default_rng(3)
    for chrom, at, strand in SITES:
        places[chrom, at - 8] = "GGATTACAGGCATTACC" if strand == "+" else "GGTAATGCCTGTAATCC"
    for chrom in texts:
        for at in generator.integers(0, 59, 40):
            places[chrom, 5_000 * int(at) + 4_800] = "GGATTACAGGCATTACC"
    return planted(texts, places)


def test_a_network_finds_motifs_where_no_site_is(inputs, tmp_path):
    where = Inputs(inputs.sources, write_fasta(tmp_path / "motif.fa", motif_genome()))
    data = build(where, config_of({"scan_bases": 40_000, "epochs": 1}))
    (done,) = data.rounds
    assert done.n_train > 0
    assert done.n_calls >= done.n_new > 0
    assert len(hard_rows(data)) == done.n_new
    assert not hard_rows(data, "dev")
    assert not hard_rows(data, "test")
    for example in hard_rows(data):
        gaps = [
            max(at - example.end, example.start - at) for c, at, _ in SITES if c == example.chrom
        ]
        assert min(gaps) >= 1_000
