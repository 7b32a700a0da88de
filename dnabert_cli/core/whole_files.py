"""Files that appear whole or not at all, for what `core` writes itself."""

import os
from pathlib import Path

from dnabert_cli.errors import DnabertError


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file beside its place and move it there once it is on the disk.

    Raises:
        DnabertError: the disk is full, or the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DnabertError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
