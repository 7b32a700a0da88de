"""Hub models: from the cache when they are there, never fetched unasked."""

import shutil

import pytest

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.hub import find_folder
from dnabert_cli.errors import ModelError
from tests.toys import save_bert

REVISION = "0" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_a_cached_model_is_found_without_a_network(cache, tmp_path):
    repository = cache / "models--owner--name"
    save_bert(tmp_path / "made", TaskConfig(k=3, classes=("a", "b")))
    shutil.copytree(tmp_path / "made", repository / "snapshots" / REVISION)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)

    assert find_folder("hf:owner/name") == repository / "snapshots" / REVISION


def test_an_absent_model_says_how_to_fetch_it(cache):
    with pytest.raises(ModelError, match=r"nothing is downloaded unasked .*--download"):
        find_folder("hf:owner/name")


@pytest.mark.parametrize("name", ["hf:name", "hf:a/b/c", "hf:../../etc/passwd", "hf:a b/c"])
def test_a_malformed_name_is_refused(cache, name):
    with pytest.raises(ModelError, match="hub model"):
        find_folder(name)


def test_other_names_are_looked_up_on_disk(tmp_path):
    assert find_folder(str(tmp_path)) == tmp_path
    with pytest.raises(ModelError, match="no model 'absent'"):
        find_folder("absent")
