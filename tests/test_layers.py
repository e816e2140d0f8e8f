"""The layering and the import weight of design.md, kept by reading the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"pandas", "sklearn", "scipy", "lightgbm", "optuna", "joblib", "plotly", "rich", "typer", "modAL", "skactiveml"}
HEAVY |= {
    "dask",
    "distributed",
    "ray",
    "duckdb",
    "polars",
    "deltalake",
    "pyiceberg",
    "mlflow",
    "fsspec",
    "s3fs",
    "boto3",
}
ALLOWED = {
    "strategy_zoo": {"numpy", "strategy_zoo"},
    "metadata_store": {"numpy", "pyarrow", "metadata_store"},
    "metaal": {"numpy", "metaal", "strategy_zoo", "metadata_store"},
}
COMMAND_LINE = {"typer"}  # only below metaal/cli, which nothing else imports


def top_imports(path: Path) -> set[str]:
    """Packages imported when the module is imported; TYPE_CHECKING blocks and function bodies don't count."""
    found: set[str] = set()

    def visit(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.Import):
                found.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").split(".")[0])
            elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
                visit(node.body + node.orelse)
            elif isinstance(node, ast.Try):
                visit(node.body + node.orelse + node.finalbody + [s for h in node.handlers for s in h.body])
            elif isinstance(node, ast.ClassDef | ast.With):
                visit(node.body)

    visit(ast.parse(path.read_text(encoding="utf-8")).body)
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_only_what_their_layer_allows(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert len(files) > 5
    for path in files:
        extra = COMMAND_LINE if "cli" in path.parts else set()
        assert top_imports(path) <= ALLOWED[package] | extra, path


def test_the_check_of_imports_fires(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("import os\nif True:\n    import pandas as pd\ndef f():\n    import scipy\n")
    assert top_imports(tmp_path / "m.py") == {"pandas"}


@pytest.mark.parametrize("package", ALLOWED)
def test_importing_a_package_stays_light(package: str) -> None:
    code = f"import sys, {package}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert package in loaded
    assert not loaded & HEAVY


def test_a_whole_loop_without_embedding_stays_light() -> None:
    """Asking and telling must not drag in the training stack."""
    code = """
import sys, numpy as np, metaal
from metadata_store import open_store
run = metaal.Run("r", policy="margin", store=open_store("memory:"))
query = run.ask(2, ids=np.arange(9), proba=np.full((9, 2), .5))
run.tell([0, 1])
print(*sorted({m.split('.')[0] for m in sys.modules}))
"""
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & HEAVY
