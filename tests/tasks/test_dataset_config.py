"""Options of `dnabert dataset`: defaults by kind, and what does not fit together."""

import re

import pytest

from dnabert_cli.dataset_config import KINDS, DatasetConfig, HardConfig, parse_negatives
from dnabert_cli.errors import OptionsError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("genomic:10", (("genomic", 10.0),)),
        ("genomic:0.5, shuffled", (("genomic", 0.5), ("shuffled", 1.0))),
        ("none", ()),
    ],
)
def test_negatives_are_kinds_and_numbers(text, found):
    assert parse_negatives(text) == found


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("", "''"),
        ("random", "'random'"),
        ("genomic:", "'genomic:'"),
        ("genomic:-1", "'genomic:-1'"),
        ("genomic,genomic", "'genomic'"),
        ("genomic;tata", "'genomic;tata'"),
        ("genomic:1.2.3", "1.2.3"),
    ],
)
def test_negatives_that_cannot_be_read_are_named(text, culprit):
    with pytest.raises(OptionsError, match=f"--negatives: .*{re.escape(culprit)}"):
        parse_negatives(text)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"kind": "promoters"}, (300, 249)),
        ({"kind": "promoters", "window": 300}, (300, 249)),
        ({"kind": "promoters", "window": 70}, (70, 34)),
        ({"kind": "promoters", "window": 500, "anchor": 0}, (500, 0)),
        ({"kind": "promoters", "anchor": 9}, (300, 9)),
        ({"kind": "splice"}, (400, 200)),
        ({"kind": "splice", "window": 80}, (80, 40)),
        ({"kind": "peaks"}, (101, 50)),
        ({"kind": "peaks", "window": 51}, (51, 25)),
        ({"kind": "regions"}, (None, None)),
        ({"kind": "regions", "window": 60}, (60, 30)),
        ({"kind": "sequences"}, (None, None)),
    ],
)
def test_window_and_anchor_of_each_kind(options, shape):
    assert DatasetConfig(**options).shape == shape


@pytest.mark.parametrize(
    ("kind", "names"),
    [("promoters", ["genomic"]), ("splice", ["decoys", "genomic"]), ("sequences", ["shuffled"]),
     ("table", [])],
)  # fmt: skip
def test_negatives_of_each_kind_unless_named(kind, names):
    assert [name for name, _ in DatasetConfig(kind=kind).wanted_negatives] == names
    if kind != "table":
        assert DatasetConfig(kind=kind, negatives=()).wanted_negatives == ()


ROUNDS = HardConfig(rounds=1, arch="cnn")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "genes"}, "dataset genes is unknown; known: promoters, .*, table, check"),
        ({"promoters": "some"}, "--promoters some is unknown; known: all, tata, nontata"),
        ({"junctions": "utr", "kind": "splice"}, "--junctions utr is unknown; known: cds, exon"),
        ({"split": "random"}, "--split random is unknown; known: block, "),
        ({"match": ("gc", "length")}, "--match length is unknown; known: gc, repeats"),
        ({"window": 500}, "--window 500: which of its bases is the start site.*--anchor"),
        ({"window": 0, "anchor": 0}, "--window must be at least 1"),
        ({"anchor": 300}, "--anchor 300 lies outside the window of 300 bases"),
        ({"anchor": -1}, "--anchor -1 lies outside"),
        ({"dev_fraction": 1.5}, "--dev-fraction is a share"),
        ({"test_fraction": float("nan")}, "--test-fraction is a share"),
        ({"max_unknown": -0.1}, "--max-unknown is a share"),
        ({"max_shared": 0.0}, "--max-shared must be above 0"),
        ({"dev_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train"),
        ({"distance": -1}, "--distance must not be negative"),
        ({"block": 0}, "--block .*must be above 0"),
        ({"negatives": (("genomic", 0.0),)}, "--negatives genomic: the number must be above 0"),
        ({"negatives": (("decoys", 1.0),)}, "decoys belongs to splice"),
        ({"kind": "peaks", "negatives": (("tata", 1.0),)}, "tata belongs to promoters"),
        ({"kind": "sequences", "negatives": (("genomic", 1.0),)}, "sequences have no place"),
        ({"kind": "table", "negatives": (("shuffled", 1.0),)}, "a table brings its own"),
        ({"kind": "splice", "anchor": 1}, "--anchor 1: a window of 400 bases does not show AG"),
        ({"kind": "splice", "window": 9, "anchor": 8}, "--anchor 8: a window of 9 bases"),
        ({"negatives": (("tata", 1.0),), "match": ("gc",)}, "--match belongs to genomic"),
        ({"kind": "sequences", "split": "block"}, "--split block: sequences have no place"),
        ({"kind": "sequences", "window": 9}, "--window and --anchor: sequences bring their"),
        ({"kind": "table", "anchor": 9}, "--window and --anchor: table bring their"),
        ({"kind": "peaks", "promoters": "tata"}, "--promoters .*belong to dataset promoters"),
        ({"kind": "peaks", "class_column": 5}, "--class-column belong to dataset promoters"),
        ({"junctions": "cds"}, "--junctions .*belong to dataset splice"),
        ({"canonical": False}, "--all-junctions belong to dataset splice"),
        ({"kind": "table", "hard": ROUNDS}, "--rounds scans a genome"),
        ({"split": "similarity", "hard": ROUNDS}, "--rounds with --split similarity: .*block"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(OptionsError, match=message):
        DatasetConfig(**{"kind": "promoters", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 1}, "--rounds goes with --model"),
        ({"model": "prom"}, "--rounds goes with --model"),
        ({"arch": "cnn"}, "--rounds goes with --model"),
        ({"rounds": 1, "model": "prom", "arch": "cnn"}, "--model and --arch name two networks"),
        ({"rounds": 1, "arch": "rnn"}, "--arch rnn is unknown; known: bert, cnn, "),
        ({"rounds": -1, "arch": "cnn"}, "must not be negative"),
    ],
)
def test_rounds_need_one_network(options, message):
    with pytest.raises(OptionsError, match=message):
        HardConfig(**options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_defaults_that_fit(kind):
    assert DatasetConfig(kind=kind).kind == kind
