"""One attempt of an execution, as its handler sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any


class Cancelled(Exception):
    """Raised by :meth:`Run.raise_if_cancelled`."""


class _Noted:
    """May be awaited, so that ``await run.progress(…)`` and ``run.progress(…)`` are the same."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class Run:
    """One attempt. Its methods may be called from any thread."""

    def __init__(self, execution: dict[str, Any]) -> None:
        #: Id of the execution: the idempotency key, the same for all attempts.
        self.id: str = execution["id"]
        #: Number of the attempt, from 1: the fencing token.
        self.attempt: int = execution["attempt"]
        self.job_id: str = execution["jobId"]
        self.job_name: str = execution["jobName"]
        self.handler: str = execution["handler"]
        #: ``SCHEDULE``, ``MANUAL``, ``BACKFILL`` …
        self.kind: str = execution["kind"]
        #: The instant that the schedule names (RFC 3339).
        self.fire_time: str = execution["fireTime"]
        self.due_time: str = execution["dueTime"]
        #: Earlier attempts that failed.
        self.failures: int = execution["failures"]
        #: Time limit of the attempt in seconds.
        self.timeout_seconds: int | None = execution["timeoutSeconds"]
        #: The payload as JSON has it.
        self.payload: Any = execution["payload"]
        #: What an earlier attempt saved.
        self.checkpoint: Any = execution["checkpoint"]
        self._lock = threading.Lock()
        self._said: dict[str, Any] = {}
        #: Whether a thread runs the handler now.
        self.is_in_thread = False
        self._cancelled = threading.Event()
        self._on_cancel: Callable[[], None] = lambda: None

    def progress(self, percent: float | None = None, message: str | None = None) -> _Noted:
        """Says how far the attempt is: 0 to 100, and a sentence. For people."""
        with self._lock:
            if percent is not None:
                self._said["percent"] = percent
            if message is not None:
                self._said["message"] = message[:500]
        return _Noted()

    def save(self, checkpoint: Any) -> _Noted:
        """Saves what the next attempt shall know. Travels with the next heartbeat or the result."""
        with self._lock:
            self._said["checkpoint"] = checkpoint
            self.checkpoint = checkpoint
        return _Noted()

    @property
    def cancelled(self) -> bool:
        """Whether the handler shall stop: its result does not count any more."""
        return self._cancelled.is_set()

    def raise_if_cancelled(self) -> None:
        """Raises :class:`Cancelled` when the handler shall stop."""
        if self.cancelled:
            raise Cancelled

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Waits until the handler shall stop; whether it shall."""
        return self._cancelled.wait(timeout)

    def held(self) -> dict[str, Any]:
        """The attempt in the bodies of calls."""
        return {"id": self.id, "attempt": self.attempt}

    def take_said(self) -> dict[str, Any] | None:
        """What it said since the last call."""
        with self._lock:
            said, self._said = self._said, {}
        return {**self.held(), **said} if said else None

    def put_back(self, said: dict[str, Any]) -> None:
        """What did not arrive travels again, unless there is newer."""
        with self._lock:
            for name in ("percent", "message", "checkpoint"):
                if name in said:
                    self._said.setdefault(name, said[name])

    def cancel(self) -> None:
        """Tells the handler to stop."""
        self._cancelled.set()
        self._on_cancel()
