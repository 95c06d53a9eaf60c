"""Serve a folder on this machine alone, and open it where there is a screen."""

import sys
import webbrowser
from errno import EADDRINUSE
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from experiments.report.screen import has_screen

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    # Some systems know other types: a module would then not be run.
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".json": "application/json",
        ".safetensors": "application/octet-stream",
    }

    def end_headers(self) -> None:
        # A page that is built again is another page at the same address.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # A tab that is closed while it loads is no fault of the server's.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def server_of(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Make a server of a folder's files, which answers this machine alone.

    Args:
        folder: The folder.
        port: Where it listens; 0: at any that is free.

    Raises:
        ValueError: If the port is taken, or not to be had.
    """
    handler = partial(_Handler, directory=str(folder))
    try:
        return _Server((HOST, port), handler)
    except OSError as error:
        taken = error.errno == EADDRINUSE
        reason = "which is in use" if taken else f"which fails ({error})"
        raise ValueError(
            f"`port` is {port}, {reason}: expected a free one, or 0 for any"
        ) from None


def address_of(server: ThreadingHTTPServer) -> str:
    """Where a server's page is."""
    return f"http://{HOST}:{server.server_port}/"


def open_page(address: str) -> bool:
    """Open a page in a browser, and say whether one was found."""
    return has_screen() and webbrowser.open(address)
