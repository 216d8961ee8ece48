"""The README's first command, again and again on one record: the long version of what `.ci/run` does once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TREATMENTS = 20
NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))


@pytest.mark.soak
@pytest.mark.system
@pytest.mark.timeout(1800)
def test_treatment_after_treatment_the_record_grows_and_stays_intact(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "state")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"HOME": str(tmp_path), "NEEDLEWORK_STOP_PORT": "0"}

    def needlework(*arguments: str) -> str:
        done = subprocess.run(
            [NEEDLEWORK, *arguments, *state], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for treatment in range(1, TREATMENTS + 1):
        assert "verify: intact" in needlework("demo")
        assert len(json.loads(needlework("sessions", "list", "--json"))) == treatment
    assert "intact" in needlework("verify")
