"""What browser tests share: one chromium for each file, and watched pages."""

import pytest

from tests.view import pictures
from tests.view.browsing import watching


@pytest.fixture(scope="module")
def chromium():
    if pictures.find_chromium() is None:
        pytest.skip("no chromium on PATH; apt-get install chromium")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed; pip install playwright")
    with pictures.browser() as browser:
        yield browser


@pytest.fixture
def watch(chromium):
    with watching(chromium) as watch:
        yield watch
