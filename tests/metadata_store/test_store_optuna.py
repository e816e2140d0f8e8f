"""Journals of the real Optuna are read, whole, cut anywhere, and torn in the middle; what was whole is kept."""

import contextlib
import json
import math
import warnings

import numpy as np
import pytest

from metadata_store import MemoryStore, OptionError, Record
from metadata_store.interchange import SourceError, load_optuna
from metadata_store.interchange.journal_file import operations, studies


@pytest.fixture(scope="module")
def optuna():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield optuna
    optuna.logging.set_verbosity(before)


@pytest.fixture
def storage(optuna, tmp_path):
    """Return what opens the journal once more, as another process would."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return lambda: JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))


@pytest.fixture
def journal(optuna, storage, tmp_path):
    """A journal of one study: complete, pruned and failed trials."""
    study = optuna.create_study(study_name="tune", storage=storage(), sampler=optuna.samplers.RandomSampler(seed=0))
    study.set_user_attr("team", "north")

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("Kind of net", ["a", None, 3])
        depth = trial.suggest_int("depth", 1, 9, log=True)
        trial.report(x / 2, 0)
        trial.report(math.nan, 3)
        trial.set_user_attr("note", "é")
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise ValueError("no luck")
        return x + depth

    study.optimize(objective, n_trials=4, catch=(ValueError,))
    return tmp_path / "journal.log"


def plain(found):
    """Return what a journal says, without times, for comparing."""
    return [
        (study.name, [(t.number, t.state, repr(t.values), t.params, t.attrs, repr(t.steps)) for t in study.trials])
        for study in found
    ]


def test_what_optuna_says_of_a_study_is_in_the_store(optuna, storage, journal):
    store = MemoryStore()
    before = journal.read_bytes()
    assert load_optuna(journal, store) == (1, 4, 5, 0, ())
    assert load_optuna(journal, store) == (1, 4, 0, 0, ())
    assert journal.read_bytes() == before
    begin, *records = store.records("tune")
    assert dict(begin.values) == {"user.study": "tune", "user.directions": "minimize", "user.study.attr.team": "north"}
    trials = optuna.load_study(study_name="tune", storage=storage()).trials
    for trial, record in zip(trials, records, strict=True):
        values = record.values
        assert (record.loop, record.event) == (trial.number, "report")
        assert values["user.state"] == trial.state.name.lower()
        assert values.get("user.value") == trial.value
        assert values["user.param.x"] == trial.params["x"]
        assert values["user.param.depth"] == trial.params["depth"]
        kind = trial.params["Kind of net"]
        assert values["user.param.kind_of_net"] == (kind if isinstance(kind, str) else json.dumps(kind))
        assert values["user.attr.note"] == "é"
        # Optuna gives local times without a zone
        assert record.at == round(trial.datetime_complete.timestamp() * 1e6) * 1000
        assert values["user.seconds"] == pytest.approx(trial.duration.total_seconds(), abs=1e-6)
        steps = dict(zip(record.arrays["user.step"].tolist(), record.arrays["user.step.value"].tolist(), strict=True))
        assert repr(steps) == repr(trial.intermediate_values)
    assert [record.values["user.state"] for record in records] == ["complete", "pruned", "fail", "complete"]


def test_several_objectives_studies_and_unfinished_trials(optuna, storage, journal):
    two = optuna.create_study(study_name="a/b", storage=storage(), directions=["minimize", "maximize"])
    two.optimize(lambda trial: (trial.suggest_float("x", 0, 1), math.inf), n_trials=1)
    distribution = optuna.distributions.FloatDistribution(0, 1)
    two.add_trial(
        optuna.trial.create_trial(
            params={"x": 0.5}, distributions={"x": distribution}, values=[1, 2], user_attrs={"q": [1]}
        )
    )
    gone = optuna.create_study(study_name="gone", storage=storage())
    gone.optimize(lambda trial: 1.0, n_trials=1)
    optuna.delete_study(study_name="gone", storage=storage())
    last = optuna.create_study(study_name="last", storage=storage())
    running = last.ask({"x": distribution})
    last.enqueue_trial({"x": 0.25})
    store = MemoryStore()
    loaded = load_optuna(journal, store)
    assert (loaded.studies, loaded.read, loaded.unfinished) == (3, 6, 2)
    assert store.runs()[0] == "tune"
    name = store.runs()[1]
    assert name.startswith("a_b-")
    assert [record.values.get("user.value.1") for record in store.records(name)] == [None, math.inf, 2.0]
    assert store.records(name)[2].values["user.attr.q"] == "[1]"
    assert store.records(name)[0].values["user.directions"] == "minimize,maximize"
    assert store.count("last") == 1
    # what was running is done now: only that is new
    last.tell(running, 0.5)
    last.set_user_attr("later", 1)
    assert load_optuna(journal, store).new == 2
    assert store.records("last")[-1].values["user.value"] == 0.5
    assert store.records("last")[1].key[1:] == (0, "about", 1)


def test_a_journal_cut_anywhere_gives_all_whole_operations(journal, tmp_path):
    data = journal.read_bytes()
    lines = data.splitlines(keepends=True)
    cut_file = tmp_path / "cut.log"
    expected = []
    ends_at = np.cumsum([len(line) for line in lines])
    for count in range(len(lines) + 1):
        expected.append(plain(studies(b"".join(lines[:count]))[0]) if count else [])
    for cut in range(len(data) + 1):
        # an operation is whole before its line feed is there
        ends = int(np.searchsorted(ends_at - 1, cut, side="right"))
        whole = data[: int(ends_at[ends - 1]) if ends else 0]
        found, torn = operations(data[:cut])
        assert sum(isinstance(operation, dict) for operation in found) == ends
        assert b"".join(place.data for place in torn) == data[len(whole) : cut]
        if ends:
            read, torn = studies(data[:cut])
            assert plain(read) == expected[ends]
            assert all(place.offset == len(whole) for place in torn)
    for cut in range(0, len(data), 97):
        cut_file.write_bytes(data[:cut])
        store = MemoryStore()
        if cut < len(lines[0]) - 1:
            if cut:
                with pytest.raises(SourceError, match="it has no whole operation"):
                    load_optuna(cut_file, store)
            continue
        load_optuna(cut_file, store)
        assert cut_file.read_bytes() == data[:cut]
        # the next import of the whole file completes it
        load_optuna(journal, store)
        reports = [record.loop for record in store.records("tune") if record.event == "report"]
        assert reports == [0, 1, 2, 3]


def test_what_optuna_appends_to_a_torn_line_is_kept(optuna, storage, journal):
    """The defect that this importer is for: a crash leaves a torn line, the next process appends to it."""
    data = journal.read_bytes()
    torn = data.splitlines(keepends=True)[6][:40]
    journal.write_bytes(data + torn)
    for _ in range(3):
        with contextlib.suppress(Exception):  # version 5.0 fails at the first trial, and at every opening after that
            study = optuna.load_study(study_name="tune", storage=storage())
            study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    found, places = studies(journal.read_bytes())
    assert [place.data for place in places] == [torn]
    assert plain(found)[0][1][:4] == plain(studies(data)[0])[0][1]
    assert len(found[0].trials) > 4


@pytest.mark.parametrize("kind", ["create", "param", "state"])
def test_bytes_of_another_worker_torn_anywhere_change_nothing_else(journal, kind):
    """What was torn never happened to anybody; the next line stands behind it, on the same line."""
    lines = journal.read_bytes().splitlines(keepends=True)
    codes = {"create": b'"op_code":4', "param": b'"op_code":5', "state": b'"op_code":6'}
    other = next(line for line in lines if codes[kind] in line).replace(b'"worker_id":"', b'"worker_id":"other-')
    expected = plain(studies(b"".join(lines))[0])
    for place in range(1, len(lines) + 1, 3):
        for length in (1, 5, 11, 12, 13, 30, len(other) // 2, len(other) - 2):
            mixed = b"".join(lines[:place]) + other[:length] + b"".join(lines[place:])
            found, torn = studies(mixed)
            assert plain(found) == expected
            assert [part.data for part in torn] == [other[:length]]
            assert torn[0].note == "left out"


@pytest.mark.parametrize("damage", [b"", b"\0\0\0\0", b'{"op_code":4,"worker_id', b'{"op_'])
def test_a_create_that_was_damaged_later_does_not_move_the_trials_behind_it(journal, damage):
    lines = journal.read_bytes().splitlines(keepends=True)
    expected = plain(studies(b"".join(lines))[0])[0][1]
    creates = [number for number, line in enumerate(lines) if b'"op_code":4' in line]
    for place in creates[1:]:
        if not damage:
            spoilt = [b"#" + line[1:] if number == place else line for number, line in enumerate(lines)]
        else:
            spoilt = [damage + b"\n" if number == place else line for number, line in enumerate(lines)]
        found, torn = studies(b"".join(spoilt))
        assert len(torn) == 1
        assert torn[0].note.startswith("counted")
        assert plain(found)[0][1] == expected


def test_a_torn_study_line_keeps_its_trials_apart(optuna, storage, journal):
    second = optuna.create_study(study_name="second", storage=storage(), sampler=optuna.samplers.RandomSampler(seed=1))
    second.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    data = journal.read_bytes()
    expected = plain(studies(data)[0])
    place = data.index(b'"study_name":"second"')
    spoilt = data[: place + 21] + b"\xff" * 6 + data[place + 27 :]
    found, torn = studies(spoilt)
    assert plain(found) == expected
    assert torn[0].note.startswith("counted")
    start = data.rindex(b"\n", 0, place) + 1
    found, _ = studies(data[:start] + b"#" * 20 + data[data.index(b"\n", place) :])
    assert [len(study.trials) for study in found] == [4, 2]
    assert found[1].name.startswith("unnamed-")


def test_a_trial_is_told_by_the_worker_that_made_it():
    """Nothing but the names of the workers says here that line 3 made a trial."""
    lines = [
        b'{"op_code":0,"worker_id":"a","study_name":"s","directions":[1]}',
        b'{"op_code":4,"worker_id":"a","study_id":0,"datetime_start":null}',
        b'{"op_code":4,"worker_id":"b","study_id":0,"datetime_start":null}',
        b'{"op_code":4,"worker_id":"c","study_id":0,"datetime_start":null}',
        b'{"op_code":7,"worker_id":"b","trial_id":1,"step":0,"intermediate_value":0.5}',
    ]
    (study,), _ = studies(b"\n".join(lines))
    assert [trial.steps for trial in study.trials] == [{}, {0: 0.5}, {}]
    lines[2] = b"\0" * len(lines[2])
    (study,), torn = studies(b"\n".join(lines))
    assert [trial.steps for trial in study.trials] == [{}, {0: 0.5}, {}]
    assert torn[0].note.startswith("counted")


def test_a_study_that_two_workers_made_at_once_is_one():
    lines = [
        b'{"op_code":0,"worker_id":"a","study_name":"s","directions":[1]}',
        b'{"op_code":0,"worker_id":"b","study_name":"s","directions":[1]}',
        b'{"op_code":0,"worker_id":"b","study_name":"t","directions":[1]}',
        b'{"op_code":4,"worker_id":"b","study_id":1,"datetime_start":null}',
    ]
    found, _ = studies(b"\n".join(lines))
    assert [(study.name, len(study.trials)) for study in found] == [("s", 0), ("t", 1)]


def test_a_line_feed_that_is_missing_costs_nothing(journal):
    data = journal.read_bytes()
    expected = plain(studies(data)[0])
    ends = [place for place in range(len(data)) if data[place] == 10]
    for end in ends:
        found, torn = studies(data[:end] + data[end + 1 :])
        assert torn == []
        assert plain(found) == expected
    found, torn = studies(data.replace(b"\n", b""))
    assert (plain(found), torn) == (expected, [])


def test_what_looks_like_an_operation_inside_torn_bytes_is_none(journal):
    data = journal.read_bytes()
    inner = b'{"op_code":0,"worker_id":"w","study_name":"evil","directions":[1]}'
    outer = b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"a":' + inner
    found, _ = studies(data + outer + b'},"b"')
    assert plain(found) == plain(studies(data)[0])
    found, torn = studies(data + outer + b"}}\n")
    assert torn == []
    assert [study.name for study in found] == ["tune"]


def test_line_ends_of_windows_and_holes_of_zeros_are_read(journal):
    data = journal.read_bytes()
    expected = plain(studies(data)[0])
    assert plain(studies(data.replace(b"\n", b"\r\n"))[0]) == expected
    found, torn = studies(data + b"\0" * 100)
    assert plain(found) == expected
    assert torn[0].data == b"\0" * 100


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello\n", "it has no whole operation"),
        (b'{"run":"r"}\n', "it has no whole operation"),
        (
            b'{"op_code":0,"worker_id":"w","study_name":"s","directions":[1]}\n' + b"x\n" * 100,
            "100 of its lines are torn",
        ),
        (b"[" * 100_000, "it has no whole operation"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path, data, words):
    (tmp_path / "j.log").write_bytes(data)
    store = MemoryStore()
    with pytest.raises(SourceError, match=words):
        load_optuna(tmp_path / "j.log", store)
    assert store.runs() == []


def test_random_damage_is_told_or_refused_and_never_crashes(journal, tmp_path):
    data = bytearray(journal.read_bytes())
    rng = np.random.default_rng(0)
    file = tmp_path / "spoilt.log"
    for _ in range(150):
        spoilt = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            spoilt[place] ^= 1 << rng.integers(0, 8)
        file.write_bytes(spoilt)
        with contextlib.suppress(SourceError, OptionError):  # two names may have become one statistic
            load_optuna(file, MemoryStore())


@pytest.mark.parametrize(
    "more",
    [
        '"state":1,"values":["a"]',
        '"state":1,"values":[1e999999,1' + "0" * 400 + "]",
        '"state":9',
        '"state":[]',
        '"distributions":3,"params":{"x":1}',
        '"params":[1]',
        '"intermediate_values":{"a":1}',
        '"intermediate_values":{"' + "9" * 30 + '":1}',
        '"user_attrs":[1]',
    ],
)
def test_an_operation_of_an_impossible_form_is_left_out(journal, more):
    data = journal.read_bytes()
    odd = b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":5,' + more.encode() + b"}"
    found, torn = studies(data + odd + b"\n")
    assert plain(found) == plain(studies(data)[0])
    assert [place.data for place in torn] == [odd]


def test_an_operation_of_a_later_version_is_told_and_left_out(journal):
    data = journal.read_bytes()
    found, torn = studies(data + b'{"op_code":77,"worker_id":"w"}\n')
    assert plain(found) == plain(studies(data)[0])
    assert torn[0].data == b'{"op_code":77,"worker_id":"w"}'


def test_columns_are_mapped_and_wrong_ones_refused(journal):
    store = MemoryStore()
    load_optuna(journal, store, columns={"value": "score.value", "params.x": None, "user_attrs.note": "user.n"})
    names = set(store.frame())
    assert {"score.value", "user.n"} <= names
    assert not {"user.value", "user.param.x"} & names
    with pytest.raises(OptionError, match=r"has no 'params\.y'; did you mean 'params\.x'"):
        load_optuna(journal, MemoryStore(), columns={"params.y": None})


def test_a_param_that_the_store_knows_as_another_kind_is_kept_beside(journal):
    store = MemoryStore()
    store.append(Record("own", 0, "report", {"user.param.depth": "deep"}))
    load_optuna(journal, store)
    assert all(isinstance(r.values["user.param.depth"], str) for r in store.records("tune")[1:])
    other = MemoryStore()
    other.append(Record("own", 0, "report", {"user.attr.note": 1.0}))
    load_optuna(journal, other)
    assert other.records("tune")[1].values["user.attr.note.text"] == "é"
