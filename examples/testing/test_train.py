"""Tests of that script, offline: ``python -m pytest examples/testing``."""

from train import train


def test_training_reports_its_accuracy(neuro_platform):
    with neuro_platform.client() as client:
        assert train(client, rate=5) == 0.95


def test_training_survives_a_bad_network(neuro_platform):
    neuro_platform.faults.answer(502, endpoint="status", times=1)
    neuro_platform.faults.reset_after(10, endpoint="log_ws", times=1)
    with neuro_platform.client() as client:
        assert train(client, rate=7) == 0.97


def test_training_twice_is_one_job(neuro_platform):
    with neuro_platform.client() as client:
        train(client, rate=1)
        train(client, rate=1)
        assert len(list(client.jobs.list())) == 1
