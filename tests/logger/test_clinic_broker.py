"""The Mosquitto that `needlework broker config` writes, running: who may do what, and what a refusal says."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logger.brokers import certificates
from logger.brokers.folder import OwnCertificate
from logger.bus.broker_url import BrokerUrl
from logger.bus.mqtt import connect
from logger.bus.topics import TOPIC_TABLE, Topics
from logger.errors import BrokerRefused, BrokerUnreachable, BrokerUntrusted
from tests.fixtures_brokers import OTHER_STATION, SITE, STATION, ClinicBroker, Mosquitto
from tests.logger.house import client, hear

pytestmark = pytest.mark.system

MINE, THEIRS = Topics(SITE, STATION), Topics(SITE, OTHER_STATION)
ME, OTHER = f"station-{STATION}", f"station-{OTHER_STATION}"
LEAVES = [row.leaf for row in TOPIC_TABLE]


async def _try(url: BrokerUrl) -> None:
    async with connect(url, client_id="somebody", deadline_s=5, keepalive_s=15):
        pass


async def test_a_station_neither_reads_nor_writes_anothers_topics(clinic_broker: ClinicBroker) -> None:
    async with (
        client(clinic_broker, OTHER, "#", *map(MINE.topic, LEAVES), *map(THEIRS.topic, LEAVES)) as (other, heard),
        client(clinic_broker, ME, *map(MINE.topic, LEAVES)) as (me, mine),
        client(clinic_broker, "recorder", "needlework/v1/clinic/+/journal") as (recorder, journals),
        client(clinic_broker, "watcher", "#") as (watcher, seen),
    ):
        for bus in (me, other, watcher):
            for topics in (MINE, THEIRS):
                for leaf in LEAVES:
                    await bus.publish(topics.topic(leaf), f"{leaf} of {topics.station}".encode(), qos=1, retain=True)
        for bus in (me, other, watcher, recorder):
            for topic in ("needlework/v1/other/room-1/journal", "needlework/v1/clinic/room-3/journal", "elsewhere"):
                await bus.publish(topic, b"", qos=1)
        for topics in (MINE, THEIRS):
            await recorder.publish(topics.topic("journal"), b"no recorder journals", qos=1)
            await recorder.publish(topics.topic("receipt"), b"end", qos=1)

        async def all_until(queue: object, end: bytes) -> set[tuple[str, bytes]]:
            found = set()
            while (message := await hear(queue, lambda _message: True)).payload != end:  # type: ignore[arg-type]
                found.add((message.topic, message.payload))
            return found

        def own(topics: Topics, *leaves: str) -> set[tuple[str, bytes]]:
            return {
                (topics.topic(leaf), f"{leaf} of {topics.station}".encode())  # type: ignore[arg-type]
                for leaf in leaves
            }

        assert await all_until(heard, b"end") == own(THEIRS, "status")
        assert await all_until(mine, b"end") == own(MINE, "status")
        assert await all_until(journals, f"journal of {OTHER_STATION}".encode()) == own(MINE, "journal")
        last = f"live of {OTHER_STATION}".encode()
        shown = own(MINE, "status", "alarms", "live") | own(THEIRS, "status", "alarms")
        assert await all_until(seen, last) == shown


async def test_nobody_but_a_recorder_gives_a_receipt(clinic_broker: ClinicBroker) -> None:
    receipt = MINE.topic("receipt")
    async with client(clinic_broker, ME, receipt) as (me, heard):
        for user in (ME, OTHER, "watcher"):
            async with client(clinic_broker, user) as (bus, _):
                await bus.publish(receipt, f"forged by {user}".encode(), qos=1)
        await me.publish(receipt, b"forged", qos=1, retain=True)
        async with client(clinic_broker, "recorder") as (recorder, _):
            await recorder.publish(receipt, b"genuine", qos=1)
        assert (await hear(heard, lambda _message: True)).payload == b"genuine"


async def test_a_wrong_password_is_refused_with_the_remedy(clinic_broker: ClinicBroker) -> None:
    known = clinic_broker.url(ME)
    await _try(known)
    for wrong in (replace(known, password="wrong"), replace(known, username="nobody"), replace(known, username=None)):
        with pytest.raises(BrokerRefused, match="Check the user name, and the password or the file"):
            await _try(wrong)


async def test_without_tls_nobody_gets_in_and_is_told_to_use_it(clinic_broker: ClinicBroker) -> None:
    with pytest.raises(BrokerUnreachable, match="If it asks for TLS, write mqtts://"):
        await _try(replace(clinic_broker.url(ME), tls=False))


async def test_tls_to_a_broker_without_it_is_told_as_such(mosquitto: Mosquitto) -> None:
    with pytest.raises(BrokerUnreachable, match="nobody speaks TLS as we do"):
        await _try(replace(mosquitto.url(STATION), tls=True))


async def test_a_broker_nobody_vouches_for_hears_no_password(clinic_broker: ClinicBroker, tmp_path: Path) -> None:
    known = clinic_broker.url(ME)
    (tmp_path / "other.crt").write_bytes(certificates.authority("elsewhere", datetime.now(UTC)).certificate)
    for ca_file in (str(tmp_path / "other.crt"), None):
        with pytest.raises(BrokerUntrusted, match="Name the CA that signed the broker's certificate in broker_ca_file"):
            await _try(replace(known, ca_file=ca_file))
    with pytest.raises(BrokerUntrusted, match="by a name that stands in the certificate"):
        await _try(replace(known, host="localhost"))
    (tmp_path / "empty.crt").write_bytes(b"")
    for ca_file in ("absent.crt", str(tmp_path / "empty.crt")):
        with pytest.raises(BrokerUntrusted, match="Correct broker_ca_file"):
            await _try(replace(known, ca_file=ca_file))


async def test_tls_below_1_2_is_not_spoken(clinic_broker: ClinicBroker) -> None:
    url = clinic_broker.url(ME)
    old = ["openssl", "s_client", "-connect", f"{url.host}:{url.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    process = await asyncio.create_subprocess_exec(
        *old, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert b"protocol version" in said, said


async def test_a_station_added_while_the_broker_runs_comes_in_and_a_renewed_password_is_out(
    clinic_broker: ClinicBroker,
) -> None:
    before = clinic_broker.url(ME)
    clinic_broker.add(["room-3"], renew=[STATION])
    clinic_broker.read_anew()
    async with client(clinic_broker, "station-room-3", Topics(SITE, "room-3").topic("receipt")) as (_bus, heard):
        async with client(clinic_broker, "recorder") as (recorder, _):
            await recorder.publish(Topics(SITE, "room-3").topic("receipt"), b"for room-3", qos=1)
        assert (await hear(heard, lambda _message: True)).payload == b"for room-3"
    await _try(clinic_broker.url(ME))
    await _try(clinic_broker.url(OTHER))
    with pytest.raises(BrokerRefused):
        await _try(before)


async def test_a_certificate_of_the_sites_own_is_served(tmp_path: Path) -> None:
    ca = certificates.authority("elsewhere", datetime.now(UTC))
    signed = certificates.of_broker(ca, ["127.0.0.1"], datetime.now(UTC))
    for name, content in (("c", signed.certificate), ("k", signed.key), ("ca", ca.certificate)):
        (tmp_path / name).write_bytes(content)
    own = OwnCertificate(tmp_path / "c", tmp_path / "k", tmp_path / "ca")
    broker = ClinicBroker(tmp_path / "broker", [STATION], own=own)
    await broker.start()
    try:
        await _try(replace(broker.url(ME), ca_file=str(tmp_path / "ca")))
    finally:
        await broker.stop()
