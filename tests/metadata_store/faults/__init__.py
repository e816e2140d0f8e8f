"""Faults, and what a store must be after them: shared by the tests of kills, damage, system errors and power cuts.

- `plans`: which call fails, and how. Two ways to make it happen in a child process: `patched` (functions of `os` are
  replaced) and `preloaded` (a library between the process and the C library, which sees Arrow's own calls as well).
- `nursery`: a process without threads whose forks are the children that suffer; it costs 5 ms a child.
- `programs`, `scenes`: what the children do.
- `expected`: what the parent knows of a store, and the checks of a store after a fault; `stores`: stores to begin with.
- `places`: disks that are too small or read-only.
- `effects`, `powercut`: all calls of a child, and the disks that a power cut among them may leave behind.
- `killing`, `failing`, `damaging`, `cutting`: the campaigns, short in the tests; `campaign` runs the long ones.
"""
