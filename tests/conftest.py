"""For all tests: one thread for numpy's and scikit-learn's small products."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sklearn.utils.extmath  # noqa: F401  # its libraries must be there before they are limited
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """On a loaded machine the threads of a product of a few rows wait for each other longer than they work."""
    with threadpool_limits(limits=1):
        yield
