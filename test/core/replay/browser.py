"""A real browser without a window, driven through its own protocol over two pipes."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
import select
import shutil
import subprocess
import time
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome', 'headless_shell')

_TIMEOUT_S = 300.0


def find_browser() -> str | None:
    """Return a Chromium of this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of a headless Chromium that cannot reach any network.

    Attributes:
        complaints: Console messages, exceptions and log entries of the page.
        requests: Addresses that the page asked for.
    """

    def __init__(self, program: str, profile: Path) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._count = 0
        self._data = b''
        self._session = ''
        take, self._to = os.pipe()
        self._from, give = os.pipe()

        def as_three_and_four() -> None:
            os.dup2(take, 30)  # first out of the way of each other
            os.dup2(give, 31)
            os.dup2(30, 3)
            os.dup2(31, 4)

        self._process = subprocess.Popen(
            [
                program, '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run',
                '--disable-dev-shm-usage', '--disable-background-networking',
                '--host-resolver-rules=MAP * ~NOTFOUND', f'--user-data-dir={profile}',
                '--remote-debugging-pipe',
            ],
            close_fds=False, preexec_fn=as_three_and_four, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(take)
        os.close(give)
        target = self._call('Target.createTarget', url='about:blank')['targetId']
        attached = self._call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self._call(f'{domain}.enable')

    def open(self, path: Path, *, width: int = 1200, height: int = 900) -> None:
        """Open a file as a double click would, in a window of some size."""
        self.resize(width, height)
        self._call('Page.navigate', url=path.resolve().as_uri())
        while self.evaluate('document.readyState') != 'complete':
            time.sleep(0.02)

    def resize(self, width: int, height: int) -> None:
        self._call(
            'Emulation.setDeviceMetricsOverride', width=width, height=height,
            deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def evaluate(self, script: str) -> Any:
        """Return the value of a script; a promise is awaited."""
        answer = self._call(
            'Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in answer, answer
        return answer['result'].get('value')

    def move_to(self, x: float, y: float) -> None:
        """Move the mouse."""
        self._call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ('keyDown', 'keyUp'):
            self._call(
                'Input.dispatchKeyEvent', type=kind, key=key, code=key,
                windowsVirtualKeyCode=code,
            )  # fmt: skip

    def go_dark(self) -> None:
        """Ask for dark colors, as a system set to them does."""
        features = [{'name': 'prefers-color-scheme', 'value': 'dark'}]
        self._call('Emulation.setEmulatedMedia', features=features)

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        answer = self._call('Page.captureScreenshot', captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer['data']))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        said: dict[str, Any] = {'id': self._count, 'method': method, 'params': params}
        if self._session:
            said['sessionId'] = self._session
        os.write(self._to, json.dumps(said).encode() + b'\0')
        while True:
            heard = self._receive()
            if heard.get('id') == self._count:
                assert 'error' not in heard, heard
                return heard['result']
            self._note(heard)

    def _receive(self) -> dict[str, Any]:
        while b'\0' not in self._data:
            ready, _, _ = select.select([self._from], [], [], _TIMEOUT_S)
            assert ready, 'the browser does not answer'
            data = os.read(self._from, 1 << 20)
            assert data, 'the browser is gone'
            self._data += data
        message, _, self._data = self._data.partition(b'\0')
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event['method'], event['params']
        if method in ('Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded'):
            self.complaints.append(json.dumps(params))
        if method == 'Network.requestWillBeSent':
            self.requests.append(params['request']['url'])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
