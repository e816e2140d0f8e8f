"""Learned policies as files: a head of facts, and validated tree arrays under one checksum."""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from metaal.actions import read_action
from metaal.errors import InputError, PolicyError, PolicyFileError
from metaal.features import action_names, state_names
from metaal.policies.arms import check_actions, check_arm
from metaal.policies.learned import HEADS, UNSEEN, Learned
from metaal.policies.policyfile import read_policy_file, write_policy_file
from metaal.policies.weighing import Horizon
from metaal.prices import Prices
from metaal.trees import Trees

VERSION = 3
MOST_TREES, MOST_ACTIONS, MOST_MEMBERS, MOST_WALKS = 100_000, 1_000, 1_000, 5_000_000
"""What a policy file may hold in all: a foreign one must not keep a decision busy for minutes."""


def save(policy: Learned, path: str | Path) -> None:
    """Write a policy; exploring and the place that it was read from are not part of it."""
    arrays: dict[str, np.ndarray] = {"low": policy.low, "high": policy.high}
    # In one order, so that a file that was read and saved again is the same to the last byte.
    heads = {name: policy.heads[name] for name in HEADS if name in policy.heads}
    for name, members in heads.items():
        for number, trees in enumerate(members):
            arrays |= {f"{name}.{number}.{part}": array for part, array in trees.arrays().items()}
    head = {
        "kind": "learned",
        "version": VERSION,
        "heads": {name: len(members) for name, members in heads.items()},
        "scale": policy.scale,
        "gate": None if np.isinf(policy.gate) else policy.gate,
        "largest": None if np.isinf(policy.largest) else policy.largest,
        "actions": list(policy.actions),
        "default": policy.default,
        "previews": policy.previews,
        "informs": policy.informs,
        "horizon": asdict(policy.horizon),
        "centred": policy.centred,
        "prices": asdict(policy.prices),
        "facts": policy.facts,
        "features": list(action_names()),
    }
    write_policy_file(path, head, arrays)


def load(path: str | Path) -> Learned:
    """Read a policy that ``save`` wrote.

    Raises
    ------
    PolicyFileError
        The file is missing, damaged, foreign, or made for other features than this version computes.
    """
    head, arrays, checksum = read_policy_file(path)
    try:
        return _build(head, arrays, f"{Path(path)}", checksum)
    except PolicyFileError as error:
        raise PolicyFileError(f"{path}: {error}") from error
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
        InputError,
    ) as error:
        raise PolicyFileError(f"{path}: the head of the file does not fit ({error!r}); checksum {checksum}") from error


def load_shipped(*, explore: float = 0.0, **prices: float) -> Learned:
    """The learned policy that ships with the package; its card says what it was trained on.

    Parameters
    ----------
    explore : float
        Probability in [0, 1) of drawing from all actions alike.
    **prices : float
        Of `Prices`, in place of those that it was trained at, such as ``second=0.002``.

    Raises
    ------
    PolicyError
        No such price.
    InputError
        A price that cannot be.
    """
    strange = sorted(set(prices) - set(asdict(Prices())))
    if strange:
        raise PolicyError(f"learned({strange[0]}=…): expected explore or a price, one of {', '.join(asdict(Prices()))}")
    with resources.as_file(resources.files("metaal.policies") / "learned.metaal") as path:
        policy = load(path)
    given = {**prices, **({"explore": explore} if explore else {})}
    text = f"learned({', '.join(f'{name}={value!r}' for name, value in given.items())})" if given else "learned"
    changed = policy.at(replace(policy.prices, **prices)).exploring(explore)
    return replace(changed, spelling=text, checksum="")


def _build(head: dict[str, Any], arrays: dict[str, np.ndarray], spelling: str, checksum: str) -> Learned:
    if head["kind"] != "learned" or head.get("version") != VERSION or head["features"] != list(action_names()):
        raise PolicyFileError("made for other features than this version of metaal computes; fit it again")
    width = len(action_names())
    heads = {}
    for name, count in head["heads"].items():
        if name not in HEADS or not isinstance(count, int) or not 0 <= count <= MOST_MEMBERS:
            raise PolicyFileError(f"head {name!r} with {count!r} members")
        members = tuple(
            Trees(**{part: arrays[f"{name}.{number}.{part}"] for part in Trees.__dataclass_fields__})
            for number in range(count)
        )
        wide = len(state_names()) + 5 if name in UNSEEN else width
        if any(member.feature.max(initial=-1) >= wide for member in members):
            raise PolicyFileError(f"a tree of {name} reads a feature past the {wide} that exist")
        heads[name] = members
    if "how" in heads and len(heads["how"]) != len(heads.get("advantage", ())):
        raise PolicyFileError(f"{len(heads['how'])} members of how for {len(heads.get('advantage', ()))} of advantage")
    trees = sum(len(member.root) for members in heads.values() for member in members)
    if trees > MOST_TREES or trees * len(head["actions"]) > MOST_WALKS:
        raise PolicyFileError(
            f"{trees} trees for {len(head['actions'])} actions; more than {MOST_TREES} trees, or {MOST_WALKS} trees "
            "times actions, would keep a decision busy for too long"
        )
    if not 1 <= len(head["actions"]) <= MOST_ACTIONS:
        raise PolicyFileError(f"{len(head['actions'])} actions, expected 1 to {MOST_ACTIONS}")
    for edge in (arrays["low"], arrays["high"]):
        if edge.dtype != np.float64 or len(edge) != width or np.isinf(edge).any():
            raise PolicyFileError(f"the training range does not have {width} numbers")
    gate, scale = float("inf") if head["gate"] is None else float(head["gate"]), float(head["scale"])
    if not gate >= 0 or not np.isfinite(scale) or scale <= 0:
        raise PolicyFileError(f"gate {gate} or scale {scale} is not a number that makes sense")
    largest = float("inf") if head["largest"] is None else float(head["largest"])
    if not largest > 0:
        raise PolicyFileError(f"largest {largest} is not a number of rows > 0")
    previews = head["previews"]
    if isinstance(previews, bool) or not isinstance(previews, int) or previews < 0:
        raise PolicyFileError(f"previews {previews!r} is not a whole number ≥ 0")
    informs = float(head["informs"])
    if not 0 <= informs < float("inf"):
        raise PolicyFileError(f"informs {informs!r} is not a finite number ≥ 0")
    horizon = Horizon(**head["horizon"])
    spans = horizon.commit, horizon.batches
    if any(isinstance(span, bool) or not isinstance(span, int) for span in spans) or not 1 <= spans[0] <= spans[1]:
        raise PolicyFileError(f"horizon {horizon} is not a number of batches and a part of them")
    centred = head["centred"]
    if not isinstance(centred, bool):
        raise PolicyFileError(f"centred {centred!r} is neither true nor false")
    actions = check_actions([read_action(str(text)) for text in head["actions"]])
    if any(action.stop for action in actions):
        raise PolicyFileError("stop is among the actions that were learnt; whether to stop is a head of its own")
    return Learned(
        heads=heads,
        low=arrays["low"],
        high=arrays["high"],
        scale=scale,
        gate=gate,
        largest=largest,
        actions=tuple(map(str, actions)),
        default=check_arm(head["default"]),
        prices=Prices(**head["prices"]),
        previews=previews,
        informs=informs,
        horizon=horizon,
        centred=centred,
        facts=dict(head["facts"]),
        spelling=spelling,
        checksum=checksum,
    )
