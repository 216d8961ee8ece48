"""`make test-usb` where what it needs is not there: said and skipped, or said and failed in CI. Never a silent pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


@pytest.mark.system
@pytest.mark.parametrize(
    ("marked", "code", "said"), [({}, 77, "Skipped"), ({"CI": "yes"}, 1, "In CI that is a failure")]
)
def test_without_qemu_it_says_so(tmp_path: Path, marked: dict[str, str], code: int, said: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    ended = subprocess.run(
        [sys.executable, str(RUN)],
        env={**environment, "PATH": str(tmp_path), **marked}, capture_output=True, text=True, timeout=15, check=False,
    )  # fmt: skip
    assert ended.returncode == code
    assert "qemu-system-x86_64 is not here" in ended.stderr
    assert "apt-get install qemu-system-x86" in ended.stderr
    assert said in ended.stderr
