"""The fake in a thread of the test: on real time, or on virtual time that the test moves.

Owns the thread, its loop and their end. What is done inside is the server's.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Mapping
from typing import Any, Self

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import UsageError
from coord.testing.servers.ports import HOST
from coord.testing.sqs.addresses import environment, queue_url
from coord.testing.sqs.control import Controls
from coord.testing.sqs.serving import Serving, Settings

__all__ = ["SqsFake"]

_CALL_S = 20.0


class SqsFake(Controls):
    """SQS on a free port of 127.0.0.1, served by a thread of this process; a context manager.

    With a `ManualClock` nothing happens by itself: `advance()` moves the clock, and calls that
    wait are answered at their moments on the way. For load use `SqsServer`, which has a process,
    and so an interpreter lock, of its own. Any thread may call what this offers.
    """

    def __init__(
        self, settings: Settings | None = None, *, clock: Clock = SYSTEM_CLOCK, port: int = 0
    ) -> None:
        self._settings = settings or Settings()
        self._clock = clock
        self._port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: Serving | None = None
        self._end: asyncio.Event | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The address for clients: `http://127.0.0.1:port`."""
        return f"http://{HOST}:{self._port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Made-up credentials and the region: clients insist on some."""
        return environment(self._settings.region)

    def url(self, queue: str, **options: str) -> str:
        """The address of a queue: `sqs://queue?region=…&endpoint=…`."""
        return queue_url(queue, region=self._settings.region, endpoint=self.endpoint, **options)

    def start(self) -> Self:
        """Start to serve. Raises OSError if the port that was asked for is taken."""
        if self._thread is None:
            ready: concurrent.futures.Future[int] = concurrent.futures.Future()
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._run(ready)), name="sqs-fake", daemon=True
            )
            self._thread.start()
            try:
                self._port = ready.result(_CALL_S)
            except BaseException:
                self._thread.join(_CALL_S)
                self._thread = None
                raise
        return self

    def stop(self) -> None:
        """Cut all connections and end the thread; messages are lost. May be called again."""
        if self._thread is None or self._loop is None or self._end is None:
            return
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_CALL_S)
        if self._thread.is_alive():
            raise UsageError(f"the fake's thread did not end in {_CALL_S:g} s")
        self._thread = None

    async def _run(self, ready: concurrent.futures.Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._serving = Serving(self._settings, self._clock)
        try:
            ready.set_result(await self._serving.start(self._port))
            await self._end.wait()
        except OSError as error:
            ready.set_exception(error)
        finally:
            await self._serving.close()

    def _control(self, verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
        if self._thread is None or self._loop is None or self._serving is None:
            raise UsageError("the fake is not started", cure="Use it inside its with block.")
        done: concurrent.futures.Future[dict[str, Any]] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(_perform, self._serving, verb, values, done)
        return done.result(_CALL_S)


def _perform(
    serving: Serving,
    verb: str,
    values: Mapping[str, Any],
    done: concurrent.futures.Future[dict[str, Any]],
) -> None:
    try:
        done.set_result(serving.perform(verb, values))
    except BaseException as error:  # noqa: BLE001 (whoever waits for the result gets it)
        done.set_exception(error)
