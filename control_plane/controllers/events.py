"""Forgets events that are more than an hour old (S#23).

An event's time is when it last happened. The controller keeps no copy of the events: now and then it asks for them
page by page and deletes the expired ones, a few at a time, so that a thousand old events do not hold up new pods.
When to look again follows from the oldest event that is left, so with few events there is almost nothing to do.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from api import clock
from api.client import Client, Write
from api.errors import ApiError
from proto.v1.cluster_pb2 import Event

log = logging.getLogger(__name__)

TTL = timedelta(hours=1)
PAGE = 100
SOONEST, LATEST = timedelta(minutes=1), timedelta(minutes=10)  # until the next look
BREATH = 0.05  # seconds between pages


def last_seen(event: Event) -> datetime:
    """When it happened last, as far as the event says."""
    stamps = (
        event.lastTimestamp,
        event.series.lastObservedTime,
        event.eventTime,
        event.firstTimestamp,
        event.metadata.creationTimestamp,
    )
    return clock.to_datetime(next((each for each in stamps if each.seconds), stamps[-1]))


def expired(events: Sequence[Event], now: datetime) -> list[Event]:
    return [event for event in events if now - last_seen(event) >= TTL]


def next_look(oldest: datetime | None, now: datetime) -> float:
    """Seconds until the oldest of the remaining events is over, not too soon and not too late."""
    due = oldest + TTL - now if oldest else LATEST
    return min(max(due, SOONEST), LATEST).total_seconds()


async def sweep(client: Client) -> datetime | None:
    """Delete what has expired. The time of the oldest event that is left."""
    oldest: datetime | None = None
    token = ""
    while True:
        page = await client.list(Event, limit=PAGE, continue_token=token)
        now = clock.now()
        old = expired(page.items, now)
        if old:
            await client.batch([Write("delete", event) for event in old])
        left = [last_seen(event) for event in page.items if now - last_seen(event) < TTL]
        oldest = min([*left, oldest] if oldest else left, default=None)
        token = page.continue_token
        if not token:
            return oldest
        await asyncio.sleep(BREATH)


async def run(client: Client) -> None:
    """Until cancelled."""
    while True:
        try:
            oldest = await sweep(client)
        except ApiError as error:
            log.info("event_sweep_failed error=%r", error.message)
            oldest = None
        await asyncio.sleep(next_look(oldest, clock.now()))
