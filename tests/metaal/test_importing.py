"""Strategies of other programs become ours only where somebody says so, and every unknown one is named at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer import BadParameter

from metaal.cli.app import app
from metaal.errors import InputError, MetaalError
from metaal.importing import KNOWN, canonical, read_strategies, rules
from metadata_store import OptionError, StoreError, open_store
from metadata_store.interchange import load_table
from strategy_zoo import get


def test_ours_are_taken_in_any_spelling_and_theirs_as_told() -> None:
    translate = rules({"MarginSampling": "margin", "big": "margin x4", "warmup": None}).translate["action.name"]
    assert translate("k_center") == "k_center"
    assert translate("power_margin( beta = 1.0 )") == str(get("power_margin"))
    assert translate("MarginSampling") == "margin"
    assert translate("big") == "margin ×4"
    assert translate("warmup") is None
    assert canonical("stop") == "stop"


def test_a_name_of_ours_that_does_not_exist_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InputError, match=r"strategy 'M': no strategy is called 'margn'; did you mean margin"):
        rules({"M": "margn"})


def test_an_unknown_name_is_never_guessed_but_advised() -> None:
    translate = rules().translate["action.name"]
    for text, words in (
        ("MarginSampling", "if it is our margin, say --strategy MarginSampling=margin"),
        ("Random", "if it is our random, say --strategy Random=random"),
        ("coreset", "if it is our k_center, say --strategy coreset=k_center"),
        (
            "Uncertainty Sampling",
            "if it is our least_confidence, say --strategy 'Uncertainty Sampling=least_confidence'",
        ),
        ("marginal", "did you mean 'margin'"),
        ("zzz", "Say --strategy zzz=OURS, or zzz= for none"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            translate(text)


def test_everything_that_is_advised_exists() -> None:
    for ours, others in KNOWN.items():
        assert get(ours).spelling
        for text in others.split():
            with pytest.raises(ValueError, match=f"--strategy {text}={ours}"):
                rules().translate["action.strategy"](text)


def test_all_unknown_names_are_listed_at_once_and_nothing_is_stored(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("run,loop,s\na,0,Random\na,1,CoreSet\na,2,margin\na,3,\nb,0,CoreSet\n")
    store = open_store("memory:")
    with pytest.raises(OptionError) as caught:
        load_table(
            tmp_path / "log.csv", store, run="run", loop="loop", columns={"s": "action.name"}, rules=rules({"x": None})
        )
    first, *others = str(caught.value).splitlines()
    assert first.endswith("log.csv has 2 unknown of 3 different values:")
    assert [text.split(":")[0].strip() for text in others] == ["'CoreSet'", "'Random'"]
    assert store.runs() == []


def test_pairs_are_read_and_wrong_ones_refused() -> None:
    assert read_strategies(["a=margin", "b=k_center(metric='cosine')", "c="]) == {
        "a": "margin",
        "b": "k_center(metric='cosine')",
        "c": None,
    }
    for pairs, words in ((["margin"], "expected THEIRS=OURS"), (["=x"], "expected THEIRS"), (["a=b", "a=c"], "twice")):
        with pytest.raises(InputError, match=words):
            read_strategies(pairs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--map", "s=action.name"], "--strategy Random=random"),
        (["--strategy", "Random=random"], "--strategy needs the column that names strategies"),
        (["--map", "s=action.name", "--strategy", "Random"], "expected THEIRS=OURS"),
        (["--map", "s=action.name", "--strategy", "Random=randm"], "did you mean random"),
        (["--map", "s=action.name", "--strategy", "Random=random", "--after", "acd"], "has no column 'acd'"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "log.csv").write_text("run,loop,s,acc\na,0,Random,0.5\n")
    columns = ["--run-column", "run", "--loop-column", "loop"]
    with pytest.raises((MetaalError, StoreError, BadParameter), match=words):
        app(["import", str(tmp_path / "log.csv"), str(tmp_path / "s"), *columns, *arguments], standalone_mode=False)
