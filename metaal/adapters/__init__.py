"""A `metaal.Run` in the clothes of other active-learning libraries.

`metaal.adapters.modal` makes it a modAL query strategy, `metaal.adapters.skactiveml` a scikit-activeml one. The other
library keeps the loop, the model and the training set; the run decides, logs, and is resumed as ever. Nothing here
imports the other library before it is needed.
"""
