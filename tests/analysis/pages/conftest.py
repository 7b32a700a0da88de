"""A browser for the tests of one module."""

import pytest

from tests import chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One Chromium for a whole module; its downloads lie in `browser.folder`."""
    if chromium.PROGRAM is None:
        pytest.skip("chromium is not installed")
    with chromium.Chromium(tmp_path_factory.mktemp("browser")) as running:
        yield running
