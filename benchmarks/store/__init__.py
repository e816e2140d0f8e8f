"""Benchmarks of the metadata store, beside the trackers that people use, on the same disk in the same process.

    python -m benchmarks.store append    one durable record: CPU, wall against a bare write and sync, bytes
    python -m benchmarks.store read      the scalars of 1,000 runs × 50 loops × 200, before and after compaction
    python -m benchmarks.store writers   8 processes × 1,000 appends: losses, p50 and p99
    python -m benchmarks.store recover   open a log of 1 GB, torn too; a store of a million loops
    python -m benchmarks.store all       all of it
    python -m benchmarks.store table     Markdown of what was measured

``--peers`` measures MLflow, Optuna, SQLite and Delta too, those that the interpreter (``--python PATH``) has;
``--quick`` takes seconds instead of minutes, on sizes that say nothing. Results are in
``benchmarks/results/store_*.csv``, one row a measurement; a rerun measures only what is missing, ``--again`` all.

CPU seconds are of the process and its children, system time included. Disks differ more than programs do: wherever
the disk matters, a bare write and fdatasync of the same bytes is measured in turns with the store.
"""
