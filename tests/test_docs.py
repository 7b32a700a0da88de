"""The documentation cannot go stale: commands, options, links, and examples that are run.

A console block that `<!-- run -->` precedes is an example. Its `$` lines are run in order, all
blocks of a page in one folder that looks like the repository (`models` and `tests/data` are
there). The lines below a `$` line are what it writes to stdout; a line `...` stands for any lines,
and blanks count as one, so that tables can be aligned.
"""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from dnabert_cli.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *DOCS.rglob("*.md"))
)
COMMANDS = typer.main.get_command(app).commands
COMMAND_HEADINGS = [
    "What it answers",
    "Input",
    "Output",
    "Options that matter",
    "Example",
    "How it works",
    "Source",
    "Limits",
]
# Options of the program itself and of other programs that the pages name.
OTHER_OPTIONS = {
    *("--help", "--version", "--install-completion", "--show-completion"),
    *("--nproc-per-node", "--nnodes", "--rdzv-endpoint"),  # torchrun
}

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^<!-- run -->\n+```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def headings(text, level):
    return re.findall(rf"^{'#' * level} (.+)$", FENCE.sub("", text), flags=re.MULTILINE)


def long_options(command):
    return {
        option
        for parameter in COMMANDS[command].params
        if parameter.param_type_name == "option"
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_command_page_has_the_same_headings_as_the_others(command):
    page = DOCS / "commands" / f"{command}.md"
    assert page.is_file(), f"write docs/commands/{command}.md"
    text = page.read_text(encoding="utf-8")
    assert headings(text, 1) == [f"dnabert {command}"]
    assert headings(text, 2) == COMMAND_HEADINGS


def test_every_command_page_belongs_to_a_command():
    pages = {path.stem for path in (DOCS / "commands").glob("*.md")}
    assert pages - set(COMMANDS) == set()


def test_readme_names_every_command():
    linked = set(LINK.findall(text_of("README.md")))
    assert {f"docs/commands/{command}.md" for command in COMMANDS} <= linked


def test_cli_reference_is_what_help_says():
    generator = runpy.run_path(str(ROOT / "tests" / "make_cli_reference.py"))
    assert text_of("docs/cli-reference.md") == generator["render"](), "run `make docs`"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_documented(command):
    page = DOCS / "commands" / f"{command}.md"
    texts = text_of("docs/cli-reference.md") + page.read_text(encoding="utf-8")
    assert long_options(command) - set(OPTION.findall(texts)) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_command_page_names_no_option_that_is_gone(command):
    known = OTHER_OPTIONS.union(*map(long_options, COMMANDS))
    page = DOCS / "commands" / f"{command}.md"
    assert set(OPTION.findall(page.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("name", PAGES)
def test_options_in_examples_belong_to_their_command(name):
    """In every console block, run or not: `dnabert scan ... --option`."""
    wrong = []
    for line in re.sub(r"\\\n", " ", text_of(name)).splitlines():
        for command, words in re.findall(r"\bdnabert ([a-z]+)\b([^|;&`]*)", line):
            if command in COMMANDS and line.lstrip().startswith(("$ dnabert", "dnabert")):
                unknown = set(OPTION.findall(words)) - long_options(command) - OTHER_OPTIONS
                wrong += [f"{command} {option}" for option in unknown]
    assert wrong == []


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(name):
    broken = []
    for target in LINK.findall(FENCE.sub("", text_of(name))):
        if re.match(r"[a-z]+:", target):
            continue  # the web is not asked
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def anchors(page):
    """The anchors GitHub makes: lower case, punctuation left out, blanks to hyphens."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def examples(text):
    """Return (command line, lines shown below it) of every example of a page."""
    found = []
    for block in EXAMPLE.findall(text):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
    return found


def matches(shown, written):
    """Tell whether output is as shown, where `...` stands for any lines and blanks for one."""
    lines = [" ".join(line.split()) for line in shown]
    pattern = "".join("(?:.*\n)*" if line == "..." else re.escape(line) + "\n" for line in lines)
    plain = "".join(" ".join(line.split()) + "\n" for line in written.splitlines())
    return re.fullmatch(pattern, plain) is not None


@pytest.fixture
def workplace(tmp_path):
    """A folder that looks like the repository to an example, with `dnabert` on the path."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    if (ROOT / "tests" / "data").is_dir():
        shutil.copytree(ROOT / "tests" / "data", tmp_path / "tests" / "data")
    program = tmp_path / ".bin" / "dnabert"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dnabert_cli "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }

    def run(line):
        return subprocess.run(
            ["bash", "-c", line],  # no pipefail: `| head` ends dnabert with 141, as it should
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    return run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [name for name in PAGES if examples(text_of(name))])
def test_examples_of_a_page_give_what_they_show(name, workplace):
    for line, shown in examples(text_of(name)):
        done = workplace(line)
        assert done.returncode == 0, f"$ {line}\n{done.stderr}"
        assert matches(shown, done.stdout), f"$ {line}\n{done.stdout}"


def test_readme_has_an_example_that_is_run():
    assert examples(text_of("README.md"))


# The judge judged


def test_example_reader_joins_lines_and_separates_commands():
    text = (
        "```console\n$ not run\n```\n<!-- run -->\n\n```console\n"
        "$ dnabert scan \\\n    --force\nchr1\t1\n...\n$ cat x\n```\n"
    )
    assert examples(text) == [("dnabert scan --force", ["chr1\t1", "..."]), ("cat x", [])]


@pytest.mark.parametrize(
    ("shown", "written", "same"),
    [
        (["a  b"], "a\tb\n", True),
        (["a", "...", "d"], "a\nb\nc\nd\n", True),
        (["a", "...", "d"], "a\nd\n", True),
        (["..."], "", True),
        ([], "", True),
        ([], "a\n", False),
        (["a"], "a\nb\n", False),
        (["a", "..."], "b\na\n", False),
        (["a.c"], "abc\n", False),
    ],
)
def test_output_is_held_against_what_is_shown(shown, written, same):
    assert matches(shown, written) is same
