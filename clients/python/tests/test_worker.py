"""Workers on a real cluster: a node at HOROLOG_URL that a script has started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from horolog import FinalError, RetryLater, Run, Worker

URL = os.environ.get("HOROLOG_URL", "")


@dataclass
class Report:
    customer: int


def graphql(query: str, variables: dict[str, Any]) -> Any:
    answer = httpx.post(f"{URL}/graphql", json={"query": query, "variables": variables}).json()
    assert not answer.get("errors"), answer
    return answer["data"]


def create(handler: str, **more: Any) -> str:
    """A job of the handler that is due at once."""
    job = {
        "name": handler,
        "scheduleType": "FIXED_RATE",
        "intervalSeconds": 3600,
        "target": {"handler": {"name": handler}},
        **more,
    }
    create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }"
    created: str = graphql(create, {"input": job})["createJob"]["id"]
    return created


def logs(job: str) -> list[dict[str, Any]]:
    query = """query($id: ID!) { jobLogs(jobId: $id) { id status reason errorMessage output attempt
        nodeName } }"""
    found: list[dict[str, Any]] = graphql(query, {"id": job})["jobLogs"]
    return found


def until(what: str, look: Callable[[], Any]) -> Any:
    """Waits for a state of the cluster."""
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        if seen := look():
            return seen
        time.sleep(0.02)
    raise AssertionError(f"waited in vain until {what}")


def settled(job: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = logs(job)
        is_settled = found and found[0]["status"] not in ("RUNNING", "RETRYING")
        return found[0] if is_settled else None

    row: dict[str, Any] = until("it is settled", look)
    return row


@unittest.skipUnless(URL, "needs HOROLOG_URL: scripts/worker-clients sets it")
class WorkerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.name = f"h-{uuid.uuid4().hex[:8]}"
        self.worker = Worker(URL, name=self.name, ttl=5, drain_timeout=10, abandon_after=0.5)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=lambda: asyncio.run(self.worker.serve()))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.worker.stop)
        return thread

    def test_async_and_sync_handlers_run_with_their_payloads(self) -> None:
        @self.worker.handler(self.name)
        async def report(run: Run, payload: Report) -> dict[str, int]:
            await run.progress(50, "half")
            return {"customer": payload.customer}

        @self.worker.handler(f"{self.name}-sync")
        def blocking(run: Run) -> str:
            run.progress(50)
            return f"attempt {run.attempt}"

        self.start()
        jobs = [create(self.name, payload={"customer": 7}), create(f"{self.name}-sync")]
        rows = [settled(job) for job in jobs]
        self.assertEqual([row["status"] for row in rows], ["SUCCESS", "SUCCESS"])
        self.assertEqual([row["output"] for row in rows], ['{"customer":7}', "attempt 1"])
        self.assertEqual(rows[0]["nodeName"], self.name)

    def test_failures_are_retried_delayed_or_final(self) -> None:
        seen: list[Any] = []

        @self.worker.handler(self.name)
        async def failing(run: Run, payload: Report) -> None:
            seen.append((run.attempt, run.checkpoint))
            if run.attempt == 1:
                run.save({"page": 3})
                raise ValueError("first")
            if run.attempt == 2:
                raise RetryLater("second", after=0.1)
            raise FinalError("third")

        self.start()
        retry = {"maxAttempts": 9, "initialBackoffSeconds": 0}
        row = settled(create(self.name, payload={"customer": 1}, retry=retry))
        self.assertEqual((row["status"], row["attempt"]), ("FAILED", 3))
        self.assertEqual(row["errorMessage"], "third")
        self.assertEqual(seen, [(1, None), (2, {"page": 3}), (3, {"page": 3})])
        row = settled(create(self.name, payload={"customer": "x"}, retry=retry))
        self.assertEqual((row["status"], row["attempt"]), ("FAILED", 1))
        self.assertIn("payload.customer: must be int", row["errorMessage"])

    def test_a_cancellation_and_a_time_limit_stop_a_handler(self) -> None:
        stopped: list[str] = []

        @self.worker.handler(self.name)
        async def endless(run: Run) -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                stopped.append(run.id)
                raise

        self.start()
        job = create(self.name)
        run = until("it runs", lambda: [row for row in logs(job) if row["status"] == "RUNNING"])
        cancel = "mutation($id: ID!) { cancelExecution(id: $id) }"
        graphql(cancel, {"id": run[0]["id"]})
        self.assertEqual(settled(job)["status"], "CANCELLED")
        limited = settled(create(self.name, timeoutSeconds=1))
        self.assertEqual((limited["status"], limited["reason"]), ("FAILED", "TIMEOUT"))
        self.assertEqual(len(stopped), 2)

    def test_a_handler_that_blocks_the_loop_keeps_its_membership(self) -> None:
        @self.worker.handler(self.name)
        async def rude(run: Run) -> str:
            time.sleep(7)  # longer than the TTL
            return "still here"

        self.start()
        self.assertEqual(settled(create(self.name))["output"], "still here")

    def test_a_stop_drains(self) -> None:
        begun, go_on = threading.Event(), threading.Event()

        @self.worker.handler(self.name)
        def slow(run: Run) -> str:
            begun.set()
            go_on.wait(30)
            return "finished"

        thread = self.start()
        job = create(self.name)
        self.assertTrue(begun.wait(30))
        self.worker.stop()
        later = create(self.name)
        go_on.set()
        thread.join(30)
        self.assertFalse(thread.is_alive())
        self.assertEqual(settled(job)["output"], "finished")
        self.assertEqual(logs(later), [], "nothing new was taken")
        names = [worker["name"] for worker in httpx.get(f"{URL}/workers").json()]
        self.assertNotIn(self.name, names)

    def test_a_killed_worker_is_taken_over_by_another(self) -> None:
        program = f"""
import sys, time
from horolog import Worker
worker = Worker({URL!r}, name="victim", ttl=5)
@worker.handler({self.name!r})
def hang(run):
    print("begun", flush=True)
    time.sleep(3600)
worker.run()
"""
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as victim:
            job = create(self.name)
            assert victim.stdout is not None
            self.assertEqual(victim.stdout.readline(), b"begun\n")
            victim.send_signal(signal.SIGKILL)

        @self.worker.handler(self.name)
        async def report(run: Run) -> str:
            return f"attempt {run.attempt}"

        self.start()
        self.assertEqual(settled(job)["output"], "attempt 2")

    def test_a_worker_that_was_declared_dead_stops_and_joins_again(self) -> None:
        stopped = threading.Event()

        @self.worker.handler(self.name)
        async def report(run: Run) -> str:
            if run.attempt > 1:
                return f"attempt {run.attempt}"
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                stopped.set()
                raise
            return "never"

        self.start()
        job = create(self.name)
        until("it runs", lambda: [row for row in logs(job) if row["status"] == "RUNNING"])
        listed = httpx.get(f"{URL}/workers").json()
        own = next(worker["id"] for worker in listed if worker["name"] == self.name)
        # As a node would that takes it for dead.
        httpx.delete(f"{URL}/workers/{own}").raise_for_status()
        self.assertEqual(settled(job)["output"], "attempt 2")
        self.assertTrue(stopped.is_set())

    def test_sigterm_drains_a_program(self) -> None:
        program = f"""
import time
from horolog import Worker
worker = Worker({URL!r}, name="drained", ttl=5)
@worker.handler({self.name!r})
def slow(run):
    print("begun", flush=True)
    time.sleep(0.5)
    return "finished"
worker.run()
"""
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
            job = create(self.name)
            assert process.stdout is not None
            self.assertEqual(process.stdout.readline(), b"begun\n")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(30), 0)
        self.assertEqual(logs(job)[0]["output"], "finished")


if __name__ == "__main__":
    unittest.main()
