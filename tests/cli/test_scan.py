"""`dnabert scan` as a user calls it: streams, files, errors, pipes."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

COLUMNS = "#chrom\tstart\tend\tname\tscore\tstrand\tprobability\tsummit\tn_windows"
PROGRAM = [sys.executable, "-m", "dnabert_cli"]


@pytest.fixture
def genome(tmp_path):
    generator = np.random.default_rng(1)
    records = (
        f">{name}\n" + "".join(generator.choice(list("ACGT"), 500)) + "\n"
        for name in ("chr2", "chr10")
    )
    path = tmp_path / "genome.fa"
    path.write_text("".join(records))
    return path


def rows_of(text):
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


def test_calls_are_bed_in_the_order_of_the_fasta(dnabert, genome, tiny_model):
    result = dnabert("scan", genome, "--model", tiny_model)

    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == COLUMNS
    rows = rows_of(result.out)
    assert len(rows) > 3
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), key=["chr2", "chr10"].index)
    for chrom in ("chr2", "chr10"):
        starts = [int(row[1]) for row in rows if row[0] == chrom]
        assert starts == sorted(starts)
    for row in rows:
        assert int(row[1]) <= int(row[7]) < int(row[2])
        assert (
            int(row[4]) == min(int(1000 * float(row[6])), 1000)
            or abs(int(row[4]) - 1000 * float(row[6])) <= 1
        )
        assert row[5] in "+-"
    assert "2 sequences, 1,000 bases" in result.err
    assert f"{len(rows)} calls" in result.err


def test_stdin_and_gzip_give_the_same_rows(dnabert, genome, tiny_model, tmp_path):
    (tmp_path / "genome.fa.gz").write_bytes(gzip.compress(genome.read_bytes()))

    plain = dnabert("scan", genome, "--model", tiny_model).out
    packed = dnabert("scan", tmp_path / "genome.fa.gz", "--model", tiny_model).out
    piped = dnabert("scan", "-", "--model", tiny_model, stdin=genome.read_bytes()).out

    assert plain == packed == piped


def test_an_output_file_equals_stdout_and_is_not_overwritten(dnabert, genome, tiny_model, tmp_path):
    out = tmp_path / "calls.bed"
    expected = dnabert("scan", genome, "--model", tiny_model).out

    first = dnabert("scan", genome, "--model", tiny_model, "-o", out)
    second = dnabert("scan", genome, "--model", tiny_model, "-o", out)
    third = dnabert("scan", genome, "--model", tiny_model, "-o", out, "--force", "--no-header")

    assert (first.code, first.out) == (0, "")
    assert second.code == 1
    assert "exists already (hint: overwrite it with --force)" in second.err
    assert third.code == 0
    assert out.read_text() == "".join(expected.splitlines(keepends=True)[1:])


def test_all_windows_lists_every_window_once(dnabert, genome, tiny_model):
    result = dnabert("scan", genome, "--model", tiny_model, "--all-windows", "--stride", "10")

    rows = rows_of(result.out)
    places = [(row[0], int(row[1]), row[5]) for row in rows]
    assert len(set(places)) == len(places) == 2 * 2 * (470 // 10 + 1)
    assert {int(row[2]) - int(row[1]) for row in rows} == {30}


def test_nothing_called_is_a_header_and_a_sentence(dnabert, genome, tiny_model):
    result = dnabert("scan", genome, "--model", tiny_model, "--threshold", "1")

    assert (result.code, result.out) == (0, COLUMNS + "\n")
    assert ": 0 calls" in result.err


def test_the_manifest_says_what_made_the_result(dnabert, genome, tiny_model, tmp_path):
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in paths:
        assert dnabert("scan", genome, "--model", tiny_model, "--manifest", path).code == 0

    values = json.loads(paths[0].read_text())
    assert values["command"] == "scan"
    assert values["counts"]["n_records"] == 2
    assert len(values["inputs"][0]["sha256"]) == len(values["models"][0]["sha256"]) == 64
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"chr1\t5\t10\n", "FASTA"),
        (b">a\nACGT\n>a\nACGT\n", "a"),
        (b">a\nMKVLWQEF\n", "a"),
        (gzip.compress(b">a\n" + b"ACGTGGTC" * 5000, mtime=0)[:-20], "truncated"),
    ],
)
def test_a_broken_genome_is_one_line_and_no_output(dnabert, tmp_path, tiny_model, content, message):
    path = tmp_path / "broken.fa"
    path.write_bytes(content)

    result = dnabert("scan", path, "--model", tiny_model, "-o", tmp_path / "out.bed")

    assert (result.code, result.out) == (1, "")
    (line,) = [line for line in result.err.splitlines() if "error" in line]
    assert "broken.fa" in line
    assert message in line
    assert not (tmp_path / "out.bed").exists()


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("chr2\t100\t900\n", "500"),
        ("2\t0\t100\n", "chr2"),
        ("chr2\t100\t50\n", "regions.bed:1"),
        ("chr2 0 100\n", "regions.bed:1"),
    ],
)
def test_regions_that_do_not_fit_are_one_line(
    dnabert, genome, tiny_model, tmp_path, region, message
):
    (tmp_path / "regions.bed").write_text(region)

    result = dnabert("scan", genome, "--model", tiny_model, "--regions", tmp_path / "regions.bed")

    assert (result.code, result.out) == (1, "")
    assert message in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no model: name one with --task or --model"),
        (["--task", "prom", "--model", "x"], "leave it or --model out"),
        (["--task", "no-such-task"], "no model is bundled for --task no-such-task"),
        (["--model", "TINY", "--threshold", "1.5"], "--threshold is a probability"),
        (["--model", "TINY", "--strand", "x"], "--strand x is unknown"),
        (["--model", "TINY", "--precision", "fp8"], "--precision fp8 is unknown"),
        (["--model", "TINY", "--stride", "0"], "--stride"),
        (["--model", "TINY", "-o", "GENOME", "--force"], "is both input and output"),
    ],
)
def test_contradicting_options_exit_with_2(dnabert, genome, tiny_model, arguments, message):
    words = {"TINY": tiny_model, "GENOME": genome}

    result = dnabert("scan", genome, *(words.get(word, word) for word in arguments))

    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_the_model_that_is_missing_is_named(dnabert, genome):
    result = dnabert("scan", genome, "--model", "absent")

    assert result.code == 1
    assert "no model 'absent': neither a folder nor a bundled model" in result.err


@pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")
def test_bedtools_reads_the_calls_from_a_pipe(genome, tiny_model, tmp_path):
    (tmp_path / "all.bed").write_text("chr2\t0\t500\nchr10\t0\t500\n")
    scan = subprocess.run(
        [*PROGRAM, "scan", genome, "--model", tiny_model, "-q"], capture_output=True, check=True
    )

    window = subprocess.run(
        ["bedtools", "window", "-w", "10", "-a", "-", "-b", tmp_path / "all.bed"],
        input=scan.stdout,
        capture_output=True,
        check=True,
    )

    assert scan.stderr == window.stderr == b""
    assert window.stdout.count(b"\n") == scan.stdout.count(b"\n") - 1


@pytest.mark.skipif(shutil.which("tabix") is None, reason="tabix is not installed")
def test_tabix_indexes_a_compressed_output(dnabert, genome, tiny_model, tmp_path):
    out = tmp_path / "calls.bed.gz"
    assert dnabert("scan", genome, "--model", tiny_model, "-o", out).code == 0

    subprocess.run(["tabix", "-p", "bed", out], check=True)
    found = subprocess.run(["tabix", out, "chr10"], capture_output=True, check=True, text=True)

    text = gzip.decompress(out.read_bytes()).decode()
    calls = [row for row in rows_of(text) if row[0] == "chr10"]
    assert rows_of(found.stdout) == calls


def test_a_closed_pipe_is_silent(genome, tiny_model):
    command = [*map(str, (*PROGRAM, "scan", genome, "--model", tiny_model, "--all-windows"))]
    command += ["--stride", "1", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
        code = process.wait(30)

    assert (code, error) == (141, b"")


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_file_and_no_traceback(tmp_path, tiny_model, number, expected):
    """The run is made long by a genome of 40 Mb; it must end at once."""
    genome = tmp_path / "long.fa"
    genome.write_text(">a\n" + "ACGTTGCAAC" * 4_000_000 + "\n")
    out = tmp_path / "calls.bed"
    command = [*map(str, (*PROGRAM, "scan", genome, "--model", tiny_model, "-o", out))]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and not list(tmp_path.glob(".calls*")):
            time.sleep(0.1)
        time.sleep(0.5)
        os.kill(process.pid, number)
        error = process.stderr.read()
        code = process.wait(30)

    assert code == expected
    assert b"Traceback" not in error
    assert list(tmp_path.glob("*calls*")) == []
