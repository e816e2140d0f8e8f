"""The errors of strategy_zoo.

    ZooError(ValueError)                  anything that this package refuses
      ViewError                           the arrays of a loop don't fit together or hold impossible values
      SpellingError                       a strategy's text can't be read, or a parameter is out of range
      UnknownStrategyError (+ KeyError)   no strategy has this name; the nearest names are offered
      UnmetNeedError                      the strategy needs a field that the view doesn't hold

A caller who catches ``ValueError`` catches all of them.
"""


class ZooError(ValueError):
    """Base of every error that strategy_zoo raises on purpose."""


class ViewError(ZooError):
    """An array of the view has a wrong shape, type or value."""


class SpellingError(ZooError):
    """The text of a strategy can't be read, or one of its parameters is out of range."""


class UnknownStrategyError(ZooError, KeyError):
    """No strategy has the name that was asked for."""

    # KeyError prints the repr of its argument, which would show the message in quotes.
    __str__ = ValueError.__str__


class UnmetNeedError(ZooError):
    """The strategy can't run because the view lacks what it needs."""
