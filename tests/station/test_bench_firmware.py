"""Firmware at the bench, from the file to the record, through the commands a technician types."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from console.cli import app
from controller.service.firmware_file import sign_firmware
from controller.service.firmware_update import FirmwareNotUpdated
from simulators.maker import maker_key, simulated_image
from station.bench import open_bench
from station.bench.updating import allowed_firmware, firmware_state, update_firmware
from station.settings import StationSettings
from tests.station.test_bench import PASSWORD, entries, plugged_in
from tests.station.test_bench import settings as settings  # noqa: PLC0414 - its fixture

pytestmark = pytest.mark.system
NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))


def typed(*words: str) -> Result:
    """A command that needs no pen, in this process."""
    return CliRunner().invoke(app, list(words))


async def test_a_lab_updates_from_its_own_script_and_it_is_on_record(settings: StationSettings) -> None:
    file = sign_firmware("NW-2", "sim 2.0", 200, simulated_image("sim 2.0", size=2_000), maker_key())
    other = sign_firmware("NW-2", "sim 9.0", 900, simulated_image("sim 9.0", size=2_000), maker_key())
    async with plugged_in() as (pen, url):
        async with open_bench(settings, url, technician="tech-1", password=PASSWORD) as bench:
            assert "sim 2.0" in allowed_firmware(bench)
            with pytest.raises(FirmwareNotUpdated, match="clinic allows"):
                await update_firmware(bench, other)
            changed = await update_firmware(bench, file)
            assert (changed.outcome, bench.pen.firmware) == ("confirmed", "sim 2.0")
            assert (await firmware_state(bench)).trial == 0
            async with bench.service("inspection"):  # the pen that was restarted is the one at the bench
                pass
        assert pen.memory.firmware.confirmed.version == b"sim 2.0"
    told = [body for name, body in entries(settings) if name == "firmware_changed"]
    assert [(body["outcome"], body["because"], body["wanted"]) for body in told] == [
        ("refused", "not_allowed", "sim 9.0"),
        ("confirmed", "", "sim 2.0"),
    ]
    assert {(body["by"], body["serial"]) for body in told} == {("tech-1", "NW2-000001")}


async def test_a_technician_updates_by_one_command(settings: StationSettings, tmp_path: Path) -> None:
    file, secret = tmp_path / "new.nwfw", tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    assert typed("simulator", "image", "--version", "sim 2.0", "--number", "200", "--into", str(file)).exit_code == 0
    assert typed("simulator", "image", "--version", "1", "--number", "1", "--into", str(file)).exit_code == 1
    async with plugged_in() as (pen, url):
        process = await asyncio.create_subprocess_exec(
            NEEDLEWORK, "pen", "firmware", "update", str(file), "--pen", url, "--as", "tech-1",
            "--password-file", str(secret), "--state", str(settings.state_dir), stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        assert out.decode() == "NW-2 NW2-000001 runs sim 2.0, confirmed; before, sim 1.0.\n"
        assert "sim 2.0: sending" in err.decode()
        assert pen.memory.firmware.confirmed.version == b"sim 2.0"
    assert [body["outcome"] for name, body in entries(settings) if name == "firmware_changed"] == ["confirmed"]


def test_a_maker_signs_and_anybody_checks(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private, public, image, into = (tmp_path / name for name in ("maker.key", "maker.pub", "image.bin", "out.nwfw"))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    image.write_bytes(b"code" * 100)
    words = ("--key", str(private), "--model", "NW-2", "--version", "3.1", "--number", "31", "--into", str(into))
    assert typed("pen", "firmware", "sign", str(image), *words).exit_code == 0
    assert typed("pen", "firmware", "sign", str(image), *words).exit_code == 1  # it is there already
    shown = typed("pen", "firmware", "show", str(into), "--maker", str(public), "--json")
    assert shown.exit_code == 0
    told = json.loads(shown.stdout)
    assert (told["model"], told["version"], told["number"], told["size_bytes"]) == ("NW-2", "3.1", 31, 400)
    assert told["signed_by_maker"] is True
    public.write_bytes(
        Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    other = typed("pen", "firmware", "show", str(into), "--maker", str(public))
    assert other.exit_code == 1
    assert "NOT THE MAKER'S" in other.stdout
    into.write_bytes(into.read_bytes()[:-1])
    broken = typed("pen", "firmware", "show", str(into))
    assert broken.exit_code == 1
    assert "cut" in broken.stderr
