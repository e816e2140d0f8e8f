"""What strategies see of a model, computed on the user's side for scikit-learn and LightGBM estimators.

The package isn't called ``outputs``: importing a submodule of that name would replace the function ``metaal.outputs``.
"""

from metaal.model_outputs.entry import outputs

__all__ = ["outputs"]
