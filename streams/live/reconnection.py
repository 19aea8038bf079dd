"""Lets a Faust application wait for a broker that goes away before its clients have reached it, as they do later.

Its consumer reads committed messages only, and goes on behind what nobody can read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import chain
from typing import Any

from aiokafka.errors import KafkaConnectionError
from faust.app.base import App, BootStrategy
from faust.transport.drivers import aiokafka as driver

from streams.live import reader

_RETRY_SECONDS = 1.0


def give(app: App) -> None:
    """Make an application that was not started yet patient and its consumer careful; serve its pages while it waits.

    Args:
        app: Its broker is Kafka.
    """
    reader.give()
    app.boot_strategy = _PagesFirst(app)
    app.transport = _Transport(app.conf.broker_consumer, app)
    app.producer_transport = _Transport(app.conf.broker_producer, app)


class _PagesFirst(BootStrategy):  # type: ignore[misc]
    def server(self) -> Iterable[Any]:
        pages = list(self.web_server())
        return chain(pages, (each for each in super().server() if each not in pages))


class _Producer(driver.Producer):  # type: ignore[misc]
    async def on_start(self) -> None:
        await _insist(super().on_start, lambda: self._producer)


class _ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    def _create_worker_consumer(self, transport: Any) -> Any:
        made = super()._create_worker_consumer(transport)
        made._isolation_level = "read_committed"  # Faust asks for it with its own transactions only
        return made

    async def on_start(self) -> None:
        await _insist(super().on_start, lambda: self._consumer)


class _Consumer(driver.Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):  # type: ignore[misc]
    Consumer, Producer = _Consumer, _Producer


async def _insist(start: Callable[[], Awaitable[None]], client: Callable[[], Any]) -> None:
    """Start a client, with a new one each time, until it has reached the broker."""
    while True:
        try:
            await start()
        except KafkaConnectionError:
            await client().stop()
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return
