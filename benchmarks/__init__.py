"""Suites, measurements and their committed results; not part of the installed package."""
