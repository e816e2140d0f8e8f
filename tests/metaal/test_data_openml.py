"""OpenML through scikit-learn's own client, against a stand-in server on this machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest

import metaal
from metaal.rehearsal import load_data
from metaal.rehearsal.sources.openml import read_openml

ROWS = 60
DENSE = [
    f"{k},{'?' if k % 7 == 0 else k / 2},{'red' if k % 3 else 'blue'},{k / 4},{'yes' if k % 2 else 'no'}"
    for k in range(ROWS)
]
COLUMNS = [
    ("row", "numeric"),
    ("x", "numeric"),
    ("colour", ["red", "blue"]),
    ("size", "numeric"),
    ("class", ["no", "yes"]),
]


class Shop:
    """What the stand-in has: descriptions, features and files by id; it counts what it is asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refuse = 0

    def add(self, number: int, lines: list[str], columns: list[tuple[str, Any]] = COLUMNS, **said: Any) -> None:
        kinds = [(name, "{" + ",".join(kind) + "}" if isinstance(kind, list) else kind) for name, kind in columns]
        head = ["@relation t", *(f"@attribute {name} {kind}" for name, kind in kinds), "@data"]
        content = "\n".join([*head, *lines]).encode() + b"\n"
        description = {
            "id": str(number),
            "name": "fruit",
            "description": "Fruit.",
            "version": "1",
            "format": "ARFF",
            "file_id": str(number),
            "status": "active",
            "default_target_attribute": "class",
            "row_id_attribute": "row",
            "md5_checksum": hashlib.md5(content).hexdigest(),
            "url": f"https://www.openml.org/data/v1/download/{number}/fruit.arff",
            **said,
        }
        features = [
            {
                "index": str(k),
                "name": name,
                "data_type": "nominal" if isinstance(kind, list) else kind,
                "is_target": str(name == description["default_target_attribute"]).lower(),
                "is_ignore": "false",
                "is_row_identifier": str(name == "row").lower(),
                "number_of_missing_values": str(sum(line.split(",")[k] == "?" for line in lines if "{" not in line)),
                **({"nominal_value": kind} if isinstance(kind, list) else {}),
            }
            for k, (name, kind) in enumerate(columns)
        ]
        qualities = {"quality": [{"name": "NumberOfInstances", "value": str(len(lines))}]}
        self.answers |= {
            f"/api/v1/json/data/{number}": json.dumps({"data_set_description": description}).encode(),
            f"/api/v1/json/data/features/{number}": json.dumps({"data_features": {"feature": features}}).encode(),
            f"/api/v1/json/data/qualities/{number}": json.dumps({"data_qualities": qualities}).encode(),
            f"/data/v1/download/{number}": content,
        }

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        key = re.sub(r"(/download/\d+)/.*", r"\1", path)
        if self.refuse:
            return self.refuse, b"{}"
        return (200, self.answers[key]) if key in self.answers else (412, b'{"error": {"code": "111"}}')


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A server in the place of OpenML; scikit-learn's client is unchanged but for the address that it opens."""
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = shop.answer(urlsplit(self.path).path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *values: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def redirected(request: Request) -> Any:
        path = urlsplit(request.full_url).path
        headers = dict(request.header_items())
        return urlopen(Request(f"http://127.0.0.1:{server.server_port}{path}", headers=headers), timeout=10)

    import sklearn.datasets._openml as client

    monkeypatch.setattr(client, "urlopen", redirected)
    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=lambda seconds: None))  # between its tries
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    yield shop
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_set_is_read_with_its_types_and_its_family(shop: Shop) -> None:
    shop.add(61, DENSE, version="3")
    data = load_data("openml:61")
    assert (data.name, data.family, data.kind, data.classes) == ("openml_61", "fruit", "classification", ("no", "yes"))
    assert list(data.X) == ["x", "colour", "size"]
    assert data.X["x"].isna().tolist() == [k % 7 == 0 for k in range(ROWS)]
    assert data.X["colour"].astype(str).tolist()[:4] == ["blue", "red", "red", "blue"]
    assert data.y.tolist() == [k % 2 for k in range(ROWS)]


def test_a_set_is_fetched_once(shop: Shop) -> None:
    shop.add(61, DENSE)
    first = read_openml(61)
    asked = len(shop.asked)
    assert asked >= 3
    shop.answers.clear()
    again = read_openml("61")
    assert len(shop.asked) == asked
    np.testing.assert_array_equal(first.y, again.y)


def test_another_target_and_a_target_of_numbers(shop: Shop) -> None:
    shop.add(61, DENSE, default_target_attribute="size")
    data = read_openml(61)
    assert data.kind == "regression"
    assert data.y.tolist() == [k / 4 for k in range(ROWS)]
    assert read_openml(61, "colour").classes == ("blue", "red")
    with pytest.raises(metaal.TaskError, match=r"openml:61: no column 'color'; did you mean 'colour'"):
        read_openml(61, "color")
    with pytest.raises(metaal.TaskError, match="it is a regression"):
        read_openml(61, kind="classification")


def test_rows_whose_label_is_missing_are_left_out(shop: Shop) -> None:
    shop.add(61, [line if k else line.rsplit(",", 1)[0] + ",?" for k, line in enumerate(DENSE)])
    with pytest.warns(UserWarning, match="1 of 60 rows have no label"):
        data = read_openml(61)
    assert len(data.y) == ROWS - 1


def test_sparse_sets_become_tables(shop: Shop) -> None:
    columns: list[tuple[str, Any]] = [("a", "numeric"), ("b", "numeric"), ("class", ["no", "yes"])]
    lines = [f"{{{k % 2} {k + 1}, 2 {'yes' if k % 3 else 'no'}}}" for k in range(ROWS)]
    shop.add(61, lines, columns, format="Sparse_ARFF", row_id_attribute=[])
    data = read_openml(61)
    assert data.X["a"].tolist()[:3] == [1.0, 0.0, 3.0]
    assert data.X["b"].tolist()[:3] == [0.0, 2.0, 0.0]
    assert data.classes == ("no", "yes")
    assert data.y.tolist() == [int(k % 3 > 0) for k in range(ROWS)]


def unknown(shop: Shop) -> None:
    shop.answers.clear()


def withdrawn(shop: Shop) -> None:
    shop.add(61, DENSE, status="deactivated", version="2")


def corrupt(shop: Shop) -> None:
    shop.add(61, DENSE, md5_checksum="0" * 32)


def overloaded(shop: Shop) -> None:
    shop.refuse = 503


def gone(shop: Shop) -> None:
    shop.refuse = 404


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (unknown, "openml:61: OpenML has no set with this id"),
        (withdrawn, "openml:61: version 2 of 'fruit' is deactivated: .* pass the id of an active version"),
        (corrupt, "openml:61: the file differs from OpenML's checksum .expected 0000"),
        (overloaded, "openml:61: OpenML answered 503 .*try again later"),
        (gone, "openml:61: OpenML answered 404 .*no such set"),
    ],
)
def test_what_goes_wrong_is_said_without_a_warning(shop: Shop, trouble: Callable[[Shop], None], words: str) -> None:
    shop.add(61, DENSE)
    trouble(shop)
    with pytest.raises(metaal.TaskError, match=words):
        read_openml(61)


def test_a_download_that_was_cut_is_fetched_again(shop: Shop) -> None:
    shop.add(61, DENSE)
    whole = shop.answers["/data/v1/download/61"]
    shop.answers["/data/v1/download/61"] = whole[:-20]
    with pytest.raises(metaal.TaskError, match=r"checksum .expected \w+ but got \w+.; it was cut"):
        read_openml(61)
    shop.answers["/data/v1/download/61"] = whole
    assert len(read_openml(61).y) == ROWS


def test_without_a_network_it_says_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets._openml as client

    tries = []

    def unplugged(request: Request) -> Any:
        tries.append(request.full_url)
        return urlopen("http://127.0.0.1:9", timeout=10)  # the discard port: nothing listens

    monkeypatch.setattr(client, "urlopen", unplugged)
    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=lambda seconds: None))  # between its tries
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with pytest.raises(metaal.TaskError, match=r"cannot be reached .*SCIKIT_LEARN_DATA"):
        read_openml(61)
    assert len(tries) > 1


@pytest.mark.parametrize("number", ["iris", "0", "-3", "6.1", ""])
def test_an_id_is_a_whole_number(number: str) -> None:
    with pytest.raises(metaal.TaskError, match="is not an id; expected a whole number"):
        read_openml(number)
