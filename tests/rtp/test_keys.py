"""One report per press, whichever ways the key arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.rtp.dtmf import KeyPressed, KeyReleased
from ivrbench.rtp.keys import KeyAggregator, KeyReported, KeySource, ReportAt

RTP, INFO, INBAND = KeySource.RTP, KeySource.INFO, KeySource.INBAND
Reports = list[KeyReported]


class Keys:
    """An aggregator that returns what it reports."""

    def __init__(self, settle_ms: int = 0, report: ReportAt = ReportAt.RELEASE) -> None:
        self.aggregator = KeyAggregator(settle_ms, report)

    def down(self, key: int, at_ms: int, source: KeySource = RTP) -> Reports:
        self.aggregator.receive(KeyPressed(key), source, at_ms / 1000)
        return self.reports()

    def up(self, key: int, at_ms: int, duration_ms: int, source: KeySource = RTP) -> Reports:
        self.aggregator.receive(KeyReleased(key, duration_ms), source, at_ms / 1000)
        return self.reports()

    def press(self, key: int, at_ms: int, duration_ms: int, source: KeySource = RTP) -> Reports:
        return self.down(key, at_ms, source) + self.up(
            key, at_ms + duration_ms, duration_ms, source
        )

    def info(self, key: int, at_ms: int, duration_ms: int = 160) -> Reports:
        self.aggregator.receive_info(key, duration_ms, at_ms / 1000)
        return self.reports()

    def at(self, now_ms: int) -> Reports:
        self.aggregator.on_deadline(now_ms / 1000)
        return self.reports()

    def reports(self) -> Reports:
        found: Reports = []
        while (event := self.aggregator.next_event()) is not None:
            found.append(event)
        return found


def test_a_key_is_reported_at_its_end() -> None:
    """Without settling, the end of the key reports it, with its true length."""
    keys = Keys()
    assert keys.down(5, 0) == []
    assert keys.up(5, 160, 160) == [KeyReported(5, 160, RTP)]
    assert keys.aggregator.deadline() is None


def test_a_key_is_reported_at_its_press_if_wished() -> None:
    """`report=press` says the key at once and nothing at its end."""
    keys = Keys(report=ReportAt.PRESS)
    assert keys.down(5, 0) == [KeyReported(5, 0, RTP)]
    assert keys.up(5, 160, 160) == []
    assert keys.aggregator.deadline() is None


@pytest.mark.parametrize("report", list(ReportAt))
def test_two_quick_presses_are_two_events(report: ReportAt) -> None:
    """The same key twice from one source is two keys, however quick."""
    keys = Keys(report=report)
    assert len(keys.press(5, 0, 60) + keys.press(5, 80, 60)) == 2
    assert len(keys.info(7, 1000) + keys.info(7, 1010)) == 2


@pytest.mark.parametrize("info_ms", [0, 50, 80, 200, 270])
def test_a_press_seen_by_rtp_and_info_is_one_event(info_ms: int) -> None:
    """An INFO during the key or up to 200 ms after it belongs to it."""
    keys = Keys()
    reports = keys.down(5, 0)
    if info_ms < 80:
        reports += keys.info(5, info_ms)
    reports += keys.up(5, 80, 80)
    if info_ms >= 80:
        reports += keys.info(5, info_ms)
    assert reports == [KeyReported(5, 80, RTP)]


def test_an_info_before_the_rtp_is_one_event() -> None:
    """An INFO that overtakes the packets reports the key; the packets then add nothing."""
    keys = Keys()
    assert keys.info(5, 0, 120) == [KeyReported(5, 120, INFO)]
    assert keys.press(5, 150, 160) == []


def test_later_than_200_ms_is_another_press() -> None:
    """Beyond the window the sources are believed to mean two presses."""
    keys = Keys()
    assert len(keys.press(5, 0, 80)) == 1
    assert keys.info(5, 290) == [KeyReported(5, 160, INFO)]


def test_two_quick_presses_each_seen_twice_are_two_events() -> None:
    """Each sight is paired with one press: RTP, INFO, RTP, INFO is two keys."""
    keys = Keys()
    reports = keys.press(5, 0, 80) + keys.info(5, 80) + keys.press(5, 150, 80) + keys.info(5, 230)
    assert [r.duration_ms for r in reports] == [80, 80]
    ahead = Keys()
    reports = ahead.info(5, 0) + ahead.info(5, 150) + ahead.press(5, 160, 40)
    assert len(reports + ahead.press(5, 220, 40)) == 2


def test_different_keys_are_never_merged() -> None:
    """Key 6 by INFO is not key 5 by RTP."""
    keys = Keys()
    assert len(keys.press(5, 0, 80) + keys.info(6, 80)) == 2


def test_settling_holds_the_key_back() -> None:
    """As the reference server: 200 ms after the last sign of life."""
    keys = Keys(settle_ms=200)
    assert keys.press(5, 0, 160) == []
    assert repr(keys.aggregator) == "<KeyAggregator at release pending=[5]>"
    assert keys.aggregator.deadline() == pytest.approx(0.36)
    assert keys.at(359) == []
    assert keys.at(361) == [KeyReported(5, 160, RTP)]
    assert keys.aggregator.deadline() is None


def test_another_source_prolongs_the_settling() -> None:
    """Each sight of the press starts the 200 ms anew, and measured lengths are preferred."""
    keys = Keys(settle_ms=200)
    keys.info(5, 0, 100)
    assert keys.aggregator.deadline() == pytest.approx(0.3)
    assert keys.press(5, 50, 120) == []
    assert keys.aggregator.deadline() == pytest.approx(0.37)
    assert keys.at(371) == [KeyReported(5, 120, INFO)]


def test_all_sources_end_the_settling() -> None:
    """Once every source has reported there is nothing to wait for."""
    keys = Keys(settle_ms=200)
    assert keys.press(5, 0, 80) + keys.info(5, 80, 0) == []
    assert keys.press(5, 10, 80, INBAND) == [KeyReported(5, 80, RTP)]


@pytest.mark.parametrize("key", [5, 6])
def test_another_press_ends_the_settling(key: int) -> None:
    """A different key, or the same one again, reports the one that waits."""
    keys = Keys(settle_ms=200)
    keys.press(5, 0, 80)
    assert keys.down(key, 100) == [KeyReported(5, 80, RTP)]
    assert keys.up(key, 180, 80) == []
    assert keys.at(400) == [KeyReported(key, 80, RTP)]


def test_a_key_still_down_is_not_reported_by_another() -> None:
    """A key that is down waits for its own end."""
    keys = Keys()
    keys.down(5, 0)
    assert keys.info(6, 10) == [KeyReported(6, 160, INFO)]
    assert keys.up(5, 80, 80) == [KeyReported(5, 80, RTP)]


def test_a_long_info_is_capped_while_settling() -> None:
    """An INFO is believed to last a second at most."""
    keys = Keys(settle_ms=200)
    keys.info(5, 0, 60_000)
    assert keys.aggregator.deadline() == pytest.approx(1.2)


def test_flush_reports_what_is_left() -> None:
    """When the media goes away, keys held back or down are reported, once."""
    keys = Keys(settle_ms=200)
    keys.press(5, 0, 80)
    keys.down(6, 90)
    keys.aggregator.flush()
    assert keys.reports() == [KeyReported(6, 0, RTP)]
    assert keys.up(6, 100, 10) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2]),
            st.sampled_from(list(KeySource)),
            st.integers(0, 300),
            st.integers(0, 300),
        ),
        max_size=20,
    ),
    st.sampled_from([0, 200]),
    st.sampled_from(list(ReportAt)),
)
def test_nothing_is_lost_and_nothing_invented(
    presses: list[tuple[int, KeySource, int, int]], settle_ms: int, report: ReportAt
) -> None:
    """Reports are at most as many as presses, and at least as many as any source saw."""
    keys = Keys(settle_ms, report)
    now_ms = 0
    reports: Reports = []
    for key, source, pause_ms, duration_ms in presses:
        now_ms += pause_ms
        reports += keys.at(now_ms)
        reports += keys.press(key, now_ms, duration_ms, source)
        now_ms += duration_ms
    reports += keys.at(now_ms + 1000)
    for key in (1, 2):
        seen = [source for number, source, _, _ in presses if number == key]
        most = max((seen.count(source) for source in KeySource), default=0)
        assert most <= sum(r.key == key for r in reports) <= len(seen)
