"""Tests against an S3 service on this machine."""

import logging

import pytest


@pytest.fixture(scope="session")
def service():
    """One service for all tests; each has its own prefix."""
    from s3_server import serving

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    with serving() as server:
        yield server


@pytest.fixture
def server(service, request):
    service.asked.clear()
    yield service
    left, service.faults = service.faults, []
    assert not left, "a fault that was planned did not happen"
