"""Fixtures of the tests of commands that score variants."""

import pytest

from dnabert_cli.config import TaskConfig
from tests.toys import save_bert
from tests.variant_files import FAST, GENOME, TEXT

TINY = TaskConfig(k=3, classes=("other", "promoter"), window=20, anchor=8, offsets=2)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Two models: of two classes on a grid, of three at sites."""
    folder = tmp_path_factory.mktemp("variant-models")
    save_bert(folder / "toy", TINY, seed=5)
    sites = TaskConfig(
        k=3, classes=("neither", "donor", "acceptor"), window=20, anchor=10,
        candidates=(("GT", 0), ("AG", -2)), offsets=2,
    )  # fmt: skip
    save_bert(folder / "sites", sites, seed=6)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch, models):
    """A folder with `in.vcf`, `g.fa` and the model `toy`, in which the program is called."""
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in GENOME.items()))
    (tmp_path / "in.vcf").write_text(TEXT)
    (tmp_path / "toy").symlink_to(models / "toy")
    (tmp_path / "sites").symlink_to(models / "sites")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(dnabert, here):
    """Call `dnabert variants` on `in.vcf`, or other variants."""

    def call(*words, vcf="in.vcf", genome="g.fa", **more):
        genome = [] if genome is None else ["--genome", genome]
        return dnabert("variants", "--vcf", vcf, *genome, "--model", "toy", *FAST, *words, **more)

    return call
