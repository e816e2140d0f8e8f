"""Tests against an S3 service on this machine; collected where the extra `test-s3` is installed."""

import importlib.util
import logging

import pytest

MISSING = [name for name in ("s3fs", "moto", "flask_cors") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header():
    return f"S3: no tests, {', '.join(MISSING)} missing; pip install 'metaal[test-s3]'" if MISSING else "S3: tests run"


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
