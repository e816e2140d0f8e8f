"""The model card of a learned policy."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from metaal.policies.learned import FOREIGN_SHARE, Learned


def card(policy: Learned) -> str:
    """The card as text: what the policy learnt from, what was measured, when it falls back."""
    lines = [f"policy {policy.spelling}"]
    for key, value in policy.facts.items():
        if isinstance(value, dict) and any(isinstance(item, str) and len(item) > 20 for item in value.values()):
            lines += [f"  {key}:", *(f"    {name}: {item}" for name, item in value.items())]
        elif isinstance(value, dict):
            lines.append(f"  {key}: " + ", ".join(f"{name} {item}" for name, item in value.items()))
        elif isinstance(value, list):
            lines.append(f"  {key}: {len(value)}: {', '.join(map(str, value))}")
        else:
            lines.append(f"  {key}: {value}")
    gate = (
        "never deviates from the default"
        if np.isinf(policy.gate)
        else f"{policy.gate:g} standard deviations of the members"
    )
    largest = "" if np.isinf(policy.largest) else f", at most {policy.largest:.3g} rows a batch"
    looks = f"the {policy.previews} most promising arms" if policy.previews else "all arms"
    lines += [
        f"  default action: {policy.default}",
        f"  actions: {'; '.join(policy.actions)}",
        f"  previews: {looks} beside the default",
        f"  gate: {gate}{largest}",
        "  prices: " + ", ".join(f"{name} {price:g}" for name, price in asdict(policy.prices).items()),
        f"  falls back to the default where over {FOREIGN_SHARE:.0%} of the state is outside of the training range, "
        "and to margin where the default cannot run",
    ]
    return "\n".join(lines)
