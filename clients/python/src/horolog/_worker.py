"""The worker: offers handlers, polls, runs and settles."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from ._api import AsyncApi, Settings
from ._errors import FinalError, Problem, RetryLater
from ._life import Life
from ._payload import payload_type, read, takes_payload
from ._run import Cancelled, Run

log = logging.getLogger("horolog")

Handler = TypeVar("Handler", bound=Callable[..., Any])

#: Longest wait of a poll, in seconds.
_WAIT = 20
#: Most results of one call.
_RESULTS_MAX = 500
#: Pause after a call that failed, in seconds.
_PAUSE = 1.0
#: Longest time of a call that does not wait, in seconds.
_PATIENCE = 10.0


class Worker:
    """Runs the handlers of jobs. Configure it, decorate handlers, and call :meth:`run`.

    ``slots``: most executions at once. ``ttl``: seconds of silence after which the cluster takes
    the worker for dead (5 to 300). ``drain_timeout``: seconds for what runs at SIGTERM.
    ``abandon_after``: seconds that a handler has to stop after its cancellation.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        name: str | None = None,
        namespace: str = "default",
        version: str = "",
        slots: int = 10,
        ttl: int = 15,
        drain_timeout: float = 30.0,
        abandon_after: float = 5.0,
    ) -> None:
        self._settings = Settings(url, token)
        self._profile = {
            "name": name or f"{socket.gethostname()}-{os.getpid()}",
            "namespace": namespace,
            "version": version,
            "slots": slots,
            "ttlSeconds": ttl,
        }
        self._slots = slots
        self._drain_timeout = drain_timeout
        self._abandon_after = abandon_after
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def handler(self, name: str) -> Callable[[Handler], Handler]:
        """Offers a function as the handler of this name: ``(run)`` or ``(run, payload)``."""

        def offer(function: Handler) -> Handler:
            if name in self._handlers:
                raise ValueError(f"the handler {name} is there already")
            self._handlers[name] = function
            return function

        return offer

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT, and drains."""
        asyncio.run(self._run_with_signals())

    def stop(self) -> None:
        """Drains, and ends :meth:`run` or :meth:`serve`. May be called from any thread."""
        loop = self._loop
        if loop is None:
            self._stopping.set()
        else:
            loop.call_soon_threadsafe(self._stopping.set)

    async def serve(self) -> None:
        """The same as :meth:`run` on the loop of the caller, without signals."""
        if not self._handlers:
            raise ValueError("the worker offers no handler")
        self._loop = asyncio.get_running_loop()
        api = AsyncApi(self._settings)
        try:
            while not self._stopping.is_set():
                life = await self._join(api)
                if life is not None:
                    await _Session(self, api, life).run()
        finally:
            self._loop = None
            await api.close()

    async def _run_with_signals(self) -> None:
        loop = asyncio.get_running_loop()
        serving = asyncio.ensure_future(self.serve())

        def on_signal() -> None:
            if self._stopping.is_set():
                serving.cancel()
            self._stopping.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, on_signal)
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    async def _join(self, api: AsyncApi) -> Life | None:
        handlers = sorted(self._handlers)
        profile = {**self._profile, "handlers": handlers}
        while not self._stopping.is_set():
            sent = time.monotonic()
            try:
                joined = await api.post("/workers", profile, _PATIENCE)
            except httpx.HTTPError as error:
                log.warning("cannot join: %s: trying again", error)
            except Problem as problem:
                if not problem.is_passing:
                    raise
                log.warning("cannot join: %s: trying again", problem)
            else:
                life = Life(self._settings, joined, sent)
                log.info("joined as worker %s: %s", life.id, ", ".join(handlers))
                return life
            await _first(self._stopping.wait(), timeout=_PAUSE)
        return None


class _Session:
    """What a worker does in one life."""

    def __init__(self, worker: Worker, api: AsyncApi, life: Life) -> None:
        self._worker = worker
        self._api = api
        self._life = life
        self._polls = 0
        self._tasks: dict[asyncio.Task[None], Run] = {}
        self._results: list[tuple[Run, dict[str, Any]]] = []
        self._changed = asyncio.Event()
        self._has_results = asyncio.Event()
        #: What ends from now on is left to the recovery of its job.
        self._is_abandoned = False
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        life = self._life
        life.on_change = lambda: self._wake(self._changed)
        life.start()
        settling = asyncio.create_task(self._settle_all())
        try:
            await self._poll_all()
            if not life.ended.is_set():
                await self._drain()
        finally:
            self._is_abandoned = True
            for task, run in self._tasks.items():
                run.cancel()
                task.cancel()
            if self._tasks:
                await asyncio.wait(list(self._tasks))
            if not life.ended.is_set():
                await _first(self._all_settled(), timeout=_PATIENCE)
                await self._leave()
            life.stop()
            settling.cancel()
            await asyncio.wait([settling])

    def _wake(self, event: asyncio.Event) -> None:
        """Sets an event of the loop from any thread."""
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(event.set)

    # Polls ------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self._worker._stopping.is_set() or not self._life.is_trusted

    async def _poll_all(self) -> None:
        stopping = asyncio.create_task(self._worker._stopping.wait())
        try:
            while not self._is_over():
                self._changed.clear()
                free = self._worker._slots - len(self._life.holding())
                if free <= 0 or self._life.draining.is_set():
                    if self._life.draining.is_set() and not self._life.holding():
                        self._worker._stopping.set()
                        return
                    await _any(self._changed.wait(), stopping)
                    continue
                poll = asyncio.create_task(self._poll(free, _WAIT))
                await _any(poll, stopping, self._ended())
                if not poll.done():
                    poll.cancel()
                    await asyncio.wait([poll])
                    return
                if not poll.result():
                    await _any(asyncio.sleep(_PAUSE), stopping)
        finally:
            stopping.cancel()

    async def _ended(self) -> None:
        while not self._life.ended.is_set():
            await self._changed.wait()
            self._changed.clear()

    async def _poll(self, free: int, wait: int) -> bool:
        """Polls once, and starts what it gets. False: the answer did not come."""
        self._polls += 1
        body = {
            "poll": self._polls,
            "free": free,
            "holding": [run.held() for run in self._life.holding()],
            "waitSeconds": wait,
        }
        try:
            answer = await self._api.post(f"{self._life.path}/poll", body, wait + _PATIENCE)
        except httpx.HTTPError as error:
            log.warning("poll failed: %s", error)
            return False
        except Problem as problem:
            if problem.status in (404, 410):
                self._life.fence("its membership has ended")
                return True
            log.warning("poll refused: %s", problem)
            return False
        if answer["draining"]:
            self._life.draining.set()
        for execution in answer["executions"]:
            run = Run(execution)
            self._life.hold(run)
            task = asyncio.create_task(self._attempt(run))
            self._tasks[task] = run
            task.add_done_callback(self._forget)
        return True

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._changed.set()

    # Attempts ---------------------------------------------------------------------------------

    async def _attempt(self, run: Run) -> None:
        asked_to_stop = asyncio.Event()
        run._on_cancel = lambda: self._wake(asked_to_stop)
        if run.cancelled:
            asked_to_stop.set()
        work = asyncio.create_task(self._call(run))
        cancelled = asyncio.create_task(asked_to_stop.wait())
        timeout = run.timeout_seconds
        try:
            await asyncio.wait(
                [work, cancelled], timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if work.done():
                self._end(run, _result(work))
                return
            is_timed_out = not cancelled.done()
            run.cancel()
            await self._end_work(run, work)
            if is_timed_out:
                error = f"the attempt took longer than timeoutSeconds ({timeout})"
                self._end(run, {"outcome": "FAILED", "timedOut": True, "error": error})
            else:
                self._end(run, {"outcome": "CANCELLED"})
        finally:
            cancelled.cancel()
            await self._end_work(run, work)

    async def _end_work(self, run: Run, work: asyncio.Task[Any]) -> None:
        """Waits for a handler that shall stop, for a while."""
        if work.done():
            return
        work.cancel()
        await asyncio.wait([work], timeout=self._worker._abandon_after)
        if not work.done() or run.is_in_thread:
            log.error("handler %s ignores its cancellation: abandoned", run.handler)

    async def _call(self, run: Run) -> Any:
        function = self._worker._handlers[run.handler]
        arguments: list[Any] = [run]
        if takes_payload(function):
            arguments.append(read(payload_type(function), run.payload))
        if inspect.iscoroutinefunction(function):
            return await function(*arguments)
        return await self._in_thread(run, function, arguments)

    async def _in_thread(
        self, run: Run, function: Callable[..., Any], arguments: list[Any]
    ) -> Any:
        # A thread of its own: an abandoned handler must not take the place of another one.
        ended: asyncio.Future[Any] = self._loop.create_future()
        run.is_in_thread = True

        def tell(value: Any, error: BaseException | None) -> None:
            if ended.done():
                return
            if error is None:
                ended.set_result(value)
            else:
                ended.set_exception(error)

        def call() -> None:
            value, error = None, None
            try:
                value = function(*arguments)
            except BaseException as raised:  # noqa: BLE001: it becomes the outcome
                error = raised if isinstance(raised, Exception) else RuntimeError(repr(raised))
            run.is_in_thread = False
            with contextlib.suppress(RuntimeError):  # The loop is closed.
                self._loop.call_soon_threadsafe(tell, value, error)

        threading.Thread(target=call, name=f"horolog-{run.handler}", daemon=True).start()
        return await ended

    # Results ----------------------------------------------------------------------------------

    def _end(self, run: Run, result: dict[str, Any]) -> None:
        if self._is_abandoned or self._life.ended.is_set():
            # Another worker gets it, or has it by now.
            return
        said = run.take_said() or {}
        if "checkpoint" in said:
            result["checkpoint"] = said["checkpoint"]
        self._results.append((run, {**run.held(), **result}))
        self._has_results.set()

    async def _settle_all(self) -> None:
        while True:
            batch = self._results[:_RESULTS_MAX]
            if not batch:
                self._has_results.clear()
                await self._has_results.wait()
                continue
            if await self._settle(batch):
                del self._results[: len(batch)]
                self._changed.set()
            else:
                await asyncio.sleep(_PAUSE)

    async def _settle(self, batch: list[tuple[Run, dict[str, Any]]]) -> bool:
        """Sends results. They are held until the answer, whatever happened to them."""
        body = {"results": [result for _, result in batch]}
        try:
            answer = await self._api.post(f"{self._life.path}/settle", body, _PATIENCE)
        except httpx.HTTPError as error:
            log.warning("results did not arrive: %s: trying again", error)
            return False
        except Problem as problem:
            if problem.status in (400, 413):
                return await self._settle_each(batch, problem)
            log.warning("results did not arrive: %s: trying again", problem)
            return False
        for (run, _), settled in zip(batch, answer["results"], strict=True):
            self._life.drop(run)
            if settled["code"] in ("FENCED", "CANCELLED"):
                log.warning("execution %s attempt %s: %s", run.id, run.attempt, settled["code"])
        return True

    async def _settle_each(
        self, batch: list[tuple[Run, dict[str, Any]]], problem: Problem
    ) -> bool:
        """One result is refused, and must not keep the others."""
        if len(batch) > 1:
            return all([await self._settle([one]) for one in batch])
        run, result = batch[0]
        if result.get("error") == str(problem):
            log.error("execution %s cannot be settled: %s", run.id, problem)
            self._life.drop(run)
            return True
        refused = {**run.held(), "outcome": "FAILED", "retry": False, "error": str(problem)}
        return await self._settle([(run, refused)])

    async def _all_settled(self) -> None:
        while self._results:
            await asyncio.sleep(0.01)

    # The end ----------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Gives back what the last answer may have leased, and waits for what runs."""
        await self._poll(0, 0)
        running = list(self._tasks)
        if running:
            log.info("draining: %s executions run", len(running))
            await asyncio.wait(running, timeout=self._worker._drain_timeout)

    async def _leave(self) -> None:
        try:
            await self._api.delete(self._life.path, _PATIENCE)
        except (httpx.HTTPError, Problem) as error:
            log.warning("could not leave: %s: the cluster will notice", error)


def _result(work: asyncio.Task[Any]) -> dict[str, Any]:
    """How a handler ended."""
    if work.cancelled():
        return {"outcome": "CANCELLED"}
    error = work.exception()
    if error is None:
        output = work.result()
        try:
            json.dumps(output)
        except (TypeError, ValueError) as unfit:
            text = f"the handler succeeded, and its output is no JSON: {unfit}"
            return {"outcome": "SUCCESS", "output": text}
        return {"outcome": "SUCCESS", "output": output}
    if isinstance(error, Cancelled):
        return {"outcome": "CANCELLED"}
    message = str(error) or repr(error)
    if isinstance(error, RetryLater):
        return {"outcome": "FAILED", "error": message, "retryAfterSeconds": error.after}
    if isinstance(error, FinalError):
        return {"outcome": "FAILED", "error": message, "retry": False}
    log.exception("a handler failed", exc_info=error)
    return {"outcome": "FAILED", "error": f"{type(error).__name__}: {message}"}


async def _any(*waits: Any) -> None:
    """Waits for the first of these; tasks go on, coroutines are cancelled."""
    tasks = {wait: asyncio.ensure_future(wait) for wait in waits}
    try:
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait, task in tasks.items():
            if task is not wait:
                task.cancel()


async def _first(wait: Any, timeout: float) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(wait, timeout)
