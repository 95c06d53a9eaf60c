"""The page is served to this machine alone, and opened on a screen."""

import socket
from http.client import HTTPConnection
from threading import Thread

import pytest

from experiments.play import command, serve
from experiments.play.serve import HOST, address_of, has_screen, server_of


@pytest.fixture
def folder(tmp_path):
    for name in ("index.html", "a.js", "b.json", "c.safetensors"):
        (tmp_path / name).write_text(name)
    return tmp_path


def get(server, path):
    connection = HTTPConnection(HOST, server.server_port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def test_files_are_served_as_what_they_are(folder):
    with server_of(folder) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for path, kind in (
            ("/", "text/html"),
            ("/a.js", "text/javascript"),
            ("/b.json", "application/json"),
            ("/c.safetensors", "application/octet-stream"),
        ):
            status, headers, text = get(server, path)
            assert status == 200
            assert headers["Content-Type"] == kind
            assert headers["Cache-Control"] == "no-cache"
            assert text == (path[1:] or "index.html")
        assert get(server, "/../secret")[0] == 404
        assert server.server_address[0] == "127.0.0.1"
        server.shutdown()


def test_a_tab_that_is_closed_is_no_error(folder, capsys):
    with server_of(folder) as server:
        for error in (BrokenPipeError(), ConnectionResetError()):
            try:
                raise error
            except ConnectionError:
                server.handle_error(None, (HOST, 1))
        assert capsys.readouterr().err == ""
        try:
            raise KeyError("a fault of its own")
        except KeyError:
            server.handle_error(None, (HOST, 1))
        assert "a fault of its own" in capsys.readouterr().err


def test_a_port_that_is_taken(folder):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"`port` is {port}, which is in"):
            server_of(folder, port)


def test_a_screen(monkeypatch):
    monkeypatch.setattr(serve.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert not has_screen()
        monkeypatch.setenv(name, ":0")
        assert has_screen()
    monkeypatch.setattr(serve.sys, "platform", "darwin")
    assert has_screen()


@pytest.mark.parametrize("options", [[], ["--no_browser"]])
def test_the_command_serves_until_it_is_stopped(options, monkeypatch, capsys):
    seen = []

    class Server(serve._Server):
        def serve_forever(self):
            Thread(target=super().serve_forever, daemon=True).start()
            seen.append(get(self, "/page.json"))
            seen.append(address_of(self))
            self.shutdown()
            raise KeyboardInterrupt

    def opened(address):
        seen.append(("opened", address))
        return True

    monkeypatch.setattr(serve, "_Server", Server)
    monkeypatch.setattr(command, "open_page", opened)
    run = str(command.ROOT / command.RUNS[3])
    command.main(["--runs", run, *options])
    printed = capsys.readouterr().out
    if not options:
        assert seen[0] == ("opened", seen[-1])
    (status, _, text), address = seen[-2:]
    assert status == 200
    assert "Deep Sets" in text
    assert f"{address}  (Ctrl+C ends it)" in printed
    assert len(seen) == 3 - len(options)
