"""`python -m metaal`."""

from metaal.cli import main

main()
