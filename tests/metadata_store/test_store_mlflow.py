"""Runs go to the real MLflow and come back; runs of other people's scripts come in; nothing doubled, nothing lost."""

import math
import shutil
import sys
import warnings

import numpy as np
import pytest

from metadata_store import MemoryStore, OptionError, Record, WriteError
from metadata_store.interchange import MissingPackageError, Rules, SourceError, export_mlflow, load_mlflow
from metadata_store.interchange.to_mlflow import pages

# MLflow's own imports and its use of SQLAlchemy warn
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An empty tracking database; making one takes a second, copying one nothing."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        path = tmp_path_factory.mktemp("mlflow") / "empty.db"
        MlflowClient(f"sqlite:///{path}").search_experiments()
        yield path


@pytest.fixture
def uri(template, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    shutil.copy(template, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(uri)


def hard():
    """A store of everything that is hard to keep in metrics, params and tags."""
    store = MemoryStore()
    store.append(Record('it\'s "q"', 0, "begin", {"seed": 2**63 - 1, "note": "x" * 20_000, "lr": 0.1}, at=5))
    for loop in (0, 1, 2**63 - 1):
        floats = {"nan": math.nan, "inf": math.inf, "low": -math.inf, "zero": -0.0, "tiny": 5e-324, "tenth": 0.1}
        store.append(Record('it\'s "q"', loop, "ask", floats, at=1_700_000_000_123_456_789))
        store.append(Record('it\'s "q"', loop, "ask", {"nan": 1.0, "zero": 0.0}, at=7, index=1))
        more = {
            "small": -(2**63),
            "big": 2**53 + 1,
            "edge": -(2**53),
            "yes": True,
            "no": False,
            "t": "é\n\t\0 " * loop if loop < 9 else " ",
        }
        store.append(Record('it\'s "q"', loop, "tell", {**more, "a" * 200: 1.5}, {"ids": np.arange(3)}, at=9))
        store.append(Record('it\'s "q"', loop, "e" * 150, {"a" * 120: 2.5}, at=10))
    store.append(Record("été ✓ 100%_[x]", 3, "tell", {}, at=11))
    store.append(Record('it\'s "q"', 0, "end", {"nan": 3.0}, at=12))
    return store


def same(one, other, *, runs=None):
    for run in runs or one.runs():
        for a, b in zip(one.records(run), other.records(run), strict=True):
            assert a.key == b.key
            assert a.at == b.at
            assert list(a.values.items()) == list(b.values.items()) or a.values["nan"] != a.values["nan"]
            bare = Record(*a.key[:3], a.values, at=a.at, index=a.index)
            assert bare.same_content(b)
            for name, value in a.values.items():
                assert not isinstance(value, float) or math.copysign(1, value) == math.copysign(1, b.values[name])


def points(client):
    """Return how many points each metric of each run has."""
    found = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            for key in run.data.metrics:
                found[run.info.run_id, key] = len(client.get_metric_history(run.info.run_id, key))
    return found


def test_every_scalar_comes_back_from_mlflow(uri):
    store, copy = hard(), MemoryStore()
    assert export_mlflow(store, uri) == (2, 15, 15)
    assert load_mlflow(uri, copy) == (2, 15, 15, ())
    assert copy.runs() == store.runs()
    same(store, copy)
    assert load_mlflow(uri, copy) == (2, 15, 0, ())


def test_a_second_export_adds_only_what_is_new(uri, client):
    store = hard()
    export_mlflow(store, uri)
    before = points(client)
    assert export_mlflow(store, uri) == (2, 15, 0)
    assert points(client) == before
    store.append(Record('it\'s "q"', 1, "ask", {"tenth": 0.1, "other": "t"}, index=2, at=20))
    assert export_mlflow(store, uri) == (2, 16, 1)
    grown = points(client)
    assert sum(grown.values()) == sum(before.values()) + 1
    assert len({run for run, _ in grown}) == len({run for run, _ in before}) == 1
    copy = MemoryStore()
    load_mlflow(uri, copy)
    same(store, copy)


@pytest.mark.parametrize("call", range(1, 6))
def test_an_export_that_was_stopped_is_completed_by_the_next_one(uri, client, monkeypatch, call):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    store = MemoryStore()
    for loop in range(3):
        values = {f"x{k}": loop + k / 7 for k in range(700)}
        store.append(Record("r", loop, "tell", {**values, "note": "é" * 9000}, at=loop + 1))
    real, calls = MlflowClient.log_batch, []

    def stopped(self, *args, **options):
        calls.append(options)
        if len(calls) == call:
            # half of what this call should do is done
            half = {name: entities[: len(entities) // 2] for name, entities in options.items()}
            real(self, *args, **half)
            raise MlflowException("the server has gone")
        return real(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", stopped)
        if call < 5:
            with pytest.raises(WriteError, match="the server has gone; what it took is kept, call again"):
                export_mlflow(store, uri)
        else:
            export_mlflow(store, uri)
            assert len(calls) < call
    assert all(len(options.get("metrics", ())) <= 1000 for options in calls)
    assert all(len(options.get("tags", ())) <= 100 for options in calls)
    assert export_mlflow(store, uri).new in (0, 3)
    assert sum(points(client).values()) == 2100
    copy = MemoryStore()
    assert load_mlflow(uri, copy) == (1, 3, 3, ())
    same(store, copy)


def test_pieces_of_a_batch_that_was_never_finished_do_not_disturb(uri, client):
    store = MemoryStore()
    store.append(Record("r", 0, "tell", {"x": 0.5, "t": "text"}))
    place = client.create_experiment("metaal")
    pieces = {"metaal.ledger.000000.0000": '{"schemas":[[', "metaal.ledger.000000.0003": "[]]}"}
    client.create_run(place, tags={"metaal.run": "r", **pieces})
    assert export_mlflow(store, uri) == (1, 1, 1)
    copy = MemoryStore()
    assert load_mlflow(uri, copy).new == 1
    same(store, copy)


def test_people_see_metrics_params_and_tags_in_mlflow(uri, client):
    store = MemoryStore()
    store.append(Record("tickets", 0, "begin", {"run.policy": "margin", "run.seed": 7, "long": "y" * 900}, at=10**18))
    for loop in range(3):
        values = {"score.value": loop / 3, "stop": loop == 2, "why": f"reason {loop}"}
        store.append(Record("tickets", loop, "tell", values, at=10**18 + loop * 10**9))
    export_mlflow(store, uri, experiment="mine")
    place = client.get_experiment_by_name("mine").experiment_id
    (run,) = client.search_runs([place])
    assert (run.info.run_name, run.info.status) == ("tickets", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (10**12, 10**12 + 2000)
    assert run.data.params["run.policy"] == "margin"
    assert run.data.params["run.seed"] == "7"
    assert len(run.data.params["long"]) == 500
    assert run.data.tags["tell/why"] == "reason 2"
    history = client.get_metric_history(run.info.run_id, "tell/score.value")
    assert [(point.step, point.value, point.timestamp) for point in history] == [
        (loop, loop / 3, 10**12 + loop * 1000) for loop in range(3)
    ]
    assert [point.value for point in client.get_metric_history(run.info.run_id, "tell/stop")] == [0, 0, 1]


def train(client, name="nets/resnet", *, loss=(0.9, 0.5), status="FINISHED", lr="0.1"):
    """What somebody's script logs."""
    run = client.create_run("0", run_name=name, start_time=1_700_000_000_000)
    identity = run.info.run_id
    client.log_param(identity, "lr", lr)
    client.log_param(identity, "optimizer/Name", "adam")
    client.log_param(identity, "amp", "True")
    client.set_tag(identity, "team", "north")
    for step, value in enumerate(loss):
        client.log_metric(identity, "Train Loss", value, timestamp=1_700_000_000_000 + step, step=step)
    client.log_metric(identity, "val_acc", 0.75, timestamp=1_700_000_000_500, step=1)
    for k in range(3):
        client.log_metric(identity, "grad", k / 2, timestamp=1_700_000_000_100 + k)  # no step is given
    if status:
        client.set_terminated(identity, status=status, end_time=1_700_000_001_000)
    return identity


def test_a_run_of_somebodys_script_becomes_series(uri, client):
    identity = train(client)
    store = MemoryStore()
    assert load_mlflow(uri, store, columns={"val_acc": "score.value", "tags.team": None}) == (1, 6, 6, ())
    (run,) = store.runs()
    assert run == f"nets_resnet {identity[:12]}"
    records = store.records(run)
    assert [record.key[1:] for record in records] == [
        (0, "about", 0),
        (0, "report", 0),
        (0, "report", 1),
        (0, "report", 2),
        (1, "report", 0),
        (1, "about", 0),
    ]
    assert dict(records[0].values) == {
        "user.mlflow.run": identity,
        "user.mlflow.name": "nets/resnet",
        "user.mlflow.experiment": "Default",
        "user.param.lr": 0.1,
        "user.param.optimizer_name": "adam",
        "user.param.amp": True,
    }
    assert records[0].at == 1_700_000_000_000 * 10**6
    assert dict(records[1].values) == {"user.grad": 0.0, "user.train_loss": 0.9}
    assert [dict(record.values) for record in records[2:4]] == [{"user.grad": 0.5}, {"user.grad": 1.0}]
    assert dict(records[4].values) == {"user.train_loss": 0.5, "score.value": 0.75}
    assert records[4].at == 1_700_000_000_500 * 10**6
    assert dict(records[5].values) == {"user.mlflow.status": "FINISHED"}
    assert load_mlflow(uri, store, columns={"val_acc": "score.value", "tags.team": None}) == (1, 6, 0, ())


def test_a_run_that_grows_is_renamed_and_ends_adds_only_what_is_new(uri, client):
    identity = train(client, status=None)
    store = MemoryStore()
    assert load_mlflow(uri, store).new == 5
    (run,) = store.runs()
    client.log_metric(identity, "val_acc", 0.5, timestamp=1_700_000_000_600, step=0)
    client.log_metric(identity, "grad", 9.0, timestamp=1_700_000_000_700)
    client.log_param(identity, "late", "1")
    client.update_run(identity, name="better name")
    assert load_mlflow(uri, store).new == 2
    assert store.runs() == [run]
    assert dict(store.records(run)[-1].values) == {"user.grad": 9.0, "user.val_acc": 0.5}
    assert store.records(run)[-1].key[1:] == (0, "report", 3)
    facts = store.records(run)[-2].values
    assert dict(facts) == {"user.mlflow.name": "better name", "user.param.late": 1.0}
    client.set_terminated(identity, status="KILLED")
    assert load_mlflow(uri, store).new == 1
    assert load_mlflow(uri, store).new == 0
    assert store.frame("user.grad").iloc[0, 0] == 9.0


def test_failed_runs_come_and_deleted_ones_only_if_wanted(uri, client):
    train(client, "failed", status="FAILED")
    gone = train(client, "gone")
    client.delete_run(gone)
    store = MemoryStore()
    assert load_mlflow(uri, store).runs == 1
    (run,) = store.runs()
    assert store.frame("user.mlflow.status").iloc[-1, 0] == "FAILED"
    assert load_mlflow(uri, store, deleted=True).runs == 2
    assert store.runs() == [run, f"gone {gone[:12]}"]


def test_a_param_of_two_kinds_is_text_and_a_late_stranger_is_kept_beside(uri, client):
    train(client, "a", lr="0.1")
    train(client, "b", lr="auto")
    store = MemoryStore()
    load_mlflow(uri, store)
    assert sorted(store.frame("user.param.lr")["user.param.lr"].dropna()) == ["0.1", "auto"]
    later = MemoryStore()
    later.append(Record("own", 0, "report", {"user.param.lr": 0.5}))
    load_mlflow(uri, later)
    assert sorted(later.frame("user.param.lr")["user.param.lr"].dropna()) == [0.1, 0.5]
    assert later.frame("user.param.lr.text")["user.param.lr.text"].dropna().tolist() == ["auto"]
    third = MemoryStore()
    load_mlflow(uri, third, text=["params.amp"])
    assert set(third.frame("user.param.amp")["user.param.amp"].dropna()) == {"True"}


def test_nan_infinite_and_negative_steps_of_a_script_are_kept_or_told(uri, client):
    run = client.create_run("0", run_name="odd")
    client.log_metric(run.info.run_id, "loss", math.nan, step=1)
    client.log_metric(run.info.run_id, "loss", 1.0, step=-1)
    store = MemoryStore()
    loaded = load_mlflow(uri, store)
    assert loaded.problems == (f"run 'odd {run.info.run_id[:12]}': metric 'loss' at step -1, which is no loop",)
    assert math.isnan(store.records(store.runs()[0])[1].values["user.loss"])
    assert load_mlflow(uri, store).new == 0


def test_all_pages_are_read(uri, client):
    for k in range(5):
        client.create_run("0", run_name=f"r{k}")
    found = list(pages(client.search_runs, experiment_ids=["0"], max_results=2))
    assert {run.info.run_name for run in found} == {f"r{k}" for k in range(5)}


def test_what_cannot_be_done_is_said(uri, client, monkeypatch):
    store = MemoryStore()
    with pytest.raises(OptionError, match="no experiment 'defualt'; did you mean 'Default'"):
        load_mlflow(uri, store, experiments="defualt")
    train(client)
    with pytest.raises(OptionError, match=r"no 'val_ac'; did you mean 'metrics\.val_acc'"):
        load_mlflow(uri, store, columns={"val_ac": "score.value"})
    with pytest.raises(OptionError, match=r"both become 'user\.grad'; map one elsewhere"):
        load_mlflow(uri, store, columns={"val_acc": "user.grad"})
    with pytest.raises(OptionError, match="is not dotted lower-case words"):
        load_mlflow(uri, store, columns={"val_acc": "Score"})
    with pytest.raises(OptionError, match=r"has no 'params\.amq'"):
        load_mlflow(uri, store, text=["params.amq"])
    assert store.runs() == []
    store.append(Record("r", 0, "tell", {"x": 0.5}))
    client.delete_experiment(client.create_experiment("old"))
    with pytest.raises(OptionError, match="'old' was deleted; restore it, or give another name"):
        export_mlflow(store, uri, experiment="old")
    with pytest.raises(WriteError, match="MLflow at nowhere://x refused"):
        export_mlflow(store, "nowhere://x")
    with pytest.raises(SourceError, match="MLflow at nowhere://x cannot be read"):
        load_mlflow("nowhere://x", store)
    with pytest.raises(SourceError, match=r"there is no file typo\.db; MLflow would make an empty one"):
        load_mlflow("sqlite:///typo.db", store)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingPackageError, match=r'mlflow is not installed; say: pip install "metaal\[mlflow\]"'):
        export_mlflow(store, uri)


def test_two_mlflow_runs_for_one_run_are_refused(uri, client):
    store = MemoryStore()
    store.append(Record("r", 0, "tell", {"x": 0.5}))
    export_mlflow(store, uri)
    place = client.get_experiment_by_name("metaal").experiment_id
    client.create_run(place, tags={"metaal.run": "r"})
    with pytest.raises(OptionError, match="has two MLflow runs for 'r'"):
        export_mlflow(store, uri)


def test_an_exported_run_that_was_changed_in_mlflow_is_refused(uri, client):
    store = MemoryStore()
    store.append(Record("r", 0, "tell", {"n": 3, "t": "text"}))
    export_mlflow(store, uri)
    place = client.get_experiment_by_name("metaal").experiment_id
    (run,) = client.search_runs([place])
    tag = "metaal.ledger.000000.0000"
    whole = run.data.tags[tag]
    for text, words in (
        (whole.replace("[0,0,0,", "[5,0,0,"), "is not a record"),
        (whole.replace('"n"', '"m"'), "metric 'tell/m' has no value at step 0"),
        (whole.replace('"schemas"', '"s"'), "not of this version"),
        (whole.replace('"text"', '{"x":1}'), "no longer what was exported: 'float'"),
        (whole.replace('"text"', "[1]"), "is of type list"),
        (whole.replace('"it"', '"i"'), "is shorter than argument"),
    ):
        assert text != whole
        client.set_tag(run.info.run_id, tag, text)
        with pytest.raises(SourceError, match=words):
            load_mlflow(uri, MemoryStore())
    client.set_tag(run.info.run_id, tag, whole)
    client.log_metric(run.info.run_id, "tell/n", 3.5, step=0, timestamp=2**50)
    with pytest.raises(SourceError, match="it was a whole number"):
        load_mlflow(uri, MemoryStore())


def test_metrics_after_the_batch_belong_to_the_next_step(uri, client):
    """Somebody logs the strategy of round t at step t, and the score after it at step t too."""
    run = client.create_run("0", run_name="al")
    for step in range(3):
        client.log_metric(run.info.run_id, "acc", step / 4, step=step)
        client.log_metric(run.info.run_id, "chance", 0.5, step=step)
    store = MemoryStore()
    told = {"columns": {"acc": "score.value", "chance": "action.propensity"}, "after": ["acc"]}
    assert load_mlflow(uri, store, **told).new == 5
    assert load_mlflow(uri, store, **told).new == 0
    values = [
        (record.loop, dict(record.values)) for record in store.records(store.runs()[0]) if record.event == "report"
    ]
    assert values == [
        (0, {"action.propensity": 0.5}),
        (1, {"action.propensity": 0.5, "score.value": 0.0}),
        (2, {"action.propensity": 0.5, "score.value": 0.25}),
        (3, {"score.value": 0.5}),
    ]
    with pytest.raises(OptionError, match=r"has no 'metrics\.acd'"):
        load_mlflow(uri, MemoryStore(), after=["acd"])


def test_params_and_tags_are_translated_and_of_the_kind_that_the_caller_knows(uri, client):
    train(client, "a", lr="40")
    train(client, "b", lr="41")
    known = {"adam": "ours"}

    def translate(word):
        try:
            return known[word]
        except KeyError:
            raise ValueError("say what it is") from None

    rules = Rules({"task": "str", "who": "str", "rate": "float"}, {"who": translate})
    columns = {"params.optimizer/Name": "who", "params.lr": "task", "val_acc": "rate"}
    store = MemoryStore()
    load_mlflow(uri, store, columns=columns, rules=rules)
    about = [store.records(run)[0].values for run in store.runs()]
    assert sorted((values["who"], values["task"]) for values in about) == [("ours", "40"), ("ours", "41")]
    known.clear()
    with pytest.raises(OptionError, match=r"(?s)params\.optimizer/Name of .* 1 unknown of 1 .*'adam': say what it is"):
        load_mlflow(uri, MemoryStore(), columns=columns, rules=rules)
    known["adam"] = None
    left_out = MemoryStore()
    load_mlflow(uri, left_out, columns=columns, rules=rules)
    assert "who" not in left_out.records(left_out.runs()[0])[0].values
    with pytest.raises(OptionError, match=r"metrics\.val_acc of .* is numbers, and who is text; map a param or a tag"):
        load_mlflow(uri, MemoryStore(), columns={"val_acc": "who"}, rules=rules)
