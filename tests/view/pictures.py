"""Takes the picture of a page in chromium; also re-makes docs/images/flux_map.png.

``python tests/view/pictures.py`` draws the reference state of ccm; with ``map.html`` as argument it takes the
picture of that page, written by ``flux_map(...).to_html("map.html")``.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


def take_picture(page_path: Path, picture: Path, width: int = 1200, height: int = 900, scheme: str = "light") -> Path:
    with browser() as chromium:
        page = chromium.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=1.5, color_scheme=scheme
        )
        page.goto(page_path.resolve().as_uri())
        page.wait_for_selector("[data-reaction]")
        page.add_style_tag(content=".fk-bar, .fk-panel { visibility: hidden; }")  # no use on paper
        page.locator(".fluxkit-map").screenshot(path=str(picture))
    return picture


if __name__ == "__main__":
    target = Path(__file__).parents[2] / "docs" / "images" / "flux_map.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 1:
        take_picture(Path(sys.argv[1]), target)
    else:
        import fluxkit

        network = fluxkit.load_network("ccm")
        with tempfile.TemporaryDirectory() as folder:
            widget = fluxkit.flux_map(network.reference_fluxes(), network)
            take_picture(widget.to_html(Path(folder) / "map.html"), target)
