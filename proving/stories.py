"""Stories: what happens to a pen, a line, a host and an operator in a minute or so, as data made from a seed.

A story is a setting and a list of timed actions, nothing else. It is the same on every machine, can be saved, read,
played again exactly, and made shorter without being made anew.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

FORMAT = "needlework-story/1"

TO_PEN, TO_HOST = 0, 1

OPERATOR_ACTS = (
    "go_on", "prepare", "confirm", "arm", "start", "pause", "stop", "depth", "override", "rate", "zone", "acknowledge",
    "clear", "close", "seat", "button", "pedal", "cartridge_off", "cartridge_on", "hold", "exchange", "approve",
    "attest", "audio", "uncertain",
)  # fmt: skip
FAULTS = (
    "loss", "corruption", "duplication", "reordering", "delay", "hold_line", "cut", "garbage", "lose_stops", "reboot",
    "brown_out", "stall", "encoder_drift", "stuck_actuator", "dead_sensor", "wet", "hot", "clock_jump", "loop_stall",
    "second_host", "forged", "unplug", "journal", "deaf_to_stop",
)  # fmt: skip
"""Every kind of fault the campaign knows. What ends by itself has ``for_ms``."""

FORGERIES = ("lease", "tick", "stale", "depth_ceiling", "rate_ceiling", "step", "range")
CARTRIDGES = ("fresh", "same", "used", "expired", "short")
MODELS = ("NW-1", "NW-1", "NW-1", "NW-1", "NW-1", "NW-BLIND", "NW-DIAL")
OPERATORS = ("demo-aesthetician", "demo-master-aesthetician", "demo-physician")
SKINS = ("thin", "thick")
KEPT = ("quarantine", "firmware", "interval")
ABSURD_UM = (-1, 1, 49, 777, 2501, 5000, 65_535, 10**9)
ABSURD_MHZ = (-1, 1, 999, 19_999, 150_001, 10**9)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens at ``at_ms``. ``value`` and ``text`` say how, ``for_ms`` how long."""

    at_ms: int
    do: str
    value: int = 0
    text: str = ""
    for_ms: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """Who treats whom with which pen. The calibration is what the pen's memory says; the pen's true error lies within
    its uncertainty: ``error_um`` from what the calibration tells. ``kept`` is why the site or the clinic would not have
    the pen armed: one of ``KEPT``, empty for no reason."""

    model: str = "NW-1"
    operator: str = "demo-physician"
    skin: str = "thick"
    zone: str = "cheek"
    checked: bool = True
    noisy: bool = True
    pen_time_ms: int = 0
    offset_um: int = 0
    gain_ppm: int = 1_000_000
    uncertainty_um: int = 50
    error_um: int = 0
    calibration_due_days: int = 700
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """One story of a campaign: (seed, index) is where it came from."""

    seed: int
    index: int
    length_ms: int
    setting: Setting = field(default_factory=Setting)
    actions: tuple[Action, ...] = ()

    def to_json(self) -> str:
        """As a file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


class NotAStory(ValueError):
    """The file is no story; the message says why."""


def read_story(path: Path) -> Story:
    """The story in a file. Raises NotAStory."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise NotAStory(f"{path}: not in the format {FORMAT}")
        setting = Setting(**data.pop("setting"))
        actions = tuple(Action(**action) for action in data.pop("actions"))
        known = {*OPERATOR_ACTS, *FAULTS}
        strange = next((action.do for action in actions if action.do not in known), None)
        if strange is not None:
            raise NotAStory(f"{path}: nobody knows how to {strange!r}")
        return Story(setting=setting, actions=actions, **data)
    except OSError as error:
        raise NotAStory(f"{path}: {error.strerror}. Name a file that a campaign saved.") from error
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise NotAStory(
            f"{path}: this is no story of a campaign ({error}). Name a file that a campaign saved."
        ) from error


def story(seed: int, index: int) -> Story:
    """The story of this seed and index, always the same."""
    random = Random(f"{seed}/{index}")
    length_ms = random.randrange(20_000, 75_000)
    # By a chance of its own, so that the rest of a story stays what it was before this was thought of.
    kept = Random(f"{seed}/{index}/kept").choice((*[""] * 20, *KEPT))
    setting = replace(_setting(random), kept=kept)
    rough = max(0.0, random.uniform(-0.5, 1.0))  # a third are calm: an operator, a good pen, little else
    actions = [
        *_course(random, length_ms),
        *_whims(random, length_ms, rough),
        *_gambits(random, length_ms),
        *_faults(random, length_ms, rough),
    ]
    return Story(seed, index, length_ms, setting, tuple(sorted(actions, key=lambda action: action.at_ms)))


def _setting(random: Random) -> Setting:
    uncertainty_um = random.choice((20, 50, 50, 80))
    setting = Setting(
        model=random.choice(MODELS),
        operator=random.choice(OPERATORS),
        skin=random.choice(SKINS),
        zone=random.choice(ZONES),
        checked=random.random() < 0.93,
        noisy=random.random() < 0.5,
        pen_time_ms=random.choice((0, 0, 0, 2**32 - random.randrange(2000, 40_000))),
        uncertainty_um=uncertainty_um,
        calibration_due_days=random.choice((*[700] * 20, 1, 0, -3)),
    )
    if setting.model != "NW-DIAL" and random.random() < 0.5:
        setting = replace(
            setting,
            offset_um=random.choice((-80, -30, 30, 80)),
            gain_ppm=random.choice((950_000, 1_000_000, 1_050_000)),
            error_um=random.choice((-uncertainty_um, 0, uncertainty_um)),
        )
    return setting


ZONES = ("forehead", "glabella", "nose", "periorbital", "cheek", "upper-lip", "chin")


def _course(random: Random, length_ms: int) -> list[Action]:
    """What an operator does who wants to treat: begins, goes on after whatever happened, rests now and then."""
    at_ms = random.randrange(1, 2500)
    actions = []
    for _ in range(3):  # a session, a lease, a motor
        actions.append(Action(at_ms, "go_on", random.randrange(1, 2**31)))
        at_ms += random.randrange(300, 1500)
    while at_ms < length_ms:
        actions.append(Action(at_ms, "go_on", random.randrange(1, 2**31)))
        at_ms += random.randrange(500, 3500)
        if random.random() < 0.15:
            actions.append(Action(at_ms, random.choice(("pause", "pause", "pause", "stop", "button"))))
            at_ms += random.randrange(1000, 9000)
    return actions


def _whims(random: Random, length_ms: int, rough: float) -> list[Action]:
    """Anything at any time, valid or absurd."""
    actions = []
    at_ms = 0
    mean_ms = 12_000 - 10_000 * rough
    while (at_ms := at_ms + 1 + round(random.expovariate(1 / mean_ms))) < length_ms:
        actions.extend(_whim(random, at_ms))
    return actions


def _whim(random: Random, at_ms: int) -> list[Action]:  # noqa: PLR0912 - one case an act
    do = random.choice(OPERATOR_ACTS)
    value, text = 0, ""
    match do:
        case "depth":
            value = random.choice((random.randrange(0, 3000), random.randrange(1, 40) * 50, random.choice(ABSURD_UM)))
        case "override":
            value = random.randrange(1, 40) * 50
            text = random.choice(("scar-tissue", "tolerated-last-session", "because"))
        case "rate":
            value = random.choice((random.randrange(20, 151) * 1000, random.choice(ABSURD_MHZ)))
        case "zone":
            text = random.choice((*ZONES, *ZONES, "elbow"))
        case "hold":
            value, text = random.choice((0, 1, 2)), random.choice((*ZONES, "air"))
        case "seat":
            text = random.choice(("", *OPERATORS))
            return [Action(at_ms, do, 0, text), Action(at_ms + random.randrange(100, 3000), do, 1)]
        case "cartridge_off" | "cartridge_on":
            text = random.choice(CARTRIDGES)
            off = [Action(at_ms, "cartridge_off")] if do == "cartridge_off" or random.random() < 0.7 else []
            return [*off, Action(at_ms + random.randrange(0, 3000), "cartridge_on", random.randrange(1, 2**31), text)]
        case "confirm":
            text = random.choice(("all", "all", "nonsense"))
        case "approve":
            value, text = random.randrange(1, 60) * 50, random.choice((*ZONES, "elbow"))
        case "exchange":
            # Whoever exchanges means another cartridge, or says so and leaves the old one on.
            swap = [
                Action(at_ms + 900, "cartridge_off"),
                Action(at_ms + 1500, "cartridge_on", random.randrange(1, 2**31), random.choice(CARTRIDGES)),
            ]
            return [Action(at_ms, do), *(swap if random.random() < 0.7 else []), Action(at_ms + 2500, "arm")]
        case "button" | "pedal":
            # Two hands at once: a second press, or a tap on the screen, in the moment of the first.
            other = random.choice((do, "pause", "start", "stop", "zone"))
            text = random.choice(ZONES) if other == "zone" else ""
            twice = [Action(at_ms + random.randrange(0, 25), other, 0, text)] if random.random() < 0.6 else []
            return [Action(at_ms, do), *twice]
        case "stop":
            # Whoever stops may want to go on at once.
            return [Action(at_ms, do), Action(at_ms + random.randrange(1, 600), "arm")]
        case "close":
            return [Action(at_ms, do), Action(at_ms + random.randrange(1, 800), "go_on", random.randrange(1, 2**31))]
        case _:
            value = random.randrange(1, 2**31)
    return [Action(at_ms, do, value, text)]


def _gambits(random: Random, length_ms: int) -> list[Action]:
    """Coincidences that chance alone would take days to come to."""
    actions = []
    for _ in range(random.randrange(0, 7)):
        at_ms = random.randrange(3000, length_ms)
        soon_ms = at_ms + random.randrange(0, 25)
        gambits = (
            [Action(at_ms, "button"), Action(soon_ms, "pause")],
            [Action(at_ms, "pedal"), Action(soon_ms, "button")],
            [Action(at_ms, "arm"), Action(at_ms + random.randrange(0, 14), "stop")],
            [Action(at_ms, "cut", TO_HOST, "", random.randrange(300, 1500)), Action(soon_ms, "stop")],
            [Action(at_ms, "hold_line", TO_PEN, "", random.randrange(200, 900)), Action(soon_ms, "stop"),
             Action(soon_ms + random.randrange(50, 400), "arm")],
            [Action(at_ms, "override", random.randrange(5, 31) * 50, "scar-tissue"),
             Action(soon_ms, "zone", 0, random.choice(ZONES)),
             *[Action(soon_ms + 40 * tries, "depth", random.randrange(5, 31) * 50) for tries in range(1, 4)]],
            [Action(at_ms, "zone", 0, random.choice(ZONES)), Action(soon_ms, "zone", 0, random.choice(ZONES))],
            [Action(at_ms, "stuck_actuator", 0, "", random.randrange(2500, 6000)), Action(soon_ms, "pause")],
            [Action(at_ms, "stall", 0, "", 1500), Action(at_ms, "start"), Action(at_ms + 300, "start")],
            [Action(at_ms, "journal", 0, "the disk is full", 700), Action(soon_ms, "start")],
            [Action(at_ms, "cut", TO_HOST, "", random.randrange(350, 700)),
             *[Action(at_ms + 900 + 400 * tries, "arm") for tries in range(4)]],
            [Action(at_ms, "pause"),
             Action(at_ms + 100, "approve", random.randrange(10, 50) * 50, random.choice(ZONES)),
             Action(at_ms + 1200, "arm"), Action(at_ms + 1800, "depth", random.randrange(10, 50) * 50)],
            [Action(at_ms, "override", random.randrange(10, 24) * 50, "scar-tissue"),
             *[Action(at_ms + 40 * tries, "depth", random.randrange(10, 31) * 50) for tries in range(1, 5)]],
            [Action(at_ms, "forged", 0, "all")],
            [Action(at_ms, "second_host", 5, "setpoint"), Action(at_ms + 400, "second_host", 5, "arm")],
            [Action(at_ms, "corruption", random.randrange(2**30) * 2 + TO_PEN, "60%", random.randrange(300, 1500))],
            [Action(at_ms, "brown_out", 4, "", 800), Action(at_ms, "reboot", 50)],
            [Action(at_ms, "brown_out", 4, "", 800)],
        )  # fmt: skip
        actions.extend(random.choice(gambits))
    return actions


def _faults(random: Random, length_ms: int, rough: float) -> list[Action]:
    actions = []
    at_ms = 0
    mean_ms = 16_000 - 13_500 * rough
    while (at_ms := at_ms + 1 + round(random.expovariate(1 / mean_ms))) < length_ms:
        actions.append(_fault(random, at_ms))
    return actions


def _fault(random: Random, at_ms: int) -> Action:  # noqa: PLR0912 - one case a fault
    do = random.choice(FAULTS)
    for_ms = random.choice((random.randrange(20, 400), random.randrange(200, 2500)))
    value, text = random.randrange(1, 2**31), ""
    match do:
        case "loss" | "corruption" | "duplication" | "reordering":
            text = random.choice(("5%", "20%", "60%"))
        case "delay":
            value = random.randrange(1, 700) * 2 + random.choice((TO_PEN, TO_HOST))
        case "hold_line":
            value = random.choice((TO_PEN, TO_PEN, TO_HOST))
        case "cut":
            value = random.choice((TO_PEN, TO_HOST))
        case "garbage":
            for_ms = 0
        case "lose_stops" | "deaf_to_stop":
            value, for_ms = random.randrange(1, 5), 0
        case "reboot":
            value, for_ms = random.choice((50, 50, 300)), 0
        case "brown_out":
            value = random.choice((1, 2, 4))
        case "encoder_drift":
            value = random.choice((-400, -100, 100, 300, 900))
        case "clock_jump":
            value, for_ms = random.choice((-400, -2, 2, 400, 800)), 0
        case "second_host":
            text, for_ms = random.choice(("hello", "stop", "setpoint", "setpoint", "arm")), 0
        case "forged":
            text, for_ms = random.choice((*FORGERIES, *["all"] * 7)), 0
        case "stuck_actuator":
            for_ms += random.randrange(0, 4000)
        case "journal":
            text = "the disk is full"
        case _:
            pass
    return Action(at_ms, do, value, text, for_ms)
