"""The house rules a machine can check: sizes, names, what lies where."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("dnabert_cli", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
MODULES = [name for name in SOURCES if name.startswith("dnabert_cli/")]

MAX_FILE_LINES = 400
MAX_BODY_LINES = 40
# Functions that may be longer, "file:function", each with the reason.
LONG_FUNCTIONS: dict[str, str] = {
    "dnabert_cli/cli/dataset.py:dataset": "one line per option, nothing else",
    "dnabert_cli/cli/evaluate.py:evaluate": "one line per option, nothing else",
    "dnabert_cli/cli/finetune.py:finetune": "one line per option, nothing else",
    "dnabert_cli/cli/motifs.py:motifs": "one line per option, nothing else",
    "dnabert_cli/cli/pretrain.py:pretrain": "one line per option, nothing else",
    "dnabert_cli/cli/variants.py:variants": "one line per option, nothing else",
}

TOP_LEVEL = {
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "pyproject.toml",
    "constraints.txt", "Makefile", ".ci", ".github", "dnabert_cli", "models", "tests", "docs",
    ".gitignore", ".gitattributes", ".pre-commit-config.yaml",
}  # fmt: skip
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}
MAX_FILE_BYTES = 500_000
MAX_MODEL_BYTES = 16_000_000
MAX_ALL_MODELS_BYTES = 40_000_000
# In pieces, so that this file does not name what it forbids.
MACHINE_PATHS = re.compile("/" + r"(work|root)/|/" + r"tmp/venv|/" + r"home/\w+/")


@pytest.fixture(scope="module")
def listed():
    """Every file of the repository that is tracked or not yet added, but for ignored ones."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    git = ["git", "-c", f"safe.directory={ROOT}"]  # a checkout of another user is readable too
    done = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return sorted(name for name in done.stdout.split("\0") if (ROOT / name).is_file())


@pytest.mark.parametrize("name", SOURCES)
def test_file_is_short_enough_to_read(name):
    n_lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert n_lines <= MAX_FILE_LINES


@pytest.mark.parametrize("name", SOURCES)
def test_function_bodies_are_short_enough_to_read(name):
    long = {f"{name}:{function}": n for function, n in body_lines(name) if n > MAX_BODY_LINES}
    excused = {key for key in LONG_FUNCTIONS if key.startswith(f"{name}:")}
    assert long.keys() - excused == set(), long
    assert excused - long.keys() == set(), "is short by now: take it off LONG_FUNCTIONS"


def body_lines(name):
    """Yield each function of a file with the lines of its body, the docstring not counted."""
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_long_functions_are_named_with_a_file_that_exists():
    assert {key.split(":")[0] for key in LONG_FUNCTIONS} <= set(SOURCES)


@pytest.mark.parametrize("name", MODULES)
def test_module_is_named_for_what_it_holds(name):
    assert not NAMES_THAT_SAY_NOTHING & set(Path(name).with_suffix("").parts)


@pytest.mark.parametrize("name", MODULES)
def test_library_prints_only_to_a_named_file(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    bare = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and "file" not in {keyword.arg for keyword in node.keywords}
    ]
    assert bare == []


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.endswith("/__init__.py") and name.count("/") > 1]
)
def test_package_init_holds_a_docstring_only(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_package_itself_holds_the_version_only():
    tree = ast.parse((ROOT / "dnabert_cli/__init__.py").read_text(encoding="utf-8"))
    targets = [ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)]
    assert targets == ["__version__"]
    assert len(tree.body) == 2


def test_top_level_holds_only_what_the_design_names(listed):
    assert {name.split("/")[0] for name in listed} - TOP_LEVEL == set()


def test_no_large_file_outside_models(listed):
    large = [
        name
        for name in listed
        if not name.startswith("models/") and (ROOT / name).stat().st_size > MAX_FILE_BYTES
    ]
    assert large == []


def test_bundled_models_stay_small(listed):
    n_bytes: dict[str, int] = {}
    for name in listed:
        if name.startswith("models/") and name.count("/") > 1:
            model = name.split("/")[1]
            n_bytes[model] = n_bytes.get(model, 0) + (ROOT / name).stat().st_size
    assert {model: n for model, n in n_bytes.items() if n > MAX_MODEL_BYTES} == {}
    assert sum(n_bytes.values()) <= MAX_ALL_MODELS_BYTES


def test_no_path_of_one_machine_stands_in_a_text(listed):
    found = []
    for name in listed:
        content = (ROOT / name).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if MACHINE_PATHS.search(line):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert found == []
