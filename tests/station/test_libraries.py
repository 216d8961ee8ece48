"""The library a station works with: what settings name, signed by whom the clinic trusts, or no station at all."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.errors import DataError
from controller.library import sidecar_of
from controller.signing import public_text, sidecar, sign
from station.process.exits import Exit
from station.settings import StationSettings
from station.site.libraries import clinic_library, trusted_keys

SHIPPED = Path(__file__).parents[2] / "controller" / "data" / "example_library.yaml"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TODAY = date(2026, 5, 1)


@pytest.fixture
def settings(tmp_path: Path) -> StationSettings:
    """A clinic with a signed library and its file of physicians."""
    library, physicians = tmp_path / "clinic.yaml", tmp_path / "physicians.yaml"
    library.write_bytes(SHIPPED.read_bytes())
    sidecar_of(library).write_bytes(
        sidecar(sign(library.read_bytes(), key=KEY, signer="dr-a", licence="L-1", on=TODAY))
    )
    physicians.write_text(
        "format: needlework-physicians/1\nphysicians:\n  dr-a:\n    licence: L-1\n    valid_until: 2026-12-31\n"
        f"    public_key: {public_text(KEY.public_key().public_bytes_raw())}\n"
    )
    return StationSettings(state_dir=tmp_path, library=library, trusted_physicians=physicians)


def test_the_clinics_library_is_the_signed_one(settings: StationSettings) -> None:
    assert clinic_library(settings, TODAY).signed_by == "dr-a"


def test_without_one_it_is_the_example(tmp_path: Path) -> None:
    assert clinic_library(StationSettings(state_dir=tmp_path), TODAY).signed_by is None
    assert trusted_keys(None) is None


def test_the_station_knows_the_day(settings: StationSettings) -> None:
    with pytest.raises(DataError, match="held until 2026-12-31, not today"):
        clinic_library(settings, date(2027, 1, 1))


def test_without_the_file_of_physicians_no_signature_counts(settings: StationSettings) -> None:
    with pytest.raises(DataError, match="trusted_physicians"):
        clinic_library(settings.model_copy(update={"trusted_physicians": None}), TODAY)
    with pytest.raises(DataError, match="no such file"):
        clinic_library(settings.model_copy(update={"trusted_physicians": Path("/none")}), TODAY)


@pytest.mark.system
@pytest.mark.timeout(60)
def test_a_station_does_not_start_on_a_library_changed_after_signing(
    settings: StationSettings, short_path: Path
) -> None:
    assert settings.library is not None
    settings.library.write_bytes(settings.library.read_bytes() + b"\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {
        "NEEDLEWORK_STATE_DIR": str(short_path / "state"), "NEEDLEWORK_STOP_PORT": "0", "HOME": str(short_path),
        "NEEDLEWORK_LIBRARY": str(settings.library), "NEEDLEWORK_TRUSTED_PHYSICIANS": str(settings.trusted_physicians),
    }  # fmt: skip
    done = subprocess.run(
        [str(Path(sys.executable).with_name("needlework")), "run", "--no-live"],
        env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=50,
    )  # fmt: skip
    assert done.returncode == Exit.SETTINGS, done.stdout + done.stderr
    assert "it is not what dr-a signed: it was changed after signing" in " ".join((done.stdout + done.stderr).split())
