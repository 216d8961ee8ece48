"""Every planted defect is caught: by the campaign, or, where a campaign cannot see it, by the test named for it."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from random import Random

import pytest

from controller.inputs import Prepare
from proving.defects import catch, defects
from proving.oracle import Calibrated, Oracle
from proving.plans import pen_of, plan_of
from proving.planting import Defect, planted
from proving.rig import Rig
from proving.stories import Setting

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).resolve().parents[2]
SEED = 11
ALL = defects()

UNDER_DEFECT = """
import sys, pytest
from proving.defects import defects
defect = next(defect for defect in defects() if defect.name == sys.argv[1])
with defect.plant():
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:randomly", defect.test]))
"""


def test_there_are_enough_and_no_two_alike() -> None:
    assert len({defect.name for defect in ALL}) == len(ALL) >= 25
    assert {defect.where for defect in ALL} == {"firmware", "core", "codec"}
    assert all(defect.why for defect in ALL if defect.test)


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.parametrize("defect", [one for one in ALL if not one.test], ids=lambda defect: defect.name)
def test_the_campaign_catches(defect: Defect) -> None:
    assert catch(defect, SEED) is not None


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.parametrize("defect", [one for one in ALL if one.test], ids=lambda defect: defect.name)
def test_the_named_test_catches(defect: Defect) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", UNDER_DEFECT, defect.name], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr


def test_a_planted_defect_is_gone_afterwards() -> None:
    class Part:
        value = 1

    with planted((Part, "value", lambda original: original + 1)):
        assert Part.value == 2
    assert Part.value == 1


@pytest.mark.parametrize(("skin", "operator"), [("thin", "demo-aesthetician"), ("thick", "demo-physician")])
def test_a_lease_is_asked_for_with_no_more_than_the_plan_needs(skin: str, operator: str) -> None:
    setting = Setting(skin=skin, operator=operator, noisy=False)
    plan = plan_of(setting.model, operator, skin, setting.zone, checked=True)
    rig = Rig(pen_of(setting, Random(1)), random=Random(1), today=date(2026, 1, 1))
    rig.connect()
    rig.command(Prepare(session="s", plan=plan))
    rig.arm()
    oracle = Oracle(plan, rig.pen.model, Calibrated(1_000_000, 0, 50, 0))
    deepest = max(
        oracle.depth_um(zone, overridden_um=limits.hard_um, approved_um=0, rate_mhz=0, needle_um=1500)
        for zone, limits in plan.zones.items()
    )
    fastest = max(oracle.rate_mhz(zone, depth_um=0) for zone in plan.zones)
    assert (rig.state.depth_ceiling_um, rig.state.rate_ceiling_mhz) == (deepest, fastest)
