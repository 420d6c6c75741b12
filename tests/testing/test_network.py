"""The network in memory: loss, delay and another order, the same in every run."""

from __future__ import annotations

import asyncio

import pytest

from ivrbench.clock import ManualClock
from ivrbench.testing.loop import VirtualLoop
from ivrbench.testing.network import BadNetwork, VirtualNetwork

NEAR, FAR = ("192.0.2.9", 4000), ("192.0.2.1", 5000)


def arrivals(conditions: BadNetwork | None) -> list[tuple[int, int]]:
    """Send 100 packets, one each 20 ms; gives number and milliseconds of those that arrive."""
    loop = VirtualLoop(ManualClock())
    network = VirtualNetwork(loop, ("192.0.2.1", 5060))
    began_s = loop.time()
    came: list[tuple[int, int]] = []

    def take(data: bytes, source: object) -> None:
        came.append((data[0], round((loop.time() - began_s) * 1000)))

    network.open_audio(NEAR[0], take, NEAR[1])
    far = network.open_audio(FAR[0], take, FAR[1])
    network.impair(NEAR, conditions)

    async def send() -> None:
        for number in range(100):
            far.send(bytes([number]), NEAR)
            await asyncio.sleep(0.02)
        await asyncio.sleep(1)

    loop.run_until_complete(send())
    loop.close()
    return came


def test_good_network() -> None:
    """Everything at once and in order."""
    assert arrivals(None) == [(n, 20 * n) for n in range(100)]


def test_bad_network() -> None:
    """So much is lost and late, and each seed makes others suffer."""
    one, again, other = (arrivals(BadNetwork(10, 50, 15, seed=seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert 80 <= len(one) < 98
    assert all(50 <= at_ms - 20 * n <= 65 for n, at_ms in one)


def test_another_order() -> None:
    """Some packets are overtaken by the next, none gets lost."""
    numbers = [n for n, _ in arrivals(BadNetwork(reorder_percent=10))]
    assert sorted(numbers) == list(range(100))
    assert numbers != sorted(numbers)


def test_waiting_for_nothing() -> None:
    """A test that waits for what cannot happen ends at once."""
    loop = VirtualLoop(ManualClock())
    with pytest.raises(AssertionError, match="something that will never happen"):
        loop.run_until_complete(loop.create_future())
    loop.close()
