"""Models of the Hugging Face hub: from the local cache, or downloaded when asked so.

Nothing is fetched unasked: a name that is not in the cache is an error that says how to ask.
"""

from pathlib import Path

from dnabert_cli.errors import ModelError
from dnabert_cli.zoo import HUB_PREFIX, find_model

# Weights and their description; code that lies beside them on the hub is never fetched.
_FILES = ("config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin")


def find_folder(name: str, *, download: bool = False) -> Path:
    """Return the folder of a model: path, bundled name, or `hf:owner/name`.

    Raises:
        ModelError: it is nowhere, or could not be downloaded.
    """
    if name.startswith(HUB_PREFIX):
        return hub_folder(name.removeprefix(HUB_PREFIX), download=download)
    return find_model(name)


def hub_folder(repository: str, *, download: bool) -> Path:
    """Return the local copy of a hub model.

    Args:
        repository: `owner/name`.
        download: allow the network.

    Raises:
        ModelError: the name is malformed, it is not in the cache, or the download failed.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if repository.count("/") != 1:
        raise ModelError(f"{HUB_PREFIX}{repository} is no hub model; write {HUB_PREFIX}owner/name")
    try:
        folder = snapshot_download(
            repository, allow_patterns=list(_FILES), local_files_only=not download
        )
    except HFValidationError as error:
        raise ModelError(f"{repository} is no name of a hub model") from error
    except LocalEntryNotFoundError as error:
        if download:
            raise ModelError(
                f"{repository} could not be downloaded: is there a network?"
            ) from error
        raise ModelError(
            f"{repository} is not on this computer and nothing is downloaded unasked",
            hint="add --download to fetch it once",
        ) from error
    except OSError as error:
        raise ModelError(f"{repository} could not be downloaded: {error}") from error
    return Path(folder)
