"""The bytes of USB/IP: what is read of a host whatever it sends, and in how little memory."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.usb.ip_protocol import (
    TRANSFER_MAX_BYTES,
    DeviceRecord,
    Import,
    ListDevices,
    MalformedRequest,
    Request,
    RequestReader,
    Speed,
    Submit,
    TooLong,
    Unlink,
    device_list,
    imported,
)
from tests.simulators.usbip_client import LIST, import_of, submit, unlink

HEADER_BYTES = 48

submits = st.builds(
    lambda sequence, endpoint, inward, data, setup: (
        submit(sequence, endpoint, inward=inward, length=len(data), data=b"" if inward else data, setup=setup),
        Submit(sequence, 0x10002, inward, endpoint, len(data), setup, b"" if inward else data),
    ),
    st.integers(0, 2**32 - 1),
    st.integers(0, 15),
    st.booleans(),
    st.binary(max_size=200),
    st.binary(min_size=8, max_size=8),
)
unlinks = st.builds(
    lambda sequence, unlinked: (unlink(sequence, unlinked), Unlink(sequence, 0x10002, unlinked)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
too_longs = st.builds(
    lambda sequence, excess: (
        submit(sequence, 2, inward=True, length=TRANSFER_MAX_BYTES + excess),
        TooLong(sequence, TRANSFER_MAX_BYTES + excess),
    ),
    st.integers(0, 2**32 - 1),
    st.integers(1, 50),
)


def reader_of_imported() -> RequestReader:
    reader = RequestReader()
    assert reader.feed(import_of("1-1")) == [Import("1-1")]
    return reader


@given(st.lists(submits | unlinks | too_longs, max_size=8), st.lists(st.integers(1, 5000), min_size=1))
def test_requests_are_read_as_they_were_written_however_they_are_cut(
    written: list[tuple[bytes, Request]], cuts: list[int]
) -> None:
    rest, read, reader = b"".join(raw for raw, _ in written), list[Request](), reader_of_imported()
    while rest:
        for cut in cuts:
            read += reader.feed(rest[:cut])
            rest = rest[cut:]
    assert read == [request for _, request in written]
    assert reader.kept_bytes == 0


@given(st.booleans(), st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_comes_is_read_or_refused_and_little_of_it_kept(imported_before: bool, pieces: list[bytes]) -> None:
    reader = reader_of_imported() if imported_before else RequestReader()
    with suppress(MalformedRequest):
        for piece in pieces:
            requests = reader.feed(piece)
            assert len(requests) <= len(piece) // 8 + 1
            assert reader.kept_bytes <= HEADER_BYTES + TRANSFER_MAX_BYTES


@given(submits, st.integers(0, HEADER_BYTES - 1), st.integers(0, 255))
def test_a_changed_byte_in_a_header_is_read_or_refused(written: tuple[bytes, Request], at: int, byte: int) -> None:
    raw = bytearray(written[0])
    raw[at] = byte
    reader = reader_of_imported()
    with suppress(MalformedRequest):
        reader.feed(bytes(raw))
    assert reader.kept_bytes <= HEADER_BYTES + TRANSFER_MAX_BYTES


def test_a_transfer_too_long_is_skipped_without_being_kept_and_the_next_is_read() -> None:
    reader, length = reader_of_imported(), 10_000_000
    assert reader.feed(submit(1, 2, length=length)) == [TooLong(1, length)]
    for _ in range(length // 50_000):
        assert reader.feed(bytes(50_000)) == []
        assert reader.kept_bytes == 0
    assert reader.feed(unlink(2, 1)) == [Unlink(2, 0x10002, 1)]


def test_a_read_too_long_has_no_data_to_skip() -> None:
    assert reader_of_imported().feed(submit(1, 2, inward=True, length=2**31 - 1) + unlink(2, 1)) == [
        TooLong(1, 2**31 - 1),
        Unlink(2, 0x10002, 1),
    ]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"GET / HTTP/1.1\r\n", "no USB/IP of version 1.1.1"),
        (struct.pack(">HHI", 0x0100, 0x8005, 0), "no USB/IP of version 1.1.1"),
        (struct.pack(">HHI", 0x0111, 0x8005, 7), "status 7"),
        (struct.pack(">HHI", 0x0111, 0x8001, 0), "0x8001"),
        (struct.pack(">HHI32s", 0x0111, 0x8003, 0, b"x" * 32), "no text"),
        (struct.pack(">HHI32s", 0x0111, 0x8003, 0, "ü".encode()), "no text"),
    ],
)
def test_a_question_that_is_none_is_refused_with_its_reason(raw: bytes, said: str) -> None:
    with pytest.raises(MalformedRequest, match=said):
        RequestReader().feed(raw)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (submit(1, 2, command=9), "0x00000009"),
        (submit(1, 16), "endpoint 16"),
        (submit(1, 2, length=-1), "-1 bytes"),
        (submit(1, 2, packets=3), "isochronous transfer of 3 packets"),
        (struct.pack(">IIIII28x", 1, 1, 0x10002, 2, 2), "direction 2"),
        (LIST.ljust(48, b"\0"), "0x01118005"),
    ],
)
def test_a_transfer_that_is_none_is_refused_with_its_reason(raw: bytes, said: str) -> None:
    with pytest.raises(MalformedRequest, match=said):
        reader_of_imported().feed(raw)


def test_a_question_may_come_a_byte_at_a_time() -> None:
    reader, read = RequestReader(), list[Request]()
    for byte in import_of("1-7"):
        read += reader.feed(bytes((byte,)))
    assert read == [Import("1-7")]
    assert RequestReader().feed(LIST) == [ListDevices()]


def test_answers_have_the_sizes_that_hosts_wait_for() -> None:
    record = DeviceRecord("1-1", 1, 2, Speed.FULL, 0x1209, 1, 0x100, (0xEF, 2, 1), 1, 1, ((2, 2, 1), (10, 0, 0)))
    assert len(imported(record)) == 320
    assert len(device_list([record, record])) == 12 + 2 * (312 + 2 * 4)
    assert imported(record)[264:296].rstrip(b"\0") == b"1-1"
    assert record.device_id == 0x10002
