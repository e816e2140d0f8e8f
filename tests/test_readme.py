"""README is run, not believed: its programs work as printed, in order, in an empty folder; so do the design's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import metaal

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)

PREPARED = """
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
X, truth = load_breast_cancer(return_X_y=True)
rows = np.random.default_rng(0).permutation(len(X))[:150]
X = Z = StandardScaler().fit_transform(X)[rows]
truth = truth[rows]
y = truth.copy()
model, seen, pool = LogisticRegression(), np.arange(10), np.arange(10, 150)
annotate = lambda ids: truth[ids]
"""

PLUG_IN = """
import numpy as np, metaal
run = metaal.Run("runs/tickets", policy="default", seed=0)
while True:
    model.fit(X[seen], y[seen])
    query = run.ask(20, ids=pool, proba=model.predict_proba(X[pool]), embedding=Z[pool], seen_embedding=Z[seen])
    if query.stop:
        break
    y[query.ids] = annotate(query.ids)
    run.tell(y[query.ids])
    seen, pool = np.union1d(seen, query.ids), np.setdiff1d(pool, query.ids)
"""

TRAIN = """
import metaal, metadata_store
store = metadata_store.open_store("runs")
policy = metaal.fit(store, prices=metaal.Prices(label=1, second=0.002), groups="task", seed=0)
print(policy.card(), metaal.estimate(policy, store))
policy.save("policy.metaal")
"""

COMPARE = """
from metaal import Fixed, evaluate, load
rivals = {"ours": load("policy.metaal"), "margin": Fixed("margin"), "random": Fixed("random")}
result = evaluate(rivals, suite="tiny", seeds=range(2), store="eval_runs")
print(result.versus("margin")); result.report("report.html")
"""


def run_program(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env={**os.environ}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_readme_programs_run_as_printed(tmp_path: Path) -> None:
    assert len(BLOCKS) == 3
    for block in BLOCKS:
        run_program(block, tmp_path)
    assert (tmp_path / "report.html").exists()


KILLED = """
import os, metaal
left = [{left}]
for verb in ("ask", "tell"):
    def call(self, *args, _original=getattr(metaal.Run, verb), **words):
        out = _original(self, *args, **words)
        left[0] -= 1
        if not left[0]:
            os._exit(9)
        return out
    setattr(metaal.Run, verb, call)
"""


def test_the_first_program_can_be_killed_and_started_again(tmp_path: Path) -> None:
    """Ended after the first, second and third call of three processes; the fourth goes through, and finds the same."""
    for folder in ("broken", "whole"):
        (tmp_path / folder).mkdir()
    for left in (1, 2, 3):
        code = KILLED.format(left=left) + BLOCKS[0]
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "broken", capture_output=True, text=True)
        assert done.returncode == 9, done.stderr
    for folder in ("broken", "whole"):
        run_program(BLOCKS[0], tmp_path / folder)
    broken, whole = (metaal.Run.resume(tmp_path / folder / "runs" / "digits").labels for folder in ("broken", "whole"))
    assert list(broken.items()) == list(whole.items())
    assert len(whole) == 60


def test_the_three_programs_that_define_the_interface(tmp_path: Path) -> None:
    """Logs without scores cannot train: then a warning comes, and the policy keeps to its default."""
    run_program(PREPARED + PLUG_IN, tmp_path)
    trained = run_program(TRAIN, tmp_path)
    assert "needed" in trained.stderr
    assert "never deviates" in trained.stdout
    compared = run_program(COMPARE, tmp_path)
    assert "random" in compared.stdout


def test_readme_names_every_command_that_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line.startswith("make")]
    assert commands == ["make lint types", "make test"]
    assert all(command in readme for command in commands)


def test_the_results_in_readme_are_those_that_were_measured() -> None:
    """Every number between the marks is recomputed from the committed results."""
    from benchmarks.readme import END, START, section

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text[text.index(START) + len(START) : text.index(END)].strip() == section().strip()
