"""`dnabert variants` cut short, in parts, and with all that can be added to scores."""

import json
import os
import threading

import pytest

from dnabert_cli.config import ComputeConfig
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.tasks import saturation_pictures, variant_blocks
from tests.formats.annotation_toys import indexed
from tests.variant_files import COLUMNS, FAST, FIRST, GENOME, META, TEXT, entries, other, records


class Watch:
    """Counts calls of the network, and breaks off before one."""

    def __init__(self, monkeypatch):
        self.n_calls, self.stop_at = 0, None
        compute = Ensemble.score_sequences

        def call(*arguments):
            self.n_calls += 1
            if self.n_calls == self.stop_at:
                raise KeyboardInterrupt
            return compute(*arguments)

        monkeypatch.setattr(variant_blocks, "UNIT_ALLELES", 2)
        monkeypatch.setattr(Ensemble, "score_sequences", call)


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


MODES = {
    "vcf": ([], "out.vcf"),
    "gz": ([], "out.vcf.gz"),
    "bcf": ([], "out.bcf"),
    "null": (["--null", 12, "--top", 4], "out.vcf"),
    "table": (["--null", 5], "out.tsv"),
    "haplotypes": (["--haplotypes"], "out.vcf"),
    "importance": (["--min-importance", 0.5], "out.vcf"),
}


@pytest.mark.parametrize("mode", ["vcf", "bcf", "null", "table", "importance"])
def test_a_resumed_run_writes_the_same_bytes_and_computes_the_rest_only(run, here, watch, mode):
    words, name = MODES[mode]
    assert run(*words, "-o", f"whole.{name}").code == 0
    n_calls, watch.n_calls, watch.stop_at = watch.n_calls, 0, 4

    stopped = run(*words, "-o", name)
    watch.n_calls, watch.stop_at = 0, None
    left = [path.name for path in here.glob("*out.*") if "whole" not in path.name]
    resumed = run(*words, "-o", name, "--resume")

    assert (stopped.code, left) == (130, [f".{name}.units"])
    assert resumed.code == 0
    assert watch.n_calls == n_calls - 3
    assert (here / name).read_bytes() == (here / f"whole.{name}").read_bytes()
    assert not (here / f".{name}.units").exists()


@pytest.mark.parametrize("mode", ["gz", "bcf", "null", "haplotypes"])
def test_shards_merged_are_one_run(run, dnabert, here, watch, monkeypatch, mode):
    words, name = MODES[mode]
    assert run(*words, "-o", f"whole.{name}").code == 0
    n_calls, watch.n_calls = watch.n_calls, 0
    for number in (1, 2):
        assert run(*words, "-o", f"part{number}", "--shard", f"{number}/2").code == 0
    assert watch.n_calls == n_calls

    result = dnabert("merge", "part2", "part1", "-o", name)

    assert result.code == 0
    assert watch.n_calls == n_calls
    assert (here / name).read_bytes() == (here / f"whole.{name}").read_bytes()


def test_a_merge_asks_for_no_device_of_the_shards(run, dnabert, here, monkeypatch):
    assert run("-o", "part", "--shard", "1/1").code == 0
    asked = []
    prepare = Ensemble.__init__

    def remember(self, models, compute):
        asked.append(compute)
        prepare(self, models, compute)

    monkeypatch.setattr(Ensemble, "__init__", remember)
    assert dnabert("merge", "part", "-o", "out.vcf").code == 0
    assert asked == [ComputeConfig(device="cpu", precision="fp32")]


def test_an_edited_genome_is_computed_anew(run, here, watch):
    """An edit that left size and time as they were used to give the scores of before."""
    genome = here / "g.fa"
    watch.stop_at = 5
    assert run("-o", "out.vcf").code == 130
    watch.stop_at = None
    edited = genome.read_text().replace(
        FIRST[95:115], FIRST[95:105] + other(FIRST[105]) + FIRST[106:115]
    )
    before = genome.stat()
    genome.write_text(edited)
    os.utime(genome, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run("-o", "out.vcf", "--resume").code == 0
    assert (here / "out.vcf").read_text() == run().out


def test_a_copied_genome_is_the_same_one(run, here, watch):
    """Shards of machines with a copy each could not be resumed or merged: the time differed."""
    watch.stop_at = 4
    run("-o", "out.vcf")
    watch.stop_at, watch.n_calls = None, 0
    os.utime(here / "g.fa", ns=(1, 1))
    assert run("-o", "out.vcf", "--resume").code == 0
    n_rest, watch.n_calls = watch.n_calls, 0
    run()
    assert n_rest == watch.n_calls - 3


def test_shards_of_a_map_hold_what_is_drawn_above_it(dnabert, regions, monkeypatch):
    """A merge used to ask the model for the importance again, or draw none."""
    assert saturate(dnabert, "-o", "whole.html").code == 0
    for number in (1, 2):
        assert saturate(dnabert, "-o", f"part{number}", "--shard", f"{number}/2").code == 0
    monkeypatch.setattr(saturation_pictures, "explain", None)
    assert dnabert("merge", "part1", "part2", "-o", "out.html").code == 0
    assert (regions / "out.html").read_bytes() == (regions / "whole.html").read_bytes()


def test_a_null_beside_a_map_is_refused(dnabert, regions):
    result = saturate(dnabert, "--null", 3, "-o", "m.html")
    assert result.code == 2
    assert "leave out --format, --null" in result.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_can_be_gone_through_twice(run, here):
    """`--vcf <(…) --top 3` used to find the pipe empty the second time."""
    os.mkfifo("pipe")
    writer = threading.Thread(target=(here / "pipe").write_text, args=(TEXT,))
    writer.start()
    result = run("--top", 3, vcf="pipe")
    writer.join()
    assert result.code == 0
    assert records(result.out) == records(run("--top", 3).out)


@pytest.fixture
def regions(here):
    (here / "r.bed").write_text("chr1\t50\t62\tsite\nchr2\t20\t25\n")
    return here


def saturate(dnabert, *words):
    return dnabert(
        "variants", "--saturate", "--regions", "r.bed", "--genome", "g.fa", "--model", "toy",
        *FAST, *words,
    )  # fmt: skip


def test_saturation_is_every_substitution_and_deletion(dnabert, regions):
    plain = saturate(dnabert)
    more = saturate(dnabert, "--deletions")
    table = saturate(dnabert, "--format", "tsv")

    found = [(one[0], int(one[1]) - 1, one[3], one[4]) for one in records(plain.out)]
    expected = [
        (chrom, at, GENOME[chrom][at], base)
        for chrom, start, end in (("chr1", 50, 62), ("chr2", 20, 25))
        for at in range(start, end)
        for base in "ACGT"
        if base != GENOME[chrom][at]
    ]
    assert found == expected
    assert "." not in entries(plain.out)
    assert "51 records: 51 scored, 0 skipped" in plain.err
    kinds = {len(one[3]) - len(one[4]) for one in records(more.out)}
    assert kinds == {0, 1}
    names = table.out.splitlines()[0].split("\t")
    column = names.index("DNABERT_toy_S")
    assert [one[column] for one in records(table.out)] == entries(plain.out)


def test_saturation_scores_as_a_file_of_the_same_records(dnabert, run, regions):
    text = saturate(dnabert).out
    assert entries(run(vcf="-", stdin=text).out) == entries(text)


@pytest.mark.parametrize(
    ("name", "start"),
    [("map.png", b"\x89PNG"), ("map.html", b"<!")],
)
def test_saturation_is_drawn_as_maps(dnabert, regions, name, start):
    (regions / "r.bed").write_text("chr1\t50\t62\tsite\n")
    result = saturate(dnabert, "-o", name)
    assert (result.code, result.out) == (0, "")
    (path,) = (each for each in regions.iterdir() if each.suffix == f".{name[4:]}")
    assert path.read_bytes().lower().startswith(start.lower())


def test_alleles_are_looked_up_and_tested_for_enrichment(run, here):
    at = FIRST[41]
    known = [
        f"chr1\t41\tk40\t{FIRST[40:43]}\t{FIRST[40]}\t.\t.\tSIG=path",
        f"chr1\t41\tk41\t{FIRST[40]}{at}\t{FIRST[40]}{other(at)}\t.\t.\tSIG=benign",
        "chr2\t91\tx\tN\tA\t.\t.\tSIG=other",
    ]
    meta = META + '##INFO=<ID=SIG,Number=1,Type=String,Description="Meaning">\n'
    indexed(here, f"{meta}{COLUMNS}\n" + "\n".join(known) + "\n")

    words = ["--annotate", "known.vcf.gz", "--fields", "SIG", "--strong", 0.000001]
    result = run(*words, "--enrichment", "e.tsv")

    assert result.code == 0
    assert entries(result.out, "SIG")[:3] == [".", "path", "benign"]
    assert "##INFO=<ID=SIG,Number=A,Type=String" in result.out
    assert "2 of 8 alleles found" in result.err
    table = records((here / "e.tsv").read_text())
    assert [one[:2] for one in table] == [["SIG", "<any>"], ["SIG", "benign"], ["SIG", "path"]]
    assert table[0][2] == "2"


def test_haplotypes_of_the_sample_are_scored(run):
    result = run("--haplotypes")
    assert result.code == 0
    found = entries(result.out, "DNABERT_toy_HAP2_S")
    assert found[0] == entries(result.out)[0]
    assert found[1] != entries(result.out)[1]
    assert entries(result.out, "DNABERT_toy_HAP1_S")[0] == "."


def test_the_strongest_are_written_with_ranks(run):
    sizes = [
        abs(float(one)) for text in entries(run().out) for one in text.split(",") if one != "."
    ]
    result = run("--top", 2, "--format", "tsv")
    names = result.out.splitlines()[0].split("\t")
    rows = records(result.out)
    ranked = {one[names.index("DNABERT_RANK")]: one[names.index("DNABERT_toy_S")] for one in rows}
    assert [abs(float(ranked[rank])) for rank in "12"] == sorted(sizes)[:-3:-1]
    assert len(rows) == 2


def test_a_null_from_standard_input_equals_one_from_a_file(run):
    named, piped = run("--null", 10), run("--null", 10, vcf="-", stdin=TEXT)
    assert named.code == 0
    assert entries(named.out, "DNABERT_toy_Q") == entries(piped.out, "DNABERT_toy_Q")
    assert 0 < float(entries(named.out, "DNABERT_toy_P")[0]) <= 1


def test_a_null_of_which_nothing_is_scored_is_one_line(run):
    result = run("--null", 5, "--min-importance", 1000)
    assert result.code == 1
    assert "--null" in result.err.splitlines()[-1]


def test_the_manifest_counts_and_names_what_was_read(run, here):
    (here / "in.vcf").write_text(TEXT.replace("##FILTER", "##reference=g.fa\n##FILTER"))
    run("-o", "o.vcf", "--manifest", "m.json", genome=None)
    values = json.loads((here / "m.json").read_text())
    assert values["command"] == "variants"
    assert values["counts"]["n_records"] == 8
    counts = values["counts"]
    skipped = counts["n_skipped_ref_mismatch"] + counts["n_skipped_not_in_a_window"]
    assert (counts["n_scored"], skipped) == (6, 2)
    assert [one["path"] for one in values["inputs"]] == ["in.vcf", "g.fa"]
