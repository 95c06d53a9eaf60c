"""The page of the repository's own weights, in a real browser."""

import shutil
from threading import Thread

import pytest

from experiments.play.build import build
from experiments.play.command import ROOT, RUNS
from experiments.play.serve import address_of, server_of

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory):
    """A folder with the page, as `play --out` builds it."""
    folder = tmp_path_factory.mktemp("play") / "page"
    build([ROOT / run for run in RUNS], folder)
    return folder


@pytest.fixture(scope="session")
def address(page_folder):
    """Where that page is served."""
    with server_of(page_folder) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield address_of(server)
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window."""
    sync = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: `apt-get install chromium`, for example")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def open_page(browser, address, page_folder):
    """Opens the page; errors in it, and requests to elsewhere, are failures."""
    contexts = []
    wrong = []

    def watch(request):
        inside = (address, page_folder.as_uri(), "data:")
        if not request.url.startswith(inside):
            wrong.append(request.url)

    def opened(where=address, broken="", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(90_000)  # on a machine with other work, too
        page.on("request", watch)
        page.on("websocket", lambda socket: wrong.append(socket.url))
        if broken:
            page.route(broken, lambda route: route.fulfill(status=404))
        else:
            page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(where)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope="session")
def loaded(open_page):
    """The page with all its networks; `app` is what it runs."""
    page = open_page(viewport={"width": 1280, "height": 1000})
    page.evaluate(
        "async () => {  window.app = await (await import('./main.js')).ready;}"
    )
    return page
