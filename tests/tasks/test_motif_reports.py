"""What `motifs` writes: places that hold what they say, matrices other programs read, one page."""

import io
import re

import pytest

from dnabert_cli.config import ComputeConfig
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DnabertError, OptionsError
from dnabert_cli.explain_config import KMERS, PAPER, ExplainConfig, MotifRules, MotifsConfig
from dnabert_cli.tasks import motifs as m
from dnabert_cli.tasks.motif_reports import (
    HIT_COLUMNS,
    MATCH_COLUMNS,
    TESTED_COLUMNS,
    MotifOutputs,
    summary,
    write_motifs,
)
from dnabert_cli.tasks.motifs import MotifInputs, motifs
from tests.motif_toys import HIGH, MOTIF, planted, random_sequences, seeing, write_fasta

COMPUTE = ComputeConfig(precision="fp32", threads=1)
CONFIG = MotifsConfig(compute=COMPUTE)
BY_KMERS = MotifsConfig(explain=ExplainConfig(method=KMERS), compute=COMPUTE)
BOTH = MotifRules(both_strands=True)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Return what is found in a motif planted on both strands, by a model that sees it."""

    def find(config=CONFIG, rules=BOTH, negatives=None, names=None, **inputs):
        monkeypatch.setattr(m, "explain", seeing(MOTIF))
        positives = write_fasta(tmp_path / "p.fa", planted(1, turned=True), names)
        negatives = negatives or random_sequences(2)
        given = MotifInputs(
            positives, write_fasta(tmp_path / "n.fa", negatives), models=["any"], **inputs
        )
        return motifs(given, config, rules)

    return find


def rows_of(path, columns):
    first, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert first == ["#" + columns[0], *columns[1:]]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def hits_of(found, tmp_path):
    write_motifs(found, MotifOutputs("/dev/null", hits=str(tmp_path / "hits.bed")))
    return rows_of(tmp_path / "hits.bed", HIT_COLUMNS)


def test_a_hit_says_where_the_motif_lies_in_its_sequence(seen, tmp_path):
    hits = hits_of(seen(), tmp_path)

    sequences = {f"p{i}": letters for i, letters in enumerate(planted(1, turned=True))}
    assert [hit["chrom"] for hit in hits] == list(sequences)
    assert [hit["strand"] for hit in hits] == ["+", "-"] * 30
    for hit in hits:
        letters = sequences[hit["chrom"]][int(hit["start"]) : int(hit["end"])]
        assert (letters if hit["strand"] == "+" else reverse_complement(letters)) == MOTIF
        assert (hit["sequence"], hit["name"], hit["score"]) == (MOTIF, f"1_{MOTIF}", "0")
        assert float(hit["importance"]) == HIGH


@pytest.mark.parametrize("trim", [True, False])
def test_a_hit_of_bed_lies_in_the_genome_on_either_strand(tmp_path, monkeypatch, trim):
    monkeypatch.setattr(m, "explain", seeing(MOTIF))
    genome = "".join(planted(1, turned=True))
    (tmp_path / "g.fa").write_text(f">chr1\n{genome}\n")
    strands = ["+-."[i // 2 % 3] for i in range(60)]  # a motif turned round on a strand of each
    for name, first in (("p", 0), ("n", 60 * 60)):
        rows = [f"chr1\t{60 * i + first}\t{60 * i + first + 60}\tx\t0\t{strands[i]}\n"
                for i in range(60)]  # fmt: skip
        (tmp_path / f"{name}.bed").write_text("".join(rows))
    genome += "".join(random_sequences(2))
    (tmp_path / "g.fa").write_text(f">chr1\n{genome}\n")
    inputs = MotifInputs(
        str(tmp_path / "p.bed"), str(tmp_path / "n.bed"), str(tmp_path / "g.fa"), models=["any"]
    )

    found = motifs(inputs, MotifsConfig(compute=COMPUTE, trim=trim), BOTH)
    hits = hits_of(found, tmp_path)

    assert [hit["strand"] for hit in hits] == ["+", "-"] * 30
    for i, hit in enumerate(hits):
        start, end = int(hit["start"]), int(hit["end"])
        letters = genome[start:end]
        assert (letters if hit["strand"] == "+" else reverse_complement(letters)) == hit["sequence"]
        assert 60 * i <= start < end <= 60 * i + 60
        assert hit["sequence"][0 if trim else 8 :][:8] == MOTIF
        assert end - start == (8 if trim else 24)


def test_hits_by_kmers_have_no_importance(tmp_path):
    inputs = MotifInputs(
        write_fasta(tmp_path / "p.fa", planted(1)),
        write_fasta(tmp_path / "n.fa", random_sequences(2)),
    )

    hits = hits_of(motifs(inputs, BY_KMERS, PAPER), tmp_path)

    assert {hit["importance"] for hit in hits} == {"."}
    assert {hit["strand"] for hit in hits} == {"+"}


def test_names_that_could_break_a_bed_or_a_page_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(m, "explain", seeing(MOTIF))
    names = [HOSTILE, "two words", "bell\x07", ""] * 15
    lines = [f"{name}\t{letters}\n" for name, letters in zip(names, planted(1), strict=True)]
    (tmp_path / "p.tsv").write_text("name\tsequence\n" + "".join(lines))
    negatives = write_fasta(tmp_path / "n.fa", random_sequences(2))
    (tmp_path / "known.meme").write_text(
        f"MEME version 4\n\nALPHABET= ACGT\n\nMOTIF {HOSTILE} {HOSTILE}\n"
        "letter-probability matrix: alength= 4 w= 1\n 1 0 0 0\n"
    )
    inputs = MotifInputs(
        str(tmp_path / "p.tsv"), negatives, models=[HOSTILE], database=str(tmp_path / "known.meme")
    )

    found = motifs(inputs, CONFIG, PAPER)
    write_motifs(found, MotifOutputs("/dev/null", report=tmp_path / "page"))

    chroms = [hit["chrom"] for hit in hits_of(found, tmp_path)]
    assert chroms[:4] == [HOSTILE, "two_words", "bell_", "sequence_4"]
    assert HOSTILE not in (tmp_path / "page" / "index.html").read_text()
    assert "&lt;script&gt;" in (tmp_path / "page" / "index.html").read_text()


@pytest.mark.parametrize("negatives", [None, planted(1, turned=True)])
@pytest.mark.parametrize("name", ["a.meme", "a.jaspar", "a.pfm", "a.txt"])
def test_biopython_reads_the_matrices_also_where_there_are_none(seen, tmp_path, name, negatives):
    bio = pytest.importorskip("Bio.motifs")
    found = seen(negatives=negatives)

    write_motifs(found, MotifOutputs(str(tmp_path / name)))

    kind = "jaspar" if name in {"a.jaspar", "a.pfm"} else "minimal"
    with (tmp_path / name).open() as handle:
        read = bio.parse(handle, kind)
    expected = [] if negatives else [MOTIF]
    assert [str(one.consensus) for one in read] == expected
    names = [one.matrix_id if kind == "jaspar" else one.name for one in read]
    assert names == [f"1_{word}" for word in expected]


@pytest.mark.parametrize("negatives", [None, planted(1, turned=True)])
def test_memelite_reads_the_matrices_also_where_there_are_none(seen, tmp_path, negatives):
    read_meme = pytest.importorskip("memelite.io").read_meme
    found = seen(negatives=negatives)

    write_motifs(found, MotifOutputs(str(tmp_path / "a.meme")))

    names = list(read_meme(str(tmp_path / "a.meme")))
    assert names == ([] if negatives else [f"1_{MOTIF} {MOTIF}"])


@pytest.mark.parametrize(
    ("name", "fmt", "first"),
    [
        ("a.jaspar.gz", None, ">1_"),
        ("a.jaspar", "meme", "MEME version 4"),
        ("a.txt", "jaspar", ">1_"),
    ],
)
def test_the_format_follows_the_suffix_unless_it_is_named(seen, tmp_path, name, fmt, first):
    from dnabert_cli.formats.files import open_text

    write_motifs(seen(), MotifOutputs(str(tmp_path / name), fmt))

    with open_text(str(tmp_path / name)) as handle:
        assert handle.read().startswith(first)


@pytest.mark.parametrize(("rules", "strands"), [(BOTH, "+ -"), (PAPER, "+")])
def test_a_meme_file_says_which_strands_were_searched(seen, tmp_path, rules, strands):
    write_motifs(seen(rules=rules), MotifOutputs(str(tmp_path / "a.meme")))

    assert f"\nstrands: {strands}\n" in (tmp_path / "a.meme").read_text()


def test_every_candidate_is_listed_best_first(seen, tmp_path):
    found = seen()

    write_motifs(found, MotifOutputs("/dev/null", tested=str(tmp_path / "t.tsv")))

    rows = rows_of(tmp_path / "t.tsv", TESTED_COLUMNS)
    assert len(rows) == len(found.results[0].candidates) == 1
    assert [rows[0][name] for name in TESTED_COLUMNS[:3]] == ["positive", MOTIF, "60"]


def test_candidates_of_two_classes_are_told_apart(tmp_path):
    inputs = MotifInputs(
        write_fasta(tmp_path / "p.fa", planted(1, 20)),
        write_fasta(tmp_path / "n.fa", planted(2, 20, motif="GGATTACA")),
    )
    config = MotifsConfig(explain=BY_KMERS.explain, differential=True)
    found = motifs(inputs, config, PAPER)

    write_motifs(found, MotifOutputs("/dev/null", tested=str(tmp_path / "t.tsv")))

    rows = rows_of(tmp_path / "t.tsv", TESTED_COLUMNS)
    best = {name: next(row for row in rows if row["class"] == name) for name in "ab"}
    assert best["a"]["sequence"] in MOTIF
    assert best["b"]["sequence"] in "GGATTACA"
    p_values = [float(row["p_value"]) for row in rows if row["class"] == "b"]
    assert p_values == sorted(p_values)
    assert dict(summary(found))["motifs"] == "2: 1 of the first class (a), 1 of the second (b)"


def test_matches_have_a_row_per_motif(seen, tmp_path):
    rows = "\n".join(" ".join("01"[letter == one] for one in "ACGT") for letter in MOTIF)
    (tmp_path / "known.meme").write_text(
        "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF other\n"
        "letter-probability matrix: alength= 4 w= 2\n 0.5 0 0.5 0\n 0 1 0 0\n\n"
        f"MOTIF it planted\nletter-probability matrix: alength= 4 w= 8\n{rows}\n"
    )
    found = seen(database=str(tmp_path / "known.meme"))

    write_motifs(found, MotifOutputs("/dev/null", matches=str(tmp_path / "m.tsv")))

    (row,) = rows_of(tmp_path / "m.tsv", MATCH_COLUMNS)
    assert [row[name] for name in ("motif", "consensus", "key")] == [f"1_{MOTIF}", MOTIF, MOTIF]
    assert [row[name] for name in ("n_instances", "n_positive", "n_negative")] == ["60", "60", "0"]
    assert [row[name] for name in ("match", "match_name", "offset", "overlap", "orientation")] == [
        "it", "planted", "0", "8", "+",
    ]  # fmt: skip


def test_matches_of_an_empty_database_are_missing_values(seen, tmp_path):
    (tmp_path / "none.meme").write_text("MEME version 4\n")

    found = seen(database=str(tmp_path / "none.meme"))
    write_motifs(found, MotifOutputs("/dev/null", matches=str(tmp_path / "m.tsv")))

    (row,) = rows_of(tmp_path / "m.tsv", MATCH_COLUMNS)
    assert {row[name] for name in MATCH_COLUMNS[8:]} == {"."}


def test_the_page_is_one_file_with_all_motifs(seen, tmp_path):
    found = seen(rules=PAPER)  # on one strand two motifs

    write_motifs(found, MotifOutputs("/dev/null", report=tmp_path / "page"))

    assert [path.name for path in (tmp_path / "page").iterdir()] == ["index.html"]
    page = (tmp_path / "page" / "index.html").read_text()
    names = re.findall(r'<span class="name">([^<]+)</span>', page)
    assert names == [one.motif.name for one in found.motifs]
    assert len(names) == 2
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]', page)


def test_places_are_shares_of_sequences_of_any_length(tmp_path, monkeypatch):
    monkeypatch.setattr(m, "explain", seeing(MOTIF))
    short, long = MOTIF.center(40, "A"), MOTIF.center(400, "A")
    inputs = MotifInputs(
        write_fasta(tmp_path / "p.fa", [short, long] * 20),
        write_fasta(tmp_path / "n.fa", random_sequences(2)),
        models=["any"],
    )

    write_motifs(motifs(inputs, CONFIG, PAPER), MotifOutputs("/dev/null", report=tmp_path / "page"))

    page = (tmp_path / "page" / "index.html").read_text()
    assert "40 instances, most of them (40) between 0.5 and 0.55" in page


def test_an_empty_result_is_a_page_that_says_why(seen, tmp_path):
    found = seen(negatives=planted(1, turned=True))

    write_motifs(found, MotifOutputs("/dev/null", report=tmp_path / "page"))

    page = (tmp_path / "page" / "index.html").read_text()
    assert "<p>no motif: none of 1 candidates is enriched" in page
    assert "<table" not in page


def test_the_summary_tells_of_regions_that_were_left_out(seen):
    facts = dict(summary(seen()))
    assert (facts["positives"], facts["high regions"], facts["asked"]) == ("60", "60", "any")

    class Left:
        n_regions, n_left_out, candidates = 1200, 3, ()

    found = seen()
    found.results[0] = Left
    assert dict(summary(found))["high regions"] == (
        "1,200, of which 3 hold other letters than A, C, G, T"
    )


def test_outputs_that_cannot_be_written_are_refused(tmp_path):
    read = write_fasta(tmp_path / "read.fa", ["ACGT"])
    (tmp_path / "file").write_text("")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("")
    file = str(tmp_path / "file")
    for outputs, error, message in [
        (MotifOutputs("-", "png"), OptionsError, "--format png is unknown; known: meme, jaspar"),
        (MotifOutputs("-", matches="x"), OptionsError, "--matches needs a --database"),
        (MotifOutputs("-", report=tmp_path / "file"), OptionsError, "is a file; name a folder"),
        (MotifOutputs("-", report=tmp_path / "no" / "r"), OptionsError, "parent folder does not"),
        (MotifOutputs("-", report=tmp_path / "page"), DnabertError, "index.html exists already"),
        (MotifOutputs(file), DnabertError, "file exists already"),
        (MotifOutputs("-", hits="-"), OptionsError, "- is named for two outputs"),
        (MotifOutputs("-", hits=read, force=True), OptionsError, "is both input and output"),
    ]:
        with pytest.raises(error, match=message):
            outputs.check([read], None)
    MotifOutputs("-", hits=file, report=tmp_path / "page", force=True).check([], None)


def test_nothing_but_what_is_asked_for_is_written(seen, tmp_path, capsys):
    found = seen()
    before = sorted(tmp_path.iterdir())

    write_motifs(found, MotifOutputs("-"))

    assert sorted(tmp_path.iterdir()) == before
    assert io.StringIO(capsys.readouterr().out).readline() == "MEME version 4\n"
