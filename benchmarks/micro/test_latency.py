"""The cases under pytest-benchmark (`pip install pytest-benchmark`; not among what `make test` runs).

python -m pytest benchmarks/micro                       # measure and print
python -m pytest benchmarks/micro -k "ask and 10000"    # some of them
python -m benchmarks.micro latency                      # measure all and write benchmarks/results/micro_latency.csv
"""

from __future__ import annotations

from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from benchmarks.micro.cases import Case, cases, rounds

ROUNDS, WARMUP = 15, 2


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_latency(case: Case, benchmark: Any) -> None:
    """Time one call a round; the seconds are the clock's, for waiting for the disk is what an append is."""
    benchmark.group = f"{case.group} {case.rows}"
    benchmark.extra_info.update(group=case.group, case=case.name, rows=case.rows)
    few = 5 if case.rows >= 100_000 else ROUNDS
    with rounds(case) as ready, threadpool_limits(limits=1):
        answer = benchmark.pedantic(
            lambda call: call() is not None or True, setup=lambda: ((ready(),), {}), rounds=few, warmup_rounds=WARMUP
        )
    assert answer
