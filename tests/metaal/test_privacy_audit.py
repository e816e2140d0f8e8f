"""`metaal privacy audit`: what a store would reveal, in numbers and in words."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import metaal
from metaal.privacy import RULES
from metadata_store import DirectoryStore, Record, open_store
from metadata_store.privacy import Privacy, audit, private
from tests.metaal.calling import call

GUIDE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")


def log(path: Path, level: str | None = None) -> None:
    rng = np.random.default_rng(0)
    store = private(DirectoryStore(path), Privacy("L2", key=bytes(32)) if level == "L2" else level)  # type: ignore[arg-type]
    left = np.arange(300)
    with store:
        run = metaal.Run("r", policy="margin", store=store)
        for _ in range(3):
            proba = rng.dirichlet([1, 1], len(left))
            query = run.ask(20, ids=left, proba=proba)
            run.tell(rng.integers(0, 2, 20))
            left = np.setdiff1d(left, query.ids)


def test_the_audit_of_a_full_store_names_what_identifies(tmp_path: Path) -> None:
    log(tmp_path / "s")
    found = json.loads(call("privacy", "audit", "s", "--json", cwd=tmp_path).stdout)
    assert (found["level"], found["shareable"]) == ("", "L3")
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["query.ids"]["level"] == "L2"
    assert columns["query.ids"]["identifies"] is True
    assert columns["query.ids"]["entropy"] == pytest.approx(np.log2(60), abs=0.01)
    assert columns["reference.ids"]["identifies"] is True  # shown in every loop, and so never all different
    assert columns["labels.share"]["exact"] is True  # 20 of 300 is read off 0.0667
    assert columns["query.proba"]["level"] == "L3"
    assert columns["state.pool"]["level"] == "L2"
    assert columns["pool.margin.mean"]["exact"] is True
    assert columns["pool.size"]["rounded"] is True  # 300, 280, 260
    assert columns["pool.size"]["smallest"] == 260
    # margin asks for the least certain rows: the rows labelled later are the least certain ones
    attack = columns["reference.proba"]["membership"]
    assert attack["status"] == "labelled later"
    assert attack["auc"] < 0.3
    assert "never harmless" in found["warning"].lower()


def test_the_audit_in_words(tmp_path: Path) -> None:
    log(tmp_path / "s")
    told = call("privacy", "audit", "s", cwd=tmp_path).stdout
    assert "s: no level, everything is kept; all that it holds needs level L3" in told
    assert "Metadata is never harmless" in told
    assert "0.85 to 1.00" in " ".join(told.split())
    assert told.index("query.proba") < told.index("query.ids") < told.index("pool.size")  # what tells most comes first


@pytest.mark.parametrize(("level", "membership"), [("L1", "only statistics of loops"), ("L2", "computable")])
def test_the_audit_of_a_private_store_agrees_with_its_level(tmp_path: Path, level: str, membership: str) -> None:
    log(tmp_path / "s", level)
    found = json.loads(call("privacy", "audit", "s", "--json", cwd=tmp_path).stdout)
    assert (found["level"], found["shareable"]) == (level, level)
    assert membership in found["membership"]
    for column in found["columns"]:
        assert column["rounded"] is not False
        assert column["exact"] is not True, column["name"]
        assert level == "L2" or column["what"] == "key" or not column["identifies"], column["name"]


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert "error: " in call("privacy", "audit", "s", cwd=tmp_path, code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_the_confidences_of_a_forest_give_its_training_set_away(tmp_path: Path) -> None:
    """The reason for the warning, measured: rows that a forest was trained on against others of the same kind."""
    X, y = load_digits(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(y))[:400]
    X, y = X[chosen], y[chosen]
    forest = RandomForestClassifier(n_estimators=50, random_state=0).fit(X[:200], y[:200])
    ids = np.arange(400)
    with open_store("memory:") as store:
        store.append(Record("r", 0, "tell", {}, {"ids": ids[:200], "labels": y[:200]}))
        store.append(Record("r", 1, "ask", {}, {"all.ids": ids, "all.proba": forest.predict_proba(X)}))
        rounded = np.round(forest.predict_proba(X), 1)
        store.append(Record("r", 2, "ask", {}, {"deciles.ids": ids, "deciles.proba": rounded}))
        columns = {c.name: c for c in audit(store, Privacy("L1", rules=RULES)).columns}
    for name in ("all.proba", "deciles.proba"):
        attack = columns[name].membership
        assert attack is not None
        assert 0.85 < attack.auc <= 1, name
        assert "labelled before" in columns[name].verdict


def test_the_guide_runs_as_printed_and_names_every_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) >= 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile("\n".join(blocks), "docs/privacy.md", "exec"), {})  # noqa: S102
    (commands,) = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
    for line in commands.splitlines():
        call(*line.split("#")[0].split()[1:], cwd=tmp_path)
    for level in ("L0", "L1", "L2", "L3"):
        assert f"| {level} |" in GUIDE
