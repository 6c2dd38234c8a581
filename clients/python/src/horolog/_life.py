"""One life of a worker: from its join until it leaves or is fenced."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from ._api import BlockingApi, Settings
from ._errors import Problem
from ._run import Run

log = logging.getLogger("horolog")

#: Part of the TTL after the last good heartbeat for which the worker trusts itself.
TRUSTED = 7 / 8


class Life:
    """The membership, and the attempts that it holds. A thread of its own renews it."""

    def __init__(self, settings: Settings, joined: dict[str, Any], joined_at: float) -> None:
        self.id: str = joined["id"]
        self.path = f"/workers/{self.id}"
        self.ttl: float = joined["ttlSeconds"]
        #: Set on the event loop when the membership is over.
        self.ended = threading.Event()
        self.draining = threading.Event()
        self.on_change: Callable[[], None] = lambda: None
        self._settings = settings
        self._lock = threading.Lock()
        self._held: dict[str, Run] = {}
        self._trusted_until = joined_at + self.ttl * TRUSTED
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="horolog-heartbeat", daemon=True)

    def start(self) -> None:
        """Begins to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the renewals."""
        self._stop.set()

    @property
    def is_trusted(self) -> bool:
        """Whether no node can have declared this worker dead."""
        return not self.ended.is_set() and time.monotonic() < self._trusted_until

    def hold(self, run: Run) -> None:
        """The attempt is held from now on."""
        with self._lock:
            self._held[run.id] = run

    def drop(self, run: Run) -> None:
        """The attempt is settled, or lost."""
        with self._lock:
            if self._held.get(run.id) is run:
                del self._held[run.id]

    def holding(self) -> list[Run]:
        """The held attempts."""
        with self._lock:
            return list(self._held.values())

    def fence(self, why: str) -> None:
        """The membership is over: all handlers are told to stop."""
        if self.ended.is_set():
            return
        log.warning("worker %s: %s: what it runs is cancelled", self.id, why)
        self.ended.set()
        for run in self.holding():
            run.cancel()
        self._stop.set()
        self.on_change()

    def _renew(self) -> None:
        api = BlockingApi(self._settings)
        pause = self.ttl / 4
        try:
            while not self._stop.wait(pause):
                pause = self.ttl / 4 if self._heartbeat(api) else min(1.0, self.ttl / 16)
                if not self.is_trusted and not self._stop.is_set():
                    self.fence("no good heartbeat for 7/8 of its TTL")
        finally:
            api.close()

    def _heartbeat(self, api: BlockingApi) -> bool:
        runs = self.holding()
        said = [(run, words) for run in runs if (words := run.take_said())]
        body = {
            "holding": [run.held() for run in runs],
            "progress": [words for _, words in said],
        }
        sent = time.monotonic()
        # A late answer is of no use: the trust ends before.
        patience = max(0.1, min(self.ttl / 4, self._trusted_until - sent))
        try:
            answer = api.post(f"{self.path}/heartbeat", body, patience)
        except (httpx.HTTPError, Problem) as error:
            for run, words in said:
                run.put_back(words)
            if isinstance(error, Problem) and error.status in (404, 410):
                self.fence("its membership has ended")
            else:
                log.warning("worker %s: heartbeat failed: %s", self.id, error)
            return False
        self._trusted_until = sent + self.ttl * TRUSTED
        held = {(run.id, run.attempt): run for run in runs}
        lost = {(named["id"], named["attempt"]) for named in answer["lost"]}
        cancelled = {(named["id"], named["attempt"]) for named in answer["cancel"]}
        for named, run in held.items():
            if named in lost:
                self.drop(run)
            if named in lost or named in cancelled:
                run.cancel()
        if answer["draining"]:
            self.draining.set()
        self.on_change()
        return True
