"""Write docs/cli-reference.md from `--help`; with --check only say whether it is up to date."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cli-reference.md"
COLUMNS = 100
HEAD = """\
# Command-line reference

What `--help` says, written by `make docs`; do not edit.
What the commands are for stands in [commands/](commands/).
"""


def render() -> str:
    """Return the page: the help of the program, then of every command."""
    sys.path.insert(0, str(ROOT))
    from dnabert_cli.cli.app import app

    names = [info.name for info in app.registered_commands]
    sections = [HEAD]
    for command in ["", *names]:
        title = f"dnabert {command}".strip()
        sections.append(f"## {title}\n\n```text\n{help_of(command)}```\n")
    return "\n".join(sections)


def help_of(command: str) -> str:
    """Return the help text as a terminal of fixed width shows it."""
    done = subprocess.run(
        [sys.executable, "-m", "dnabert_cli", *command.split(), "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": str(COLUMNS)},
        check=True,
    )
    return done.stdout


def main() -> int:
    """Write the page, or with --check compare it; 1 when it is out of date."""
    page = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is out of date; run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
