"""Pages of a real browser, watched: what they complain about, or ask of anyone else, fails the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

LOCAL = ("file:", "data:", "blob:")
PATIENCE = 120  # seconds until a page must show what is waited for: the machine may be busy
WITHOUT = (  # Voila's template asks for fonts and for the typesetting of formulas: pages do without
    "https://cdn.jsdelivr.net/npm/@fortawesome/",
    "https://cdnjs.cloudflare.com/ajax/libs/mathjax/",
)


class Watch:
    """Opens pages and listens to them.

    Parameters
    ----------
    chromium : playwright Browser
        The browser.
    served : str
        Address of a server whose own pages are looked at: there, warnings of its scripts do not count.
    """

    def __init__(self, chromium, served: str = "") -> None:
        self.chromium, self.served = chromium, served
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.pages = []

    def open(self, address: str, shows: str = "", *, width: int = 1200, height: int = 900, **options):
        page = self.chromium.new_page(viewport={"width": width, "height": height}, **options)
        self.pages.append(page)
        page.set_default_timeout(1000 * PATIENCE)
        if self.served:
            for start in WITHOUT:
                page.route(f"{start}**", lambda route: route.abort())
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._receive)
        page.on("request", self._ask)
        page.goto(address)
        if shows:
            page.wait_for_selector(shows)
        return page

    def _hear(self, message) -> None:
        without = message.location.get("url", "").startswith(WITHOUT)
        if not without and (not self.served or message.type == "error"):
            self.complaints.append(message.text)

    def _receive(self, answer) -> None:
        if answer.status >= 400:
            self.complaints.append(f"{answer.status} {answer.url}")

    def _ask(self, request) -> None:
        home = bool(self.served) and urlsplit(request.url).netloc == urlsplit(self.served).netloc
        if not (home or request.url.startswith((*LOCAL, *WITHOUT))):
            self.elsewhere.append(request.url)

    def check(self) -> None:
        """Fail if a page complained or asked elsewhere since the last check."""
        complaints, elsewhere = list(self.complaints), list(self.elsewhere)
        self.complaints.clear()
        self.elsewhere.clear()
        assert not complaints, complaints
        assert not elsewhere, elsewhere

    def close(self) -> None:
        for page in self.pages:
            page.close()


@contextmanager
def watching(chromium, served: str = "") -> Iterator[Watch]:
    """Give a watch whose pages are closed at the end, and then checked."""
    watch = Watch(chromium, served)
    try:
        yield watch
    finally:
        watch.close()
    watch.check()
