"""The version is written once and the changelog knows it."""

import re
from pathlib import Path

from dnabert_cli import __version__

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = {"Removed", "Deprecated", "Added", "Changed", "Fixed"}


def changelog():
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def numbers(version):
    return tuple(int(part) for part in version.split("."))


def test_version_has_three_numbers():
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_newest_changelog_heading_is_the_version_or_what_comes_after_it():
    headings = re.findall(r"^## \[?([^\]\s]+)", changelog(), flags=re.MULTILINE)
    assert headings, "CHANGELOG.md has no heading"
    released = [heading for heading in headings if heading != "Unreleased"]
    assert headings.index("Unreleased") == 0 if "Unreleased" in headings else True
    assert released == sorted(released, key=numbers, reverse=True)
    if headings[0] != "Unreleased":
        assert headings[0] == __version__
    elif released:
        assert numbers(__version__) >= numbers(released[0])


def test_changelog_sections_are_those_of_keep_a_changelog():
    assert set(re.findall(r"^### (.+)", changelog(), flags=re.MULTILINE)) <= SECTIONS
