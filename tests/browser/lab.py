"""A real JupyterLab, Notebook 7 or Voila in a real Chromium, for the browser tests and the desk's benchmark.

Everything lives in one temporary folder (settings, runtime files, notebooks); nothing of the user's Jupyter is read
or written,
and nothing is left running.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from motifdesk._pages import voila_command

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # there is no network but this machine: whatever asks for more is counted (Notebook.foreign) and gets nothing
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# Not faults of the desk, each with its reason; keep this list tiny.
ALLOWED_CONSOLE = (
    "GPU stall due to ReadPixels",  # software GL says this at every pick
    "Automatic fallback to software WebGL",  # this Chromium has no GPU
)
ALLOWED_URLS = ("/lsp/status",)  # JupyterLab asks for a language server extension that is not installed
ALLOWED_ERRORS = {"notebook": ("reading 'schema'",)}  # Notebook 7.6 says so without any desk


def chromium() -> str | None:
    """Path of a Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def missing() -> str | None:
    """Why browser tests cannot run here, or None."""
    if chromium() is None:
        return "no Chromium on the PATH: install Debian's chromium package (CI does)"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install 'motifdesk[test]'"
    return None


def poll(probe: Callable[[], Any], what: str, timeout: float = 30.0, every: float = 0.1) -> Any:
    """The first true answer of `probe`; AssertionError naming `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    last: Any = None
    while time.monotonic() < end:
        last = probe()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"waited {timeout:g} s for {what}; last answer: {str(last)[:400]}")


class Home(NamedTuple):
    """Where notebooks are shown: the server's module and options, the address of a notebook, one that is there soon."""

    module: str
    options: tuple[str, ...]
    address: str
    status: str = "/api/status"


_SERVER = (
    "--ServerApp.port={port}",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port_retries=0",
    "--ServerApp.root_dir={folder}",
    "--IdentityProvider.token={token}",
    "--ServerApp.terminals_enabled=False",
    "--allow-root",
)
HOMES = {
    "lab": Home(
        "jupyterlab",
        (*_SERVER, "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"),
        "/lab/tree/{name}?reset&token={token}",
    ),
    "notebook": Home(
        "notebook",
        (*_SERVER, "--JupyterNotebookApp.expose_app_in_browser=True"),
        "/notebooks/{name}?token={token}",
    ),
    "voila": Home(
        "voila",
        (
            "--Voila.ip=127.0.0.1",
            "--Voila.port={port}",
            "--Voila.port_retries=0",
            "--Voila.token={token}",
        ),
        "/voila/render/{name}?token={token}",
        "/voila/static/voila.js",
    ),
}


def settled(problems: Callable[[], list[Any]], what: str, timeout: float = 8.0) -> None:
    """Assert that `problems` comes to be empty; it may not be while the page is being drawn anew."""
    end = time.monotonic() + timeout
    while found := problems():
        assert time.monotonic() < end, f"{what}: {found}"
        time.sleep(0.3)


@contextmanager
def jupyter(folder: Path, home: str = "lab", theme: str = "light") -> Iterator[str]:
    """A server of `home` on `folder`; gives the base URL with the token's value as ``url|token``."""
    place = HOMES[home]
    own = folder / ".jupyter-test"
    news = own / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    filled = {"port": port, "folder": folder, "token": token}
    options = [option.format(**filled) for option in place.options]
    command = [sys.executable, "-m", place.module, "--no-browser", *options]
    if home == "voila":  # as `motifdesk voila` starts it
        command, more = voila_command(folder, theme=theme, options=["--no-browser", *options])
        environment["JUPYTER_PATH"] = more["JUPYTER_PATH"]
    log = (own / "server.log").open("w")
    server = subprocess.Popen(
        command,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        if server.poll() is not None:
            raise AssertionError(f"{place.module} ended: " + (own / "server.log").read_text()[-2000:])
        try:
            request = urllib.request.Request(url + place.status, headers={"Authorization": f"token {token}"})
            return urllib.request.urlopen(request, timeout=2).status == 200
        except OSError:
            return False

    try:
        poll(up, f"the server of {home}", 60)
        yield f"{url}|{token}"
    finally:
        # the server shuts its kernels down on SIGTERM; the whole group goes if it does not
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(5)
        log.close()


class Notebook:
    """One notebook open in JupyterLab, in Notebook 7, or as a page of Voila (``home`` names which)."""

    def __init__(self, page: Any, url: str, folder: Path, home: str = "lab") -> None:
        self.url = url
        self.folder = folder
        self.home = home
        self.console: list[str] = []
        self.foreign: list[str] = []  # addresses asked for that are not of this machine
        self.page = self._watched(page)

    def _watched(self, page: Any) -> Any:
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.on("console", self._said)
        page.on("pageerror", self._threw)
        return page

    def close_tab(self) -> None:
        """The browser's tab is closed; server and kernel live on."""
        self._context = self.page.context
        self.page.close()

    def new_tab(self, script: str = "") -> None:
        """Another tab of the same browser, empty; ``script`` runs in it before each page's own."""
        self.page = self._watched(self._context.new_page())
        self.page.set_default_timeout(30_000)
        if script:
            self.page.add_init_script(script)

    def server(self, method: str, path: str) -> Any:
        """What the Jupyter server answers, no page needed: ``server("GET", "/api/kernels")``."""
        base, token = self.url.split("|")
        request = urllib.request.Request(base + path, method=method, headers={"Authorization": f"token {token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _said(self, message: Any) -> None:
        where = str((message.location or {}).get("url", ""))
        allowed = any(k in message.text for k in ALLOWED_CONSOLE) or any(k in where for k in ALLOWED_URLS)
        if message.type == "error" and not allowed:
            self.console.append(f"{message.text} ({where})")

    def _threw(self, error: Any) -> None:
        if not any(known in str(error) for known in ALLOWED_ERRORS.get(self.home, ())):
            self.console.append(f"pageerror: {error}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            self.foreign.append(url)

    def open(self, name: str) -> None:
        """Open notebook `name` and wait for its kernel; in Voila its cells run at once."""
        base, token = self.url.split("|")
        address = HOMES[self.home].address.format(name=name, token=token)
        self.page.goto(base + address, wait_until="domcontentloaded")
        if self.home == "voila":
            return
        context = "globalThis.jupyterapp?.shell?.currentWidget?.context"
        ready = f"() => {context}?.isReady && {context}?.sessionContext?.session?.kernel?.status === 'idle'"
        self.page.wait_for_function(ready, timeout=60_000)

    def command(self, name: str) -> None:
        """Run a JupyterLab command, not awaiting its end."""
        self.page.evaluate("(name) => { globalThis.jupyterapp.commands.execute(name); }", name)

    def run_all(self) -> None:
        """Run every cell (as the menu does)."""
        self.command("notebook:run-all-cells")

    def run_to(self, cell: int) -> None:
        """Run the cells 0 ... `cell`."""
        self.page.evaluate(
            """async (cell) => {
              const { commands, shell } = globalThis.jupyterapp;
              shell.currentWidget.content.activeCellIndex = cell;
              commands.execute('notebook:run-all-above').then(() => commands.execute('notebook:run-cell'));
            }""",
            cell,
        )

    def python(self, code: str, timeout: float = 60.0) -> str:
        """Run `code` in the notebook's kernel, beside its cells; what it printed. A traceback raises."""
        script = """async ([code, ms]) => {
          const kernel = globalThis.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
          const future = kernel.requestExecute({ code, store_history: false, stop_on_error: false });
          let text = '', wrong = null;
          future.onIOPub = (m) => {
            if (m.header.msg_type === 'stream') text += m.content.text;
            if (m.header.msg_type === 'error') wrong = m.content.traceback.join('\\n');
          };
          const late = new Promise((done) => setTimeout(() => done('late'), ms));
          if ((await Promise.race([future.done, late])) === 'late') wrong = 'no answer from the kernel';
          return { text, wrong };
        }"""
        answer = self.page.evaluate(script, [code, 1000 * timeout])
        if answer["wrong"]:
            raise AssertionError(f"kernel: {answer['wrong']}")
        return answer["text"]

    def value(self, expression: str, setup: str = "") -> Any:
        """The JSON value of a Python expression in the kernel."""
        return json.loads(self.python(f"import json\n{setup}\nprint(json.dumps({expression}))"))

    # ---------------------------------------------------------------------------------------------- the desk

    def stage(self) -> dict[str, Any] | None:
        """What the bridge reads back from the viewer's stage."""
        return self.page.evaluate("() => globalThis.motifdesk?.latest?.pane?.report() ?? null")

    def map(self) -> dict[str, Any] | None:
        """What the bridge reads back from the map."""
        return self.page.evaluate("() => globalThis.motifdesk?.latest?.map?.report() ?? null")

    def frames(self) -> list[float]:
        """Times (ms) at which new coordinates reached the stage."""
        return self.page.evaluate("() => globalThis.motifdesk.latest.frames.slice()")

    def screen(self, xyz: Any) -> tuple[float, float]:
        """Where a point of the design (Angstrom) is on the page."""
        at = self.page.evaluate("(p) => globalThis.motifdesk.latest.pane.screen(p)", [float(v) for v in xyz])
        return at["x"], at["y"]


@contextmanager
def lab(
    notebooks: list[Path], *, size: tuple[int, int] = (1680, 1050), home: str = "lab", theme: str = "light"
) -> Iterator[Notebook]:
    """A server of `home` with copies of `notebooks` and a Chromium page on it."""
    from playwright.sync_api import sync_playwright

    folder = Path(tempfile.mkdtemp(prefix="motifdesk-browser-"))
    try:
        for notebook in notebooks:
            shutil.copy(notebook, folder / notebook.name)
        with jupyter(folder, home, theme) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
            try:
                page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
                page.set_default_timeout(30_000)
                yield Notebook(page, url, folder, home)
            finally:
                browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def desk(source: str, **options: Any) -> Iterator[Notebook]:
    """A notebook of one cell, `source`, that shows a desk: run, on the stage, scrolled to. Options: of `lab`."""
    import nbformat

    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata={"kernelspec": kernel})
    with lab([], **options) as page:
        nbformat.write(notebook, page.folder / "desk.ipynb")
        page.open("desk.ipynb")
        if page.home != "voila":
            page.run_all()
        poll(page.stage, "the structure on the stage", 90)
        page.page.locator(".md-frame").evaluate("(el) => el.scrollIntoView({ block: 'start' })")
        yield page
