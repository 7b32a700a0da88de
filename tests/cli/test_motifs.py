"""`dnabert motifs` as a user calls it."""

from dataclasses import replace

import pytest

from dnabert_cli.config import TaskConfig
from dnabert_cli.explain_config import KMERS, LEGACY, MotifRules
from dnabert_cli.tasks import motifs as m
from tests.motif_toys import MOTIF, planted, random_sequences, seeing, write_fasta
from tests.toys import save_bert

FP32 = ("--precision", "fp32", "--threads", "1")
BY_KMERS = ("--method", KMERS)


@pytest.fixture
def files(tmp_path):
    return (
        write_fasta(tmp_path / "p.fa", planted(1)),
        write_fasta(tmp_path / "n.fa", random_sequences(2)),
    )


def names_of(text):
    return [line.split()[1:] for line in text.splitlines() if line.startswith("MOTIF")]


def test_two_files_give_motifs_on_stdout(dnabert, files):
    result = dnabert("motifs", *files, *BY_KMERS)

    assert result.code == 0
    assert result.out.startswith("MEME version 4\n")
    (_, consensus), *_ = names_of(result.out)
    assert MOTIF in consensus
    assert "dnabert: positives: 60\n" in result.err
    assert "dnabert: asked: k-mers, no model\n" in result.err


def test_one_file_is_held_against_itself_shuffled(dnabert, files):
    result = dnabert("motifs", files[0], *BY_KMERS)

    assert result.code == 0
    assert MOTIF in names_of(result.out)[0][1]
    assert "dnabert: negatives: 60 (shuffled positives)\n" in result.err


def test_positives_may_come_from_standard_input(dnabert, files, tmp_path):
    expected = dnabert("motifs", *files, *BY_KMERS)

    result = dnabert("motifs", "-", files[1], *BY_KMERS, stdin=(tmp_path / "p.fa").read_bytes())

    assert (result.code, result.out) == (0, expected.out)


def test_no_motif_is_a_result(dnabert, tmp_path):
    files = [write_fasta(tmp_path / f"{i}.fa", random_sequences(i)) for i in (6, 7)]
    out = tmp_path / "out.meme"

    result = dnabert("motifs", *files, *BY_KMERS, "-o", out)

    assert (result.code, result.out) == (0, "")
    assert "dnabert: motifs: 0\n" in result.err
    assert result.err.splitlines()[-1].startswith("dnabert: no motif: none of ")
    assert out.read_text().startswith("MEME version 4\n")
    assert "MOTIF" not in out.read_text()


def test_from_nothing_but_a_base_and_then_with_the_model_kept(dnabert, tmp_path):
    base = save_bert(tmp_path / "base", TaskConfig(k=3, classes=("a", "b")))
    boxed = [one[:14] + "TATAAATA" + one[22:] for one in random_sequences(3, 80, 40)]
    files = (
        write_fasta(tmp_path / "boxed.fa", boxed),
        write_fasta(tmp_path / "plain.fa", random_sequences(4, 80, 40)),
    )
    rules = ("--min-length", 3, "--window", 12)
    training = ("--base", base, "--epochs", 8, "--learning-rate", 0.002)
    kept = tmp_path / "kept"

    first = dnabert("motifs", *files, *rules, *training, *FP32, "--save-model", kept)
    again = dnabert("motifs", *files, *rules, *FP32, "--model", kept)

    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert "AUROC" in first.err
    assert "rows kept aside" in first.err
    assert "TATAAATA" in names_of(first.out)[0][1]
    assert again.out == first.out


def test_equal_calls_give_equal_files(dnabert, files, tmp_path):
    names = ("a.meme", "a.bed", "a.tsv", "page/index.html")
    outputs = []
    for run in ("one", "two"):
        folder = tmp_path / run
        folder.mkdir()
        result = dnabert(
            "motifs", files[0], *BY_KMERS, "--both-strands", "--seed", 3, "-o", folder / "a.meme",
            "--hits", folder / "a.bed", "--tested", folder / "a.tsv", "--report", folder / "page",
        )  # fmt: skip
        assert result.code == 0
        outputs.append([(folder / name).read_bytes() for name in names])

    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), MotifRules()),
        (("--legacy",), LEGACY),
        (("--legacy", "--min-length", 4), replace(LEGACY, min_length=4)),
        (
            ("--above-mean", 2, "--above-min", 3, "--max-q", 0.1, "--window", 10,
             "--min-instances", 5, "--both-strands"),
            MotifRules(above_mean=2, above_min=3, max_q=0.1, window=10, min_instances=5,
                       both_strands=True),
        ),
    ],
)  # fmt: skip
def test_rules_reach_the_analysis(dnabert, files, tiny_model, monkeypatch, options, expected):
    used = []
    find_motifs = m.find_motifs

    def explain(sequences, models, config, *_, **__):
        used.append((models, config.legacy))
        return seeing(MOTIF)(sequences)

    def find(*given):
        used.append(given[3])
        return find_motifs(*given)

    monkeypatch.setattr(m, "explain", explain)
    monkeypatch.setattr(m, "find_motifs", find)

    result = dnabert("motifs", *files, "--model", tiny_model, *options)

    assert result.code == 0, result.err
    (models, asked), rules = used
    assert models == [str(tiny_model)]
    assert rules == expected
    assert asked is expected.legacy


def test_max_sequences_takes_the_first(dnabert, files):
    result = dnabert("motifs", *files, *BY_KMERS, "--max-sequences", 10)

    assert result.code == 0
    assert "p.fa: only the first 10 sequences are read" in result.err
    assert "dnabert: positives: 10\n" in result.err


def test_no_header_leaves_it_out_of_every_table(dnabert, files, tmp_path):
    hits, tested = tmp_path / "h.bed", tmp_path / "t.tsv"

    dnabert("motifs", *files, *BY_KMERS, "--hits", hits, "--tested", tested, "--no-header")

    assert hits.read_text().startswith("p0\t")
    assert tested.read_text().startswith("positive\t")


def test_jaspar_is_asked_for_by_name(dnabert, files):
    result = dnabert("motifs", *files, *BY_KMERS, "--format", "jaspar")

    assert result.out.startswith(">1_")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "standard input: is empty"),
        (">p\nMKVLAAGGEE\n", "this looks like protein"),
        ("chr1\t0\t30\n", "add --genome"),
    ],
)
def test_input_that_cannot_be_read_is_one_line(dnabert, files, text, message):
    result = dnabert("motifs", "-", files[1], *BY_KMERS, stdin=text)

    assert (result.code, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "guess"), "--method guess is unknown; known: attention, ig, ism, kmers"),
        ((*BY_KMERS, "--matches", "m.tsv"), "--matches needs a --database"),
        ((*BY_KMERS, "--legacy", "--both-strands"), "legacy and both_strands contradict"),
        ((*BY_KMERS, "--model", "prom"), "leave --model out"),
        ((*BY_KMERS, "--base", "none"), "leave --base out"),
        ((*BY_KMERS, "--epochs", "3"), "leave --epochs out"),
        ((*BY_KMERS, "--max-q", "nan"), "max_q is nan"),
        (("--legacy",), "add --token-stride 1"),
        (("--layer", "9"), "--layer 9: dnabert-6-compact has 4 layers"),
    ],
)
def test_options_that_cannot_be_are_refused(dnabert, files, options, message):
    result = dnabert("motifs", *files, *options)

    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[-1]


def test_one_file_named_twice_is_refused(dnabert, files):
    result = dnabert("motifs", files[0], files[0], *BY_KMERS)

    assert (result.code, result.out) == (2, "")
    assert "is named for positives and negatives" in result.err


def test_what_is_there_already_is_overwritten_only_if_asked(dnabert, files, tmp_path):
    out = tmp_path / "a.meme"
    out.write_text("mine")

    assert dnabert("motifs", *files, *BY_KMERS, "-o", out).code == 1
    assert out.read_text() == "mine"
    assert dnabert("motifs", *files, *BY_KMERS, "-o", out, "--force").code == 0
    assert out.read_text().startswith("MEME")
