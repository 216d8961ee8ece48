"""Topics, messages and URLs: what fits goes through unchanged, what does not is refused with an error of ours."""

import json
import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.bus.messages import BatchMessage, LiveMessage, ReceiptMessage, StatusMessage
from logger.bus.mqtt import BrokerUrl
from logger.bus.reconnect import Backoff, BackoffSettings
from logger.bus.topics import TOPIC_TABLE, Topics, filter_of, parse
from logger.errors import BrokerUrlError, MessageError, TopicError
from logger.journal.entry import GENESIS, Entry, entry_hash, first_hash
from tests.logger.making import chain

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
NAMED = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)


def test_the_hash_is_over_the_documented_bytes() -> None:
    """Worked out by hand from the tables in `logger.journal.entry`."""
    times = (-5).to_bytes(8, "big", signed=True) + (9).to_bytes(8, "big", signed=True)
    lengths = b"".join(count.to_bytes(4, "big") for count in (1, 6, 3, 7, 2))
    content = sha256(b"NWC2" + times + lengths + b"room-1s-1refused{}").digest()
    link = b"NWE2" + bytes(range(32)) + (7).to_bytes(8, "big") + content
    fields = (b"room-1", bytes(range(32)), 7, -5, 9, "s-1", "refused", 1, b"{}")
    assert entry_hash(*fields) == sha256(link).digest()
    before = b"NWE1" + bytes(range(32)) + (7).to_bytes(8, "big") + times + lengths + b"room-1s-1refused{}"
    assert first_hash(*fields) == sha256(before).digest()


def test_an_entry_of_before_is_still_what_was_journalled_and_has_no_content_to_stand_for_it() -> None:
    fields = (bytes(32), 1, -5, 9, "s-1", "refused", 1, b"{}")
    old = Entry("room-1", 1, -5, 9, "s-1", "refused", 1, b"{}", bytes(32), first_hash(b"room-1", *fields))
    new = old._replace(hash=entry_hash(b"room-1", *fields))
    assert old.computed_hash() == old.hash
    assert old.content() is None
    assert new.computed_hash() == new.hash
    assert new.content() is not None
    for changed in (old._replace(body=b"{ }"), new._replace(utc_us=-4)):
        assert changed.computed_hash() != changed.hash


@given(st.lists(TEXT, min_size=4, max_size=4), st.lists(TEXT, min_size=4, max_size=4))
def test_no_two_entries_have_the_same_bytes(left: list[str], right: list[str]) -> None:
    def digest(parts: list[str]) -> bytes:
        return entry_hash(parts[0].encode(), GENESIS, 1, 1, 1, parts[1], parts[2], 1, parts[3].encode())

    assert (digest(left) == digest(right)) == (left == right)


@given(st.data())
def test_a_batch_comes_out_as_it_went_in(data: st.DataObject) -> None:
    previous, entries = GENESIS, []
    integer = st.integers(-(2**63) + 1, 2**63 - 1)
    for sequence in range(1, data.draw(st.integers(2, 5))):
        session = data.draw(st.none() | NAMED)
        utc_us, monotonic_ms = data.draw(integer), data.draw(integer)
        kind, body = data.draw(NAMED), data.draw(TEXT).encode()
        digest = entry_hash(b"room-1", previous, sequence, utc_us, monotonic_ms, session, kind, 1, body)
        entries.append(Entry("room-1", sequence, utc_us, monotonic_ms, session, kind, 1, body, previous, digest))
        previous = digest
    assert BatchMessage.parse(BatchMessage.of(entries).payload()).to_entries() == entries


@given(st.binary(max_size=300))
def test_no_payload_does_more_than_raise_our_error(payload: bytes) -> None:
    for kind in (BatchMessage, ReceiptMessage, StatusMessage, LiveMessage):
        with pytest.raises(MessageError):
            kind.parse(payload)


@given(st.integers(0, 3000), st.integers(0, 7))
def test_a_bit_flipped_on_the_way_is_noticed_or_changes_nothing(position: int, bit: int) -> None:
    entries = chain(3)
    payload = bytearray(BatchMessage.of(entries).payload())
    payload[position % len(payload)] ^= 1 << bit
    try:
        batch = BatchMessage.parse(bytes(payload))
        assert batch.to_entries() == entries or batch.station != "room-1"
    except MessageError:
        return


@pytest.mark.parametrize("field", ["session", "type"])
def test_a_zero_byte_in_a_name_is_refused_because_not_every_database_could_keep_it(field: str) -> None:
    (entry,) = chain(1)
    named = entry._replace(**{field: "a\0b"})  # type: ignore[arg-type]
    payload = BatchMessage.of([named._replace(hash=named.computed_hash())]).payload()
    with pytest.raises(MessageError, match="zero byte"):
        BatchMessage.parse(payload).to_entries()


def test_a_later_version_may_add_fields_but_not_lie_about_its_number() -> None:
    payload = json.loads(BatchMessage.of(chain(1)).payload())
    BatchMessage.parse(json.dumps({**payload, "compression": "none"}).encode())
    with pytest.raises(MessageError):
        BatchMessage.parse(json.dumps({**payload, "version": 2}).encode())


@given(NAMES, NAMES)
def test_topics_are_read_back(site: str, station: str) -> None:
    topics = Topics(site, station)
    for row in TOPIC_TABLE:
        assert parse(topics.topic(row.leaf)) == (topics, row.leaf)
        assert topics.topic(row.leaf).startswith(filter_of(site, row.leaf).split("+", maxsplit=1)[0])


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "$x", "-a", "\0", "ü", "x" * 64])
def test_names_that_cannot_stand_in_a_topic_are_refused(name: str) -> None:
    with pytest.raises(TopicError, match="Use 1 to 63 letters"):
        Topics(name, "room-1")
    with pytest.raises(TopicError):
        Topics("clinic", name)
    with pytest.raises(TopicError):
        filter_of(name, "journal")


@pytest.mark.parametrize(
    "topic",
    ["", "needlework/v1/a/b", "needlework/v2/a/b/journal", "needlework/v1/a/b/command", "needlework/v1/+/b/journal"],
)
def test_other_topics_are_not_ours(topic: str) -> None:
    with pytest.raises(TopicError):
        parse(topic)


def test_no_topic_carries_a_command() -> None:
    assert {row.leaf for row in TOPIC_TABLE if row.sender != "station"} == {"receipt"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mqtt://broker", "mqtt://broker:1883"),
        ("mqtt://10.0.0.5:2883", "mqtt://10.0.0.5:2883"),
        ("mqtt://me:s%40crt@broker:99", "mqtt://me@broker:99"),
        ("mqtt://me@[::1]:99/", "mqtt://me@[::1]:99"),
    ],
)
def test_broker_urls_are_read_and_never_show_their_password(text: str, shown: str) -> None:
    url = BrokerUrl.parse(text)
    assert str(url) == shown
    assert "crt" not in repr(url)
    assert BrokerUrl.parse(url.secret_text()) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://b:99999",
        "mqtt://b:0",
        "mqtt://b/x",
        "mqtt://:pw@b",
    ],
)
def test_what_is_no_broker_url_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BrokerUrlError, match="Write it as mqtt://host:1883"):
        BrokerUrl.parse(text)


def test_back_off_grows_to_its_end_with_jitter_and_starts_anew() -> None:
    backoff = Backoff(BackoffSettings(first_s=1, max_s=8), random.Random(3))
    waits = [backoff.next_s() for _ in range(200)]
    for index, bound in enumerate((1, 2, 4, 8, 8)):
        assert bound / 2 <= waits[index] <= bound
    assert max(waits) <= 8
    assert len(set(waits[4:])) > 150
    backoff.reset()
    assert backoff.next_s() <= 1
