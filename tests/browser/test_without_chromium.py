import shutil

import pytest

from tests.browser.conftest import INSTALL, find_chromium


@pytest.fixture(autouse=True)
def no_browser(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_without_a_chromium_the_tests_are_skipped_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=INSTALL):
        find_chromium()


def test_in_ci_a_missing_chromium_is_a_failure(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=INSTALL):
        find_chromium()
