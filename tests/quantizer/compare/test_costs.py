"""Costs of parts of a run, each told apart."""

import time

import pytest
import torch

from quantizer.compare.costs import CostMeter

MEGABYTE = 2**20


def test_bookings_give_time_and_memory_to_their_part() -> None:
    started = time.monotonic()
    meter = CostMeter(torch.device("cpu"))
    large = torch.ones(256 * MEGABYTE, dtype=torch.uint8)
    meter.book("large")
    del large
    meter.book("release")
    time.sleep(0.05)
    meter.book("waiting")
    time.sleep(0.05)
    meter.book("waiting")
    costs = meter.costs
    assert list(costs) == ["large", "release", "waiting"]
    assert 0.1 <= costs["waiting"].seconds <= time.monotonic() - started
    assert costs["waiting"].device_peak is None
    if costs["large"].host_peak is None:
        pytest.skip("this system does not tell a process's peak memory")
    large_rise, waiting_rise = costs["large"].host_rise, costs["waiting"].host_rise
    assert large_rise is not None and waiting_rise is not None
    assert large_rise > 200 * MEGABYTE > 20 * MEGABYTE > waiting_rise
    assert costs["waiting"].host_peak is not None
    assert costs["waiting"].host_peak < costs["large"].host_peak - 100 * MEGABYTE


def test_without_the_systems_word_memory_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantizer.compare.costs._reset_peak", lambda: False)
    meter = CostMeter(torch.device("cpu"))
    meter.book("part")
    assert meter.costs["part"].host_peak is None
    assert meter.costs["part"].seconds >= 0
