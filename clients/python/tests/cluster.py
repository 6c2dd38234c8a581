"""Starts two nodes on an embedded PostgreSQL, runs the tests and the examples, and ends the nodes.

Usage: cluster.py PROGRAM [NODE]: with Node.js the tests of the client for TypeScript, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from collections.abc import Iterator

HERE = pathlib.Path(__file__).parent
TYPESCRIPT = HERE.parents[1] / "typescript" / "tests" / "worker.test.mjs"
EXAMPLE = HERE.parents[2] / "examples" / "worker-python" / "worker.py"


@contextlib.contextmanager
def node(program: str, data: str, name: str) -> Iterator[str]:
    """A node; its address."""
    log = open(pathlib.Path(data) / f"{name}.log", "w+b")  # noqa: SIM115: ends with the node
    flags = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--node-name", name]
    flags += ["--drain-timeout", "2s", "--drain-delay", "0s"]
    process = subprocess.Popen([program, *flags], stdout=log, stderr=log, env=environment())
    try:
        yield address(process, log.name)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def environment() -> dict[str, str]:
    own = ("DATABASE_URL", "HOROLOG_BIN", "HOROLOG_URL")
    return {**{name: value for name, value in os.environ.items() if name not in own}, "NO_COLOR": "1"}


def address(process: subprocess.Popen[bytes], log: str) -> str:
    begun = time.monotonic()
    while time.monotonic() - begun < 120 and process.poll() is None:
        found = re.search(r"serving url=(\S+)", pathlib.Path(log).read_text("utf-8"))
        if found:
            url = found.group(1)
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return url
        time.sleep(0.05)
    raise SystemExit(f"the node does not start:\n{pathlib.Path(log).read_text('utf-8')}")


def run_example(url: str) -> None:
    """The example runs a job from its schedule to its history."""
    environ = {**os.environ, "HOROLOG_URL": url}
    with subprocess.Popen([sys.executable, str(EXAMPLE)], env=environ) as example:
        import test_worker

        job = test_worker.create("report", payload={"customer": 7})
        output = json.loads(test_worker.settled(job)["output"])
        assert output == {"customer": 7, "pages": 3}, output
        example.send_signal(signal.SIGTERM)
        assert example.wait(60) == 0
    print("examples/worker-python: ok", file=sys.stderr)


def stop_postgres(data: str) -> None:
    pid = pathlib.Path(data) / "pg" / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError):
        number = int(pid.read_text().splitlines()[0])
        os.kill(number, signal.SIGINT)
        for _ in range(600):
            os.kill(number, 0)
            time.sleep(0.05)


def main() -> int:
    program = sys.argv[1]
    data = tempfile.mkdtemp(prefix="horolog-workers-")
    os.chmod(data, 0o755)  # As root the server runs as somebody else.
    try:
        with node(program, data, "node-1") as url, node(program, data, "node-2"):
            os.environ["HOROLOG_URL"] = url
            sys.path.insert(0, str(HERE))
            tests = unittest.defaultTestLoader.discover(str(HERE))
            result = unittest.TextTestRunner(verbosity=2).run(tests)
            run_example(url)
            is_good = result.wasSuccessful()
            if len(sys.argv) > 2:
                command = [sys.argv[2], "--test", "--test-reporter=spec", str(TYPESCRIPT)]
                is_good &= subprocess.run(command, check=False).returncode == 0
            return 0 if is_good else 1
    finally:
        stop_postgres(data)
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
