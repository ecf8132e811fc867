import pytest
from playwright.sync_api import expect

from tests.browser.cells import TEN_STEPS

pytestmark = pytest.mark.browser


def test_look(notebook, page, picture):
    opened = notebook(TEN_STEPS)
    opened.run_all()
    tree = page.get_by_test_id("vcr-tree")
    expect(tree).to_have_attribute("data-ready", "true")
    slider = page.get_by_role("slider", name="Frame")
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    expect(tree).to_have_attribute("data-frame", "2")
    expect(tree).to_have_attribute("data-ready", "true")
    picture("look-light")
    opened.use_theme("JupyterLab Dark")
    picture("look-dark")
    slider.press("End")
    slider.press("ArrowLeft")
    page.get_by_role("tab", name="Changes").click()
    page.wait_for_timeout(500)
    picture("look-error")
