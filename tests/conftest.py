"""For all tests: one thread for small products, and no functions kept from other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sklearn.utils.extmath  # noqa: F401  # its libraries must be there before they are limited
from threadpoolctl import threadpool_limits

from strategy_zoo import plain


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """On a loaded machine the threads of a product of a few rows wait for each other longer than they work."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(autouse=True)
def no_kept_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function's number among its namesakes must not depend on which tests came before."""
    monkeypatch.setattr(plain, "_kept", {})
