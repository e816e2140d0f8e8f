"""Query strategies of active learning: the arrays of one loop in, the rows to ask for out.

>>> import numpy as np
>>> from strategy_zoo import View, propose
>>> view = View(proba=[[0.9, 0.1], [0.55, 0.45], [0.7, 0.3]])
>>> propose("margin", view, 2, np.random.default_rng(0)).rows.tolist()
[1, 2]
"""

from strategy_zoo.entry import propose, unmet
from strategy_zoo.errors import SpellingError, UnknownStrategyError, UnmetNeedError, ViewError, ZooError
from strategy_zoo.plain import Plain
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import catalogue, names, register
from strategy_zoo.space import Space
from strategy_zoo.spelling import get
from strategy_zoo.strategies.mix import Mix
from strategy_zoo.strategies.narrow import Narrow
from strategy_zoo.strategy import Strategy
from strategy_zoo.stream import Stream, StreamStrategy
from strategy_zoo.synthesis import Synthesis, SynthesisStrategy, synthesise
from strategy_zoo.view import FIELDS, View

__all__ = [
    "FIELDS",
    "Mix",
    "Narrow",
    "Plain",
    "Proposal",
    "Space",
    "SpellingError",
    "Strategy",
    "Stream",
    "StreamStrategy",
    "Synthesis",
    "SynthesisStrategy",
    "UnknownStrategyError",
    "UnmetNeedError",
    "View",
    "ViewError",
    "ZooError",
    "catalogue",
    "get",
    "names",
    "propose",
    "register",
    "synthesise",
    "unmet",
]
