"""Our static strategies under a published protocol, beside the published numbers.

    python -m benchmarks.literature run --data DIR [--sets NAME ...] [--strategies NAME ...] [--repeats N]
    python -m benchmarks.literature report

protocol   one run: split, scale, ask one label at a time until the pool is empty, area under the curve
published  the published table: which of its sets and strategies are ours, its repeats
campaign   runs into benchmarks/results/literature.csv, cheap sets first; a rerun goes on
comparing  ours against theirs, with the tolerance

Source: Lu, Li and Lin 2023, Re-Benchmarking Pool-Based Active Learning for Binary Classification.
"""
