"""Payloads made from a template, and keys read without decoding: the same as by Arrow, for every kind of record."""

import random

import numpy as np
import pytest

from metadata_store import Record, codec
from metadata_store.codec import Schema
from metadata_store.peek import Peek
from metadata_store.template import Encoder


def records(count, seed):
    """Records whose names, lengths and shapes repeat often enough for templates to be used."""
    rng = random.Random(seed)
    for number in range(count):
        values, arrays = {}, {}
        choices = {
            "a": lambda: rng.choice([rng.random(), float("nan"), -0.0, float("inf")]),
            "b": lambda: rng.randrange(-(2**63), 2**63),
            "c": lambda: rng.random() < 0.5,
            "t": lambda: rng.choice(["", "x", "é", "yy"]),
            "u": lambda: rng.choice(["", "x", "日本"]),
        }
        for name, make in choices.items():
            if rng.random() < 0.6:
                values[name] = make()
        if rng.random() < 0.5:
            arrays["x"] = np.array([rng.random() for _ in range(rng.choice([0, 3]))])
        if rng.random() < 0.5:
            arrays["y"] = np.arange(rng.choice([0, 2, 4]), dtype=np.int8).reshape(-1, 2)
        if rng.random() < 0.3:
            arrays["z"] = np.array(["q", "é"][: rng.choice([0, 2])], "<U3")
        yield Record(rng.choice("rs日"), rng.randrange(2**40), "tell", values, arrays, number + 1, rng.randrange(9))


def test_a_template_gives_the_bytes_that_arrow_gives():
    encoder = Encoder()
    numbers: dict[Schema, int] = {}
    for stamp, record in enumerate(records(3000, 0)):
        schema = Schema.of(record)
        number = numbers.setdefault(schema, len(numbers))
        expected = bytes(codec.encode(record, schema, number, stamp))
        assert bytes(encoder.encode(record, schema, number, stamp)) == expected
    assert len(encoder._templates) < 1500  # most of them came from a template


def test_a_key_is_read_without_decoding_as_it_was_written():
    peek, encoder = Peek(), Encoder()
    seen = 0
    for stamp, record in enumerate(records(3000, 1)):
        schema = Schema.of(record)
        key = peek.key(encoder.encode(record, schema, 7, stamp))
        if key is None:
            continue
        seen += 1
        assert key[:6] == (7, record.loop, record.index, record.at, stamp, record.run)
        assert key[6:] == schema.lengths
    assert seen > 2500


@pytest.mark.parametrize("seed", range(5))
def test_a_payload_with_another_length_in_it_is_left_to_the_decoder(seed):
    record = Record("r", 1, "tell", {"a": 0.5, "b": 3, "t": "xyz"}, {"x": np.arange(4)}, at=5)
    payload = bytearray(Encoder().encode(record, Schema.of(record), 0, 1))
    peek = Peek()
    assert peek.key(memoryview(bytes(payload))) is not None
    rng = random.Random(seed)
    for _ in range(2000):
        changed = bytearray(payload)
        changed[rng.randrange(8, len(payload))] ^= 1 << rng.randrange(8)
        key = peek.key(memoryview(bytes(changed)))
        try:
            codec.decode(changed, Schema.of(record))
        except codec.DamagedError:
            continue
        assert key is None or key.ints == Schema.of(record).lengths[0]
    assert peek.key(memoryview(payload[:-1])) is None
    assert peek.key(memoryview(b"")) is None
