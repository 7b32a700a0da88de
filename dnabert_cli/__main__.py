"""`python -m dnabert_cli` is the same program as `dnabert`."""

from dnabert_cli.cli.app import run

if __name__ == "__main__":
    run()
