"""Metrics come from a list, so that no label can be made up by a caller."""

from __future__ import annotations

import pytest

from engine.observe.metrics import Metrics


def test_a_counter_and_a_histogram_appear_in_the_exposition() -> None:
    metrics = Metrics()
    metrics.count("attempts", endpoint="clinique-abc.emr", result="delivered")
    metrics.count("attempts", 2, endpoint="clinique-abc.emr", result="delivered")
    metrics.observe("attempt_seconds", 0.02, endpoint="clinique-abc.emr")
    text = metrics.render().decode()
    assert 'passerelle_attempts_total{endpoint="clinique-abc.emr",result="delivered"} 3.0' in text
    assert 'passerelle_attempt_seconds_bucket{endpoint="clinique-abc.emr",le="0.025"} 1.0' in text


def test_gauges_are_read_when_they_are_asked_for() -> None:
    metrics = Metrics()
    values = [1.0]
    metrics.watch(lambda: [("breaker_open", ("clinique-abc.emr",), values[0]), ("ready", (), 1.0)])
    values[0] = 0.0
    text = metrics.render().decode()
    assert 'passerelle_breaker_open{endpoint="clinique-abc.emr"} 0.0' in text
    assert "passerelle_ready 1.0" in text


def test_an_unlisted_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        Metrics().count("patients")


def test_an_unlisted_label_is_an_error() -> None:
    with pytest.raises(ValueError, match="label"):
        Metrics().count("attempts", patient="1", result="x")
