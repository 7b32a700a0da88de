import gzip
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.metrics import auroc
from dnabert_cli.dna import reverse_complement
from dnabert_cli.formats.meme import find_motif, read_motifs
from dnabert_cli.sequence.motif_scores import best_match_scores

# GATT-ish, of 4 positions, columns A, C, G, T
MATRIX = np.array(
    [[0.1, 0.1, 0.8, 0.0], [0.7, 0.1, 0.1, 0.1], [0.0, 0.2, 0.0, 0.8], [0.05, 0.05, 0.1, 0.8]]
)
BACKGROUND = (0.3, 0.2, 0.2, 0.3)
TEXTS = st.lists(st.text("ACGTacgtN", max_size=20), min_size=1, max_size=6)


def slow_score(matrix, sequence, background, pseudo):
    """Every place of both strands, one base after the other."""

    def score(place):
        total = 0.0
        for position, letter in enumerate(place):
            if letter in "ACGT":
                b = background["ACGT".index(letter)]
                p = (matrix[position]["ACGT".index(letter)] + pseudo * b) / (1 + pseudo)
                total += np.log2(p / b)
        return total

    width = len(matrix)
    lowest = sum(min(score("N" * i + letter) for letter in "ACGT") for i in range(width))
    strands = (sequence.upper(), reverse_complement(sequence.upper()))
    places = [s[i : i + width] for s in strands for i in range(len(s) - width + 1)]
    return max([lowest, *map(score, places)])


@given(TEXTS, st.sampled_from([(0.25,) * 4, (0.1, 0.2, 0.3, 0.4)]), st.sampled_from([1e-3, 0.5]))
def test_scores_equal_those_of_every_place_one_by_one(texts, background, pseudo):
    scores = best_match_scores(MATRIX, texts, background=background, pseudo=pseudo)
    slow = [slow_score(MATRIX, text, background, pseudo) for text in texts]
    np.testing.assert_allclose(scores, slow, atol=1e-9)


def test_score_of_one_place_worked_by_hand():
    # 0.5 / 0.25 and 1 / 0.25: 1 bit and 2 bits
    scores = best_match_scores([[0.5, 0.5, 0, 0], [0, 1, 0, 0]], ["AC"], pseudo=1e-12)
    assert scores.tolist() == [pytest.approx(3)]


@given(TEXTS)
def test_strand_does_not_matter(texts):
    opposite = [reverse_complement(text) for text in texts]
    scores = best_match_scores(MATRIX, texts, background=BACKGROUND)
    np.testing.assert_allclose(
        scores, best_match_scores(MATRIX, opposite, background=BACKGROUND), atol=1e-9
    )


@pytest.mark.parametrize("site", ["GATT", "AATC", "gatt"])
@pytest.mark.parametrize("start", [0, 7, 16])
def test_planted_site_wins(site, start):
    plain = "C" * 20
    planted = plain[:start] + site + plain[start + 4 :]
    without, found, alone = best_match_scores(MATRIX, [plain, planted, "GATT"])
    assert found == alone
    assert found > without


def test_no_place_runs_from_one_sequence_into_the_next():
    split, whole = ["GA", "TT"], ["GATT"]
    assert (best_match_scores(MATRIX, split) < best_match_scores(MATRIX, whole)).all()


def test_sequences_that_are_too_short_get_the_lowest_possible_score():
    every = ["".join(letters) for letters in np.array(np.meshgrid(*["ACGT"] * 4)).reshape(4, -1).T]
    lowest = best_match_scores(MATRIX, ["", "GAT"])
    assert lowest[0] == lowest[1]
    assert np.isfinite(lowest).all()
    assert (lowest <= best_match_scores(MATRIX, every)).all()


def test_other_letters_score_nothing():
    assert best_match_scores(MATRIX, ["NNNN"]).tolist() == [0]


def test_scores_do_not_depend_on_neighbours():
    rng = np.random.default_rng(3)
    lengths = rng.integers(0, 12, size=600)
    texts = ["".join(rng.choice(list("ACGTN"), size=n)) for n in lengths]
    alone = [best_match_scores(MATRIX, [text])[0] for text in texts]
    assert best_match_scores(MATRIX, texts).tolist() == alone


def test_better_matches_score_higher():
    scores = best_match_scores(MATRIX, ["GATT", "GATG", "GACG", "CCCC"])
    assert all(better > worse for better, worse in pairwise(scores))


def test_no_sequences_have_no_scores():
    assert best_match_scores(MATRIX, []).shape == (0,)


@pytest.mark.realdata
def test_motif_of_a_factor_tells_its_strongest_peaks_from_shuffled_ones(real_data):
    motifs = read_motifs(str(real_data / "motif" / "JASPAR2024_CORE_vertebrates_nr.meme"))
    path = real_data / "tfbs" / "encode_USF1_HepG2_USF-1_HudsonAlpha_AC.tsv.gz"
    with gzip.open(path, "rt") as handle:
        rows = [line.split("\t") for line, _ in zip(handle, range(501), strict=False)]
    peaks = [row[2] for row in rows[1:]]
    rng = np.random.default_rng(0)
    shuffled = ["".join(rng.permutation(list(peak))) for peak in peaks]
    scores = best_match_scores(find_motif(motifs, "USF1").matrix, peaks + shuffled)
    assert auroc(np.repeat([1, 0], 500), scores) > 0.97
