"""The entries of a run, and those that another run may have left."""

from dnabert_cli.tasks.variant_scores import Channel
from dnabert_cli.tasks.variant_tags import TagSet

CHANNELS = [Channel("a_x", 0, 0, "x"), Channel("b", 1, 0, "b")]
OF_CHANNEL = ("HAP1_S", "HAP2_S", "BG_S", "P", "Q")


def test_stale_is_what_another_run_of_the_models_could_have_written():
    """A file scored again kept `_P`, `_RANK` and `_IMP` of the run before, beside a new S."""
    found = TagSet(CHANNELS, ["a", "b"]).stale_ids()
    expected = {f"DNABERT_{name}_{each}" for name in ("a_x", "b") for each in OF_CHANNEL}
    assert set(found) == expected | {"DNABERT_a_IMP", "DNABERT_b_IMP", "DNABERT_RANK"}
    assert len(found) == len(set(found))


def test_what_a_run_writes_is_not_stale():
    tags = TagSet(CHANNELS, ["a", "b"], has_null=True, has_ranks=True)
    own = {tag.id for tag in tags.tags()}
    assert not own & set(tags.stale_ids())
    every = TagSet(CHANNELS, ["a", "b"], True, True, True, True)
    assert own | set(tags.stale_ids()) == {tag.id for tag in every.tags()}
    assert every.stale_ids() == []
