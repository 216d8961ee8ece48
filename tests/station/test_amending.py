"""Amending a closed session through the station: what is added, what stays at the site, what signatures cover."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from controller.events import RecordAmended, SessionSigned
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from logger.record.records import session_record
from station.api.models import AmendRecord
from station.errors import StationRefused
from station.settings import StationSettings
from station.site.amendments import AmendmentsFile
from tests.station.conftest import OPERATOR, House

pytestmark = pytest.mark.system

PHYSICIAN = "demo-physician"
PASSWORD = "a long enough sentence"
TEXT = "The left cheek was treated, not the right one."
ASKED = AmendRecord(aspect="zone", reason="chosen_wrongly", text=TEXT)


async def test_an_amendment_is_a_new_entry_its_text_stays_here_and_what_was_signed_before_it_says_so(
    house: House,
) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        session = (await house.client.pen()).view.session or ""
        async with house.client.signed_in(OPERATOR, "") as operator:
            with pytest.raises(StationRefused) as caught:
                await operator.amend(session, ASKED)
            assert caught.value.trouble.because == "amend_session_open"
        await seat.close("finished")
    async with (
        house.client.signed_in(OPERATOR, "") as operator,
        house.client.signed_in(PHYSICIAN, "") as physician,
    ):
        await operator.sign(session, "performed")
        amended = await operator.amend(session, ASKED)
        assert (amended.by, amended.aspect) == (OPERATOR, "zone")
        with pytest.raises(StationRefused) as caught:
            await physician.sign(session, "reviewed")
        assert caught.value.trouble.because == "sign_not_performed_yet"
        for person, meaning in ((operator, "performed"), (physician, "reviewed"), (physician, "approved")):
            await person.sign(session, meaning)
        with pytest.raises(StationRefused) as caught:
            await physician.amend(session, ASKED.model_copy(update={"entry": 1}))
        assert caught.value.trouble.because == "amend_unknown_entry"
    house.station.end("a test")
    await house.task
    await asyncio.to_thread(_look, house.settings, session)


async def test_a_physician_who_treats_nobody_reviews_and_amends_by_the_account_alone(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        session = (await house.client.pen()).view.session or ""
        await seat.close("finished")
    async with house.client.signed_in(OPERATOR, "") as operator:
        await operator.sign(session, "performed")
    await house.client.nobody().add_account("boss", "manager", PASSWORD)
    async with house.client.signed_in("boss", PASSWORD) as boss:
        await boss.add_account("dr-lee", "physician", PASSWORD)
        await boss.add_account("az-9", "operator", PASSWORD)
    async with house.client.signed_in("dr-lee", PASSWORD) as physician:
        assert (await physician.sign(session, "reviewed")).role == "physician"
        assert (await physician.amend(session, ASKED)).by == "dr-lee"
    async with house.client.signed_in("az-9", PASSWORD) as somebody:
        with pytest.raises(StationRefused) as caught:
            await somebody.sign(session, "reviewed")
        assert caught.value.trouble.because == "sign_not_a_physician"


async def test_the_command_takes_the_text_of_a_file_and_says_what_follows(house: House, tmp_path: Path) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        session = (await house.client.pen()).view.session or ""
        await seat.close("finished")
    (tmp_path / "text").write_text(TEXT + "\n", encoding="utf-8")
    words = ["amend", session, "--by", OPERATOR, "--text-file", str(tmp_path / "text")]
    where = ["--state", str(house.settings.state_dir)]
    lists = ["--what", "zone", "--because", "chosen_wrongly"]
    done = await asyncio.to_thread(CliRunner().invoke, app, [*words, *lists, *where])
    assert done.exit_code == 0, done.output
    assert "have it signed again" in done.output
    for wrong in (["--what", "weather", *lists[2:]], [*lists[:2], "--because", "whim"]):
        refused = await asyncio.to_thread(CliRunner().invoke, app, [*words, *wrong, *where])
        assert (refused.exit_code, "Nothing was amended" in refused.output) == (2, True)
    signed = ["sessions", "sign", session, "--as", "performed", "--by", OPERATOR, *where]
    assert (await asyncio.to_thread(CliRunner().invoke, app, signed)).exit_code == 0
    shown = await asyncio.to_thread(CliRunner().invoke, app, ["sessions", "show", session, *where])
    assert "Amended afterwards" in shown.output
    assert TEXT not in shown.output


def _look(settings: StationSettings, session: str) -> None:
    reader = JournalReader(settings.journal_path)
    entries = list(reader.session_entries(session))
    reader.close()
    record = session_record(entries)
    assert [(one.meaning, one.covers) for one in record.signatures] == [
        ("performed", "amended"),
        ("performed", "all"),
        ("reviewed", "all"),
        ("approved", "all"),
    ]
    (amendment,) = record.amendments
    assert amendment.amends_found
    by_sequence = {entry.sequence: entry for entry in entries}
    assert by_sequence[amendment.amends_sequence].type == "session_closed"
    for entry in entries:
        match entry.event():
            case SessionSigned() as signed:
                assert by_sequence[signed.covers_sequence or 0].hash.hex() == signed.covers_hash
            case RecordAmended() as event:
                file = AmendmentsFile(settings.amendments_path)
                (kept,) = file.of(session)
                file.close()
                assert (kept.text, kept.author, kept.digest) == (TEXT, OPERATOR, event.text_sha256)
                assert kept.whole
                assert event.text_sha256 != hashlib.sha256(TEXT.encode()).hexdigest()
            case _:
                pass
    assert TEXT.encode() not in b"".join(path.read_bytes() for path in settings.state_dir.glob("journal*"))
    result = verify_journal(settings.journal_path)
    assert result.verdict == "intact"
    assert result.signed_to == (result.last or 0) - 1
    assert (settings.station_key_path.stat().st_mode & 0o777) == 0o600
