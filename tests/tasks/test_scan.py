"""A scan equals the obvious slow way, wherever its units lie."""

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, ScanConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, ModelError
from dnabert_cli.records import Interval
from dnabert_cli.tasks import scan as module
from dnabert_cli.tasks.scan import merged, scan
from tests.toys import save_bert

WINDOW, STRIDE, ANCHOR = 30, 5, 10
COMPUTE = ComputeConfig(precision="fp32", threads=1)
ALL = ScanConfig(all_windows=True, compute=COMPUTE)
CALLS = ScanConfig(compute=COMPUTE)


def random_sequence(n_bases, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n_bases))


@pytest.fixture
def genome(tmp_path):
    """Three records: with N and lower case, shorter than a window, shorter than k."""
    long = random_sequence(400)
    long = long[:100] + "N" * 60 + long[160:250].lower() + long[250:]
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1 first\n{long}\n>short\n{random_sequence(22, 1)}\n>tiny\nAC\n")
    return path


def slow_windows(tiny_model, name, sequence, *, stride=STRIDE, max_unknown=0.1):
    """Every window cut out and predicted by itself."""
    window = min(WINDOW, len(sequence))
    starts = list(range(0, len(sequence) - window + 1, stride))
    if starts[-1] != len(sequence) - window:
        starts.append(len(sequence) - window)
    rows = []
    with Ensemble([load_model(tiny_model)], COMPUTE) as ensemble:
        for start in starts:
            piece = sequence[start : start + window].upper()
            if piece.count("N") > max_unknown * window:
                continue
            for strand in "+-":
                read = reverse_complement(piece) if strand == "-" else piece
                score = float(ensemble.score_sequences([read])[0, 1])
                rows.append((name, start, start + window, "promoter", score, strand))
    return rows


def assert_same_rows(found, expected):
    assert [row[:4] + row[5:] for row in found] == [row[:4] + row[5:] for row in expected]
    assert np.abs(np.subtract([r[4] for r in found], [r[4] for r in expected])).max() < 1e-5


@pytest.mark.parametrize("unit", [1 << 18, 64, 7])
def test_all_windows_equal_windows_predicted_one_by_one(genome, tiny_model, monkeypatch, unit):
    monkeypatch.setattr(module, "UNIT_BASES", unit)
    long, short = (record.split("\n")[1] for record in genome.read_text().split(">")[1:3])

    found = list(scan(str(genome), [str(tiny_model)], ALL).windows)

    expected = slow_windows(tiny_model, "chr1", long) + slow_windows(tiny_model, "short", short)
    assert_same_rows(found, expected)
    assert {row[5] for row in found} == {"+", "-"}


@pytest.mark.parametrize("unit", [64, 7])
def test_calls_do_not_depend_on_unit_borders(genome, tiny_model, monkeypatch, unit):
    whole = list(scan(str(genome), [str(tiny_model)], CALLS).calls)
    monkeypatch.setattr(module, "UNIT_BASES", unit)

    cut = list(scan(str(genome), [str(tiny_model)], CALLS).calls)

    assert len(whole) > 3
    assert [(c.chrom, c.start, c.end, c.strand, c.summit, c.n_windows) for c in cut] == [
        (c.chrom, c.start, c.end, c.strand, c.summit, c.n_windows) for c in whole
    ]
    assert [c.probability for c in cut] == pytest.approx([c.probability for c in whole], abs=1e-5)


def test_the_summit_is_the_anchor_of_the_best_window(genome, tiny_model):
    windows = list(scan(str(genome), [str(tiny_model)], ALL).windows)

    for call in scan(str(genome), [str(tiny_model)], CALLS).calls:
        inside = [
            row
            for row in windows
            if row[0] == call.chrom
            and row[5] == call.strand
            and call.start <= row[1]
            and row[2] <= call.end
        ]
        best = max(inside, key=lambda row: row[4])
        anchor = min(ANCHOR, best[2] - best[1] - 1)
        assert call.probability == pytest.approx(best[4], abs=1e-5)
        assert call.summit == (best[1] + anchor if call.strand == "+" else best[2] - 1 - anchor)


def test_windows_with_too_many_n_are_skipped_and_counted(tmp_path, tiny_model):
    path = tmp_path / "n.fa"
    path.write_text(">a\n" + "N" * 100 + random_sequence(30) + "\n")

    run = scan(str(path), [str(tiny_model)], ALL)
    rows = list(run.windows)

    # windows start at 0, 5 .. 100; with more than 3 N they are skipped: all but the last
    assert [(row[1], row[5]) for row in rows] == [(100, "+"), (100, "-")]
    assert (run.counts.n_windows, run.counts.n_skipped_unknown) == (2, 40)
    assert "40 windows with too many N skipped" in run.counts.summary()


def test_stretches_of_n_cost_no_tokens(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setattr(module, "UNIT_BASES", 100)
    path = tmp_path / "n.fa"
    path.write_text(">a\n" + "n" * 1000 + "\n")
    monkeypatch.setattr(Ensemble, "score_windows", None)  # must not be called

    run = scan(str(path), [str(tiny_model)], ALL)

    assert list(run.windows) == []
    assert run.counts.n_skipped_unknown == 2 * 195


def test_one_strand_is_half_of_both(genome, tiny_model):
    both = list(scan(str(genome), [str(tiny_model)], ALL).windows)
    minus = ScanConfig(all_windows=True, strand="-", compute=COMPUTE)

    found = list(scan(str(genome), [str(tiny_model)], minus).windows)

    assert_same_rows(found, [row for row in both if row[5] == "-"])


def test_regions_are_scanned_in_genome_coordinates(genome, tiny_model, tmp_path):
    bed = tmp_path / "regions.bed"
    bed.write_text("chr1\t250\t330\nchr1\t0\t50\nchr1\t40\t60\n")
    sequence = genome.read_text().split("\n")[1]

    found = list(scan(str(genome), [str(tiny_model)], ALL, regions=str(bed)).windows)

    expected = [
        (name, start + offset, end + offset, *rest)
        for offset, stop in ((0, 60), (250, 330))
        for name, start, end, *rest in slow_windows(tiny_model, "chr1", sequence[offset:stop])
    ]
    assert_same_rows(found, expected)


def test_overlapping_regions_are_joined():
    intervals = [
        Interval("b", 5, 9),
        Interval("a", 0, 4),
        Interval("b", 0, 6),
        Interval("b", 9, 10),
    ]

    assert merged(intervals) == [Interval("b", 0, 9), Interval("b", 9, 10), Interval("a", 0, 4)]


def test_candidates_are_scanned_where_they_stand(tmp_path):
    task = TaskConfig(
        k=3,
        classes=("neither", "donor", "acceptor"),
        window=20,
        anchor=10,
        candidates=(("GT", 0), ("AG", -2)),
    )
    model = save_bert(tmp_path / "splice", task)
    sequence = random_sequence(150, 4)
    (tmp_path / "g.fa").write_text(f">a\n{sequence}\n")

    rows = list(scan(str(tmp_path / "g.fa"), [str(model)], ALL).windows)

    expected = []
    for start in range(131):
        for strand in "+-":
            piece = sequence[start : start + 20]
            piece = reverse_complement(piece) if strand == "-" else piece
            if piece[10:12] == "GT" or piece[8:10] == "AG":
                expected.append((start, strand))
    assert [(row[1], row[5]) for row in rows] == expected
    assert {row[3] for row in rows} <= {"donor", "acceptor"}


def test_progress_counts_every_base_once(genome, tiny_model, monkeypatch):
    monkeypatch.setattr(module, "UNIT_BASES", 50)

    class Watch:
        done = 0

        def start(self, label, total, unit):
            assert (label, unit) == ("scan", "bases")

        def advance(self, amount, note=""):
            assert amount >= 0
            self.done += amount

        def finish(self):
            pass

    watch = Watch()
    list(scan(str(genome), [str(tiny_model)], ALL, progress=watch).windows)

    assert watch.done == 422


def test_a_genome_of_nothing_is_an_error(tmp_path, tiny_model):
    (tmp_path / "regions.bed").write_text("# nothing\n")
    (tmp_path / "g.fa").write_text(">a\nACGT\n")

    with pytest.raises(DataError, match="nothing to scan"):
        list(
            scan(
                str(tmp_path / "g.fa"),
                [str(tiny_model)],
                ALL,
                regions=str(tmp_path / "regions.bed"),
            ).windows
        )


def test_a_model_without_a_window_is_refused_before_anything_is_read(tmp_path):
    model = save_bert(tmp_path / "m", TaskConfig(k=3, classes=("a", "b")))

    with pytest.raises(ModelError, match="has no window and cannot scan"):
        scan("absent.fa", [str(model)], ALL)
