import gzip
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.meme import find_motif, read_motifs, write_jaspar, write_meme
from dnabert_cli.records import Motif

HEAD = "MEME version 4\n\nALPHABET= ACGT\n\n"
ARNT = """\
MOTIF MA0004.1 Arnt
letter-probability matrix: alength= 4 w= 2 nsites= 20 E= 1.5e-8
 0.2 0.8 0.0 0.0
 1.0 0.0 0.0 0.0

"""
ARNT_MOTIF = Motif("MA0004.1", ((0.2, 0.8, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)), "Arnt", 20, 1.5e-8)
JASPAR = ">MA0004.1\tArnt\nA  [ 4 19 ]\nC  [ 16  1 ]\nG  [ 0 0 ]\nT  [ 0 0 ]\n"
COUNTED = Motif("MA0004.1", ((0.2, 0.8, 0.0, 0.0), (0.95, 0.05, 0.0, 0.0)), "Arnt", 20)


@pytest.fixture
def read(write):
    """Return a function that reads the motifs of a text."""

    def from_text(text):
        return read_motifs(write(text.encode() if isinstance(text, str) else text, "a.meme"))

    return from_text


def meme(*rows, fields="alength= 4"):
    return HEAD + f"MOTIF m1\nletter-probability matrix: {fields}\n" + "\n".join(rows) + "\n"


def test_meme_motif_is_read_with_all_it_says(read):
    assert read(HEAD + ARNT) == [ARNT_MOTIF]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + ARNT.rstrip(),
        (HEAD + ARNT).replace("\n", "\r\n"),
        (HEAD + ARNT).replace("= ", "="),
        HEAD.replace("ALPHABET= ACGT\n", "") + ARNT,
        "# made by hand\n\n" + HEAD + "# comment\n" + ARNT.replace(" 1.0", "# half\n\n 1.0"),
        HEAD + "strands: + -\n\nBackground letter frequencies\nA 0.3 C 0.2 G 0.2 T 0.3\n" + ARNT,
        HEAD + ARNT + "URL http://example.org/1 2 3 4\n",
        HEAD.replace("4", "5.5.1 (Release date: Sun 2023)") + ARNT.replace(" ", "\t", 1),
        HEAD + ARNT.replace("letter", "log-odds matrix: alength= 4 w= 1\n -8 2 3 4\nletter", 1),
    ],
    ids=[
        "no-final-newline", "crlf", "no-blanks", "no-alphabet", "comments", "background", "url",
        "version-5", "log-odds-too",
    ],
)  # fmt: skip
def test_meme_variants_are_read_alike(read, text):
    assert read(text) == [ARNT_MOTIF]


def test_text_output_of_meme_is_read(read):
    rule = "*" * 80 + "\n"
    text = (
        f"{rule}MEME - Motif discovery tool\n{rule}MEME version 5.5.1 (Release date: x)\n\n"
        f"{rule}TRAINING SET\n{rule}ALPHABET= ACGT\nSequence name\n----\nchr1 1.0000 500\n"
        f"{rule}MOTIF CA MEME-1\twidth =   2  sites =  20  llr = 5  E-value = 1e-3\n{rule}"
        "Motif CA MEME-1 sites\n----\nchr1 5 1.2e-3 CA\n----\n"
        "letter-probability matrix: alength= 4 w= 1 nsites= 20 E= 1.0e-003\n"
        " 0.0 0.8 0.2 0.0\n----\nMotif CA regular expression\n----\nC\n----\n\nTime  0.1 secs.\n"
    )
    assert read(text) == [Motif("CA", ((0.0, 0.8, 0.2, 0.0),), "MEME-1", 20, 1e-3)]


def test_what_a_motif_does_not_say_is_unknown(read):
    assert read(meme("1 0 0 0")) == [Motif("m1", ((1.0, 0.0, 0.0, 0.0),), ".", None, None)]


def test_meme_file_without_motifs_has_none(read):
    assert read(HEAD) == []


def test_several_motifs_keep_their_order(read):
    names = [motif.name for motif in read(HEAD + ARNT + ARNT.replace("MA0004.1", "B") + ARNT)]
    assert names == ["MA0004.1", "B", "MA0004.1"]


def test_rounded_rows_are_divided_by_their_sum(read):
    (motif,) = read(meme("0.333 0.333 0.333 0.0"))
    assert motif.matrix[0] == pytest.approx((1 / 3, 1 / 3, 1 / 3, 0), rel=1e-12)


def test_gzip_and_standard_input_are_read(read, feed):
    data = gzip.compress((HEAD + ARNT).encode())
    assert read(data) == [ARNT_MOTIF]
    feed(data)
    assert read_motifs("-") == [ARNT_MOTIF]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (meme("0.5 0.5 0"), r"a.meme:7: expected 4 probabilities .*found 3"),
        (meme("1 0 0 0", "0 0 1 0 0"), r"a.meme:8: expected 4 probabilities .*found 5"),
        (meme("1 0 0 0", "1 0 0 x"), r"a.meme:8: 'x' is not a number"),
        (meme("1 0 0 0", "nan 0 0 1"), r"a.meme:8: 'nan' is not a number"),
        (meme("1 0 0 0", "0 1 0 0", fields="w= 3"), r"a.meme:6: w= 3, but 2 rows .*complete\?"),
        (meme("1 0 0 0", "0 1 0 0", fields="w= 1"), r"a.meme:6: w= 1, but 2 rows follow$"),
        (meme("1 0 0 0", fields="w= one"), r"a.meme:6: w= 'one' is not a number"),
        (meme(), r"a.meme:6: no row of probabilities"),
        (meme("0.5 0.4 0 0"), r"a.meme:7: the probabilities sum to 0.9, not 1"),
        (meme("5 4 0 0"), r"sum to 9, not 1 .*divide counts"),
        (meme("1.5 -0.5 0 0"), r"a.meme:7: -0.5 is negative .*log-odds"),
        (meme("1 0 0 0", fields="alength= 20"), r"a.meme:6: alength= 20: the alphabet is not ACGT"),
        ("MEME version 4\nALPHABET= ACGU\n" + ARNT, r"a.meme:2: the alphabet is 'ACGU', not ACGT"),
        ('MEME version 5\nALPHABET "X" DNA-LIKE\n', r"a.meme:2: the alphabet is .*not ACGT"),
        ("MEME version 3.5\n" + ARNT, r"a.meme:1: MEME version 3 .*version 4 or newer"),
        (ARNT, r"a.meme: the line `MEME version 4` is missing"),
        (HEAD + "MOTIF a\n\n" + ARNT, r"a.meme:5: motif a has no matrix"),
        (HEAD + "MOTIF\n" + ARNT, r"a.meme:5: a motif without a name .*MOTIF ID"),
        (HEAD + ARNT + ARNT.split("\n", 1)[1], r"a.meme:5: motif MA0004.1 has 2 matrices"),
        (HEAD + ARNT.split("\n", 1)[1] + ARNT, r"a.meme:5: a matrix without a name"),
    ],
)
def test_broken_meme_file_is_refused_with_its_line(read, text, message):
    with pytest.raises(FormatError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("", "it is empty"),
        ("\n# only a comment\n", "it is empty"),
        (">chr1\nACGTACGT\n", "looks like FASTA"),
        ("chr1\t10\t20\n", "looks like BED"),
        ("hello\n", "looks like plain text"),
        ("<?xml version='1.0'?>\n<MEME>\n", "web page or XML"),
        (b"PK\x03\x04abc", "zip archive"),
    ],
)
def test_other_files_are_refused_with_what_they_look_like(read, text, looks):
    with pytest.raises(FormatError, match=f"is no motif file: .*{looks}.*MEME files .*JASPAR"):
        read(text)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(FormatError, match="no such file"):
        read_motifs(str(tmp_path / "none.meme"))


@pytest.mark.parametrize(
    "text",
    [
        JASPAR,
        JASPAR.replace("\n", "\r\n"),
        JASPAR.replace("[", "").replace("]", ""),
        JASPAR.replace(" [", "|").replace("]", ""),
        ">MA0004.1 Arnt\n4 19\n16 1\n0 0\n0 0\n",
        ">MA0004.1 Arnt\n4.0\t19.0\n16.0\t1.0\n0.0\t0.0\n0.0\t0.0",
        ">MA0004.1 Arnt\nT [0 0]\nG [0 0]\nc [16 1]\na [4 19]\n",
    ],
    ids=["brackets", "crlf", "letters", "bar", "numbers", "tabs", "other-order"],
)
def test_jaspar_variants_are_read_alike(read, text):
    assert read(text) == [COUNTED]


def test_several_jaspar_motifs_are_read(read):
    other = Motif("B", COUNTED.matrix, ".", 20)
    assert read(JASPAR + "\n" + JASPAR.replace("MA0004.1\tArnt", "B")) == [COUNTED, other]


def test_four_rows_alone_are_a_motif_named_after_the_file(read):
    assert read("4 19\n16 1\n0 0\n0 0\n") == [Motif("a", COUNTED.matrix, ".", 20)]


def test_jaspar_rows_may_be_probabilities(read):
    (motif,) = read(">a\n0.2 1\n0.8 0\n0 0\n0 0\n")
    assert motif.matrix == ((0.2, 0.8, 0, 0), (1, 0, 0, 0))
    assert motif.n_sites is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\n1 2\n1 2\n1 2\n", r"a.meme:1: motif a: expected 4 rows .*found 3"),
        (">a\n1 0 0 0\n" + "0 0 0 1\n" * 4, r"a.meme:1: motif a: .*found 5 .*MEME version 4"),
        (JASPAR + ">b\n", r"a.meme:6: motif b: .*found 0"),
        (">\n1\n1\n1\n1\n", r"a.meme:1: a motif without a name"),
        (">a\n1 2\n1 2\n1 2 3\n1 2\n", r"a.meme:4: 3 counts, 2 in the row of A"),
        (">a\n1 2\n1 x\n1 2\n1 2\n", r"a.meme:3: 'x' is not a number"),
        (">a\n1 2\n1 2\nACGT\n1 2\n", r"a.meme:4: expected counts, found 'ACGT'"),
        (">a\n1 2\n1 -2\n1 2\n1 2\n", r"a.meme:3: -2 is negative"),
        (">a\n1 0\n1 0\n1 0\n1 0\n", r"a.meme:1: motif a: position 2 has no counts"),
        (JASPAR.replace("C  [", "A  ["), r"a.meme:3: letter A stands twice"),
        (JASPAR.replace("T  [", "U  ["), r"a.meme:5: letter U is none of ACGT"),
    ],
)
def test_broken_jaspar_file_is_refused_with_its_line(read, text, message):
    with pytest.raises(FormatError, match=message):
        read(text)


@given(text=st.text("MEME version 4\nOTIF:>[]ACGT=-.0123 letter-probability matrix", max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.meme"
    path.write_text("MEME version 4\nMOTIF a\nletter-probability matrix:\n" + text)
    try:
        motifs = read_motifs(str(path))
    except FormatError:
        return
    assert all(sum(row) == pytest.approx(1) for motif in motifs for row in motif.matrix)


ROW = ((0.25, 0.25, 0.25, 0.25),)
MOTIFS = [
    Motif("MA0093.4", ROW, "USF1"),
    Motif("MA0526.5", ROW, "USF2"),
    Motif("MA0071.1", ROW, "RORA"),
    Motif("MA0072.2", ROW, "Rora"),
    Motif("MA0150.3", ROW, "RORA"),
    Motif("Myc", ROW),
]


@pytest.mark.parametrize(
    ("name", "motif"),
    [
        ("USF1", "MA0093.4"),
        ("usf2", "MA0526.5"),
        ("ma0093.4", "MA0093.4"),
        ("MYC", "Myc"),
        ("Rora", "MA0072.2"),
    ],
)
def test_motif_is_found_by_id_and_name_in_any_case(name, motif):
    assert find_motif(MOTIFS, name).name == motif


def test_id_goes_before_a_name():
    motifs = [Motif("a", ROW, "b"), Motif("b", ROW, "a")]
    assert [find_motif(motifs, name).name for name in "abAB"] == ["a", "b", "a", "b"]


def test_name_of_several_motifs_is_refused_with_their_ids():
    with pytest.raises(DataError, match=r"2 motifs are called 'RORA' .*MA0071.1 .*MA0150.3"):
        find_motif(MOTIFS, "RORA")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("USF3", r"near: .*MA0093.4 \(USF1\)"),
        ("MA0093", r"near: .*MA0093.4 \(USF1\)"),
        ("myd", r"near: Myc"),
        ("qqqqqq", r"it has 6 motifs, the first is MA0093.4 \(USF1\)"),
    ],
)
def test_unknown_name_is_refused_with_near_ones(name, hint):
    with pytest.raises(DataError, match=rf"no motif is called '{name}' .*{hint}"):
        find_motif(MOTIFS, name)


def test_missing_name_is_not_that_of_motifs_without_one():
    with pytest.raises(DataError, match=r"no motif is called '\.'"):
        find_motif(MOTIFS, ".")


def test_file_without_motifs_finds_none():
    with pytest.raises(DataError, match=r"no motif is called 'a' .*the file has no motifs"):
        find_motif([], "a")


def text_of(writer, motifs, **settings):
    handle = io.StringIO()
    writer(motifs, handle, **settings)
    return handle.getvalue()


def test_meme_file_is_written_with_the_blanks_old_readers_need():
    assert text_of(write_meme, [ARNT_MOTIF], background=(0.3, 0.2, 0.2, 0.3), strands="+") == (
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: +\n\nBackground letter frequencies\n"
        "A 0.300000 C 0.200000 G 0.200000 T 0.300000\n\n"
        "MOTIF MA0004.1 Arnt\nletter-probability matrix: alength= 4 w= 2 nsites= 20 E= 1.5e-08\n"
        " 0.200000 0.800000 0.000000 0.000000\n 1.000000 0.000000 0.000000 0.000000\n\n"
    )


def test_what_is_unknown_is_not_written():
    text = text_of(write_meme, [Motif("a", ROW, ".", None, float("nan"))])
    assert "MOTIF a\nletter-probability matrix: alength= 4 w= 1\n" in text


@pytest.mark.parametrize("writer", [write_meme, write_jaspar])
def test_names_are_written_without_blanks_and_once(read, writer):
    names = ["a b", "a\tb", "a_b_2", "", "\x00", "c\r\n"]
    motifs = read(text_of(writer, [replace(ARNT_MOTIF, name=name) for name in names]))
    assert [m.name for m in motifs] == ["a_b", "a_b_2", "a_b_2_2", "motif", "_", "c_"]
    (motif,) = read(text_of(writer, [replace(ARNT_MOTIF, alternate_name="x y\n")]))
    assert motif.alternate_name == "x_y_"


def test_jaspar_file_is_written_as_whole_counts():
    text = ">MA0004.1\tArnt\nA  [  4 20 ]\nC  [ 16  0 ]\nG  [  0  0 ]\nT  [  0  0 ]\n"
    assert text_of(write_jaspar, [ARNT_MOTIF]) == text


def test_counts_of_every_position_sum_to_the_sites():
    thirds = Motif("a", ((1 / 3, 1 / 3, 1 / 3, 0), (0.125, 0.125, 0.5, 0.25)), ".", 10)
    rows = text_of(write_jaspar, [thirds]).splitlines()[1:]
    assert rows == ["A  [ 4 1 ]", "C  [ 3 1 ]", "G  [ 3 5 ]", "T  [ 0 3 ]"]
    assert "A  [ 25 ]" in text_of(write_jaspar, [Motif("a", ROW)])


COLUMNS = st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), min_size=1)


@given(columns=COLUMNS, n_sites=st.integers(2, 10**6))
def test_written_motifs_read_back(tmp_path_factory, columns, n_sites):
    path = tmp_path_factory.getbasetemp() / "written.meme"
    matrix = tuple(tuple(value / sum(column) for value in column) for column in columns)
    motif = Motif("m1", matrix, "name", n_sites, 2.5e-7)
    path.write_text(text_of(write_meme, [motif, motif]))
    first, second = read_motifs(str(path))
    assert replace(first, matrix=ROW) == replace(motif, matrix=ROW)
    assert replace(second, name="m1") == first
    np.testing.assert_allclose(first.matrix, matrix, atol=2e-6)
    path.write_text(text_of(write_jaspar, [motif]))
    (counted,) = read_motifs(str(path))
    assert replace(counted, matrix=ROW) == replace(motif, matrix=ROW, e_value=None)
    np.testing.assert_allclose(counted.matrix, matrix, atol=1 / n_sites)


@pytest.mark.parametrize("motifs", [[], [COUNTED, replace(COUNTED, name="B", n_sites=None)]])
def test_biopython_reads_what_is_written(motifs):
    from Bio.motifs import jaspar, minimal

    meme = minimal.read(io.StringIO(text_of(write_meme, motifs)))
    counts = jaspar.read(io.StringIO(text_of(write_jaspar, motifs)), "jaspar")
    assert [m.name for m in meme] == [m.matrix_id for m in counts] == [m.name for m in motifs]
    assert [list(m.counts["A"]) for m in meme] == [[4, 19] for _ in motifs]
    assert [list(m.counts["A"]) for m in counts] == [[4, 19], [20, 95]][: len(motifs)]


@pytest.mark.parametrize("motifs", [[], [COUNTED, COUNTED]])
def test_memelite_reads_what_is_written(write, motifs):
    from memelite.io import read_meme

    found = read_meme(write(text_of(write_meme, motifs).encode(), "a.meme"))
    assert list(found) == ["MA0004.1 Arnt", "MA0004.1_2 Arnt"][: len(motifs)]
    assert all(np.array_equal(matrix.T, COUNTED.matrix) for matrix in found.values())


@pytest.mark.realdata
def test_jaspar_collection_is_read(real_data):
    path = real_data / "motif" / "JASPAR2024_CORE_vertebrates_nr.meme"
    motifs = read_motifs(str(path))
    assert len(motifs) == 879
    assert motifs[0].name == "MA0004.1"
    assert motifs[0].n_sites == 20
    assert motifs[0].matrix[0] == (0.2, 0.8, 0.0, 0.0)
    rows = np.concatenate([motif.matrix for motif in motifs])
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert find_motif(motifs, "yy1") is find_motif(motifs, "MA0095.4")


@pytest.mark.realdata
@pytest.mark.parametrize(("writer", "tolerance"), [(write_meme, 2e-6), (write_jaspar, 0.05)])
def test_jaspar_collection_reads_back(real_data, read, writer, tolerance):
    motifs = read_motifs(str(real_data / "motif" / "JASPAR2024_CORE_vertebrates_nr.meme"))
    again = read(text_of(writer, motifs))
    assert [(m.name, m.alternate_name, m.n_sites) for m in again] == [
        (m.name, m.alternate_name, m.n_sites) for m in motifs
    ]
    for motif, copy in zip(motifs, again, strict=True):
        np.testing.assert_allclose(copy.matrix, motif.matrix, atol=tolerance)
