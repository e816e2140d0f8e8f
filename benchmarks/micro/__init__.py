"""Micro-benchmarks of strategies: one call, its CPU seconds, its extra memory, against a floor, a target or a peer.

    python -m benchmarks.micro rowwise   scores of 1e6 rows against one np.partition of the same array
    python -m benchmarks.micro batch     every strategy on 1e5 rows against its target (--slow: on 1e6)
    python -m benchmarks.micro peers     against scikit-activeml, modAL and small-text
    python -m benchmarks.micro cost      how well declared costs predict seconds, and the calibration
    python -m benchmarks.micro all       all of it
    python -m benchmarks.micro table     Markdown of what was measured

What was measured is in ``benchmarks/results/micro_*.csv``, one row a measurement; a rerun measures only what is
missing, ``--again`` measures afresh. Seconds are CPU seconds, so that a busy machine disturbs them little.
"""
