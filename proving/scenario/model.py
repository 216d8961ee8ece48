"""What a scenario's file holds: a setting, and steps that are taken one after the other.

Each step is one of: something a person does at the screen (``do``), something a hand does at the pen (``hand``),
something that goes wrong (``fault``) or is mended (``mend``), something that has to be so (``expect``), or a while
(``wait_s``). Depths are mm in the file and µm in memory, rates Hz and mHz, times seconds and ms.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)

from controller.datafile import DataModel, FromHz, FromMm, FromS, Id, Misplaced, Words, misplaced, nearest
from controller.yaml_tree import shown
from proving.scenario.conditions import Alarm, Condition
from proving.scenario.names import FAULT_NAMES, hazard, known
from simulators.errors import SimulatorError
from simulators.faults.catalogue import fault_named
from simulators.parts import TISSUE_J_PER_M2
from simulators.personality import MODELS

FORMAT = "needlework-scenario/1"

STEPS_MAX = 400
"""Most steps of a story: one that is longer is two stories."""

Hazard = Annotated[StrictStr, AfterValidator(hazard)]
Model = Annotated[StrictStr, AfterValidator(known("pen", list(MODELS)))]
Skin = Annotated[StrictStr, AfterValidator(known("skin to hold a pen on", list(TISSUE_J_PER_M2)))]
Fault = Annotated[StrictStr, AfterValidator(known("fault", FAULT_NAMES))]

CartridgeKind = Literal["fresh", "same", "used", "expired", "short", "long"]


class Calibration(DataModel):
    """What the pen's memory says of its depth scale; ``error_um`` is by how much its true depth is off that."""

    due_days: StrictInt = 700
    offset_um: StrictInt = 0
    gain_ppm: StrictInt = 1_000_000
    uncertainty_um: Annotated[StrictInt, Field(ge=0, le=1000)] = 50
    error_um: StrictInt = 0


class Setting(DataModel):
    """Who treats whom with which pen. ``checklist`` all is confirmed in preparing, none stays open."""

    pen: Model = "NW-1"
    operator: Id = "demo-physician"
    protocol: Id = "facial-rejuvenation"
    skin: Id = "thick"
    zone: Id = "cheek"
    checklist: Literal["all", "none"] = "all"
    answers: dict[Id, StrictBool] = Field(default_factory=dict)
    calibration: Calibration = Calibration()
    cartridge: CartridgeKind | Literal["none"] = "fresh"
    cartridge_name: StrictStr | None = None
    battery_percent: Annotated[StrictInt, Field(ge=1, le=100)] = 100
    dial_um: FromMm | None = Field(default=None, alias="dial_mm")
    noisy: StrictBool = True
    pen_time_ms: Annotated[StrictInt, Field(ge=0, lt=2**32)] = 0


class Step(DataModel):
    """When a step is taken: once the one before it is done, ``after_s`` later, not before ``at_s`` of the story, and
    not before ``when`` holds, for which it waits ``within_s``. ``note`` says why to whoever reads it."""

    after_ms: FromS = Field(default=0, alias="after_s")  # type: ignore[assignment]  # a number in the file's unit
    at_ms: FromS | None = Field(default=None, alias="at_s")
    when: Condition | None = None
    within_ms: FromS = Field(default=10_000, alias="within_s")  # type: ignore[assignment]  # as above
    note: Words | None = None


class Act(Step):
    """Something a person asks for. ``refused`` is the code of the reason for which it has to be refused, *any* where
    each will do, ``said`` words that its sentence has to hold; without, it has to be followed."""

    refused: Id | None = None
    said: Words | None = None


class Ask(Act):
    """What is asked without saying more."""

    do: Literal["prepare", "arm", "start", "pause", "clear", "leave-seat", "exchange-cartridge", "attest"]


class Confirm(Act):
    """Points of the checklist, all that are open where none is named."""

    do: Literal["confirm"]
    points: tuple[Id, ...] = ()


class StopAsked(Act):
    """STOP, from ``source``."""

    do: Literal["stop"]
    source: Id = "page"


class Set(Act):
    """Depth, rate or both; a reason to go beyond a soft limit belongs to the depth."""

    do: Literal["set"]
    depth_um: FromMm | None = Field(default=None, alias="depth_mm")
    rate_mhz: FromHz | None = Field(default=None, alias="rate_hz")
    reason: Id | None = None


class Zone(Act):
    """Another zone is declared; the hand goes there with the pen once that was granted."""

    do: Literal["zone"]
    zone: Id


class Acknowledge(Act):
    """An alarm, or all of them."""

    do: Literal["acknowledge"]
    alarm: Alarm | Literal["all"] = "all"


class Close(Act):
    """The session ends."""

    do: Literal["close"]
    outcome: Literal["completed", "stopped"] = "completed"
    reason: Literal["finished", "ended early", "patient unwell", "equipment"] = "finished"


class TakeSeat(Act):
    """Somebody takes the operating seat; the session's operator where nobody is named."""

    do: Literal["take-seat"]
    operator: Id | None = None


class Approve(Act):
    """A physician approves more depth in a zone, at the chair."""

    do: Literal["approve"]
    zone: Id
    depth_um: FromMm = Field(alias="depth_mm")
    by: Id = "demo-physician"


class Silence(Act):
    """Alarms are shown and not heard for a while."""

    do: Literal["silence"]
    for_ms: FromS = Field(alias="for_s")


class Hand(Step):
    """Something a hand does at the pen; ``follow`` presses it on whenever its motor runs."""

    hand: Literal["press-button", "press-pedal", "take-cartridge-off", "lift", "touch", "follow"]


class PutOn(Step):
    """A cartridge is put on; *same* is the one that was taken off."""

    hand: Literal["put-cartridge-on"]
    cartridge: CartridgeKind = "fresh"


class Move(Step):
    """The hand goes to another place with the pen, whatever is declared."""

    hand: Literal["move"]
    zone: Skin


def _number_or_word(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{shown(value)} is neither a whole number nor a word")  # noqa: TRY004 - pydantic reports it
    return value


class FaultStep(Step):
    """Something goes wrong, ``in_s`` from now and for so long; without ``for_s`` until it is mended. ``with`` are the
    fault's parameters. The story goes on meanwhile."""

    fault: Fault
    parameters: dict[StrictStr, Annotated[int | str, BeforeValidator(_number_or_word)]] = Field(
        default_factory=dict, alias="with"
    )
    in_ms: FromS = Field(default=0, alias="in_s")  # type: ignore[assignment]  # as above
    for_ms: FromS | None = Field(default=None, alias="for_s")

    @model_validator(mode="after")
    def _parameters_fit(self) -> Self:
        wrong = []
        for name, value in self.parameters.items():
            try:
                fault_named(self.fault).checked({name: value})
            except SimulatorError as error:
                wrong.append(Misplaced(str(error).removesuffix(" Nothing was injected."), "with", name))
        if wrong:
            raise misplaced(wrong)
        return self


class Mend(Step):
    """What went wrong is over: one fault, or all."""

    mend: Fault | Literal["all"]


class Expect(Step):
    """What has to be so: now, or come to be so ``within_s``; and to stay so for ``stays_s``."""

    expect: Condition
    within_ms: FromS = Field(default=0, alias="within_s")  # type: ignore[assignment]  # as above
    stays_ms: FromS = Field(default=0, alias="stays_s")  # type: ignore[assignment]  # as above


class Wait(Step):
    """Time passes."""

    wait_ms: FromS = Field(alias="wait_s")


DO: dict[str, type[Step]] = {
    **dict.fromkeys(
        ("prepare", "arm", "start", "pause", "clear", "leave-seat", "exchange-cartridge", "attest"), Ask
    ),
    "confirm": Confirm, "stop": StopAsked, "set": Set, "zone": Zone, "acknowledge": Acknowledge, "close": Close,
    "take-seat": TakeSeat, "approve": Approve, "silence": Silence,
}  # fmt: skip
HAND: dict[str, type[Step]] = {
    **dict.fromkeys(("press-button", "press-pedal", "take-cartridge-off", "lift", "touch", "follow"), Hand),
    "put-cartridge-on": PutOn, "move": Move,
}  # fmt: skip
_OTHERS: dict[str, type[Step]] = {"fault": FaultStep, "mend": Mend, "expect": Expect, "wait_s": Wait}
_VERBS = ("do", "hand", *_OTHERS)
_WORDS = {"do": ("action", list(DO)), "hand": ("movement of a hand", list(HAND))}


def _one_verb(content: Any) -> Any:
    """Refuses a step that says not what it is; what it says is for its model to look at."""
    if isinstance(content, Step):
        return content
    if not isinstance(content, dict):
        raise Misplaced(f"{shown(content)} is no step; one has keys with values, and says one of: {', '.join(_VERBS)}")
    verbs = [verb for verb in _VERBS if verb in content]
    if len(verbs) > 1:
        raise Misplaced(f"one step is one thing: {' and '.join(verbs)} are two; write them as two steps", verbs[1])
    if not verbs:
        strange = next((key for key in content if nearest(key, list(_VERBS)).startswith("Did")), None)
        near = nearest(strange, list(_VERBS)) if strange is not None else ""
        what = (
            f"`{strange}` is no key here. {near}" if strange is not None else f"a step is one of: {', '.join(_VERBS)}"
        )
        raise Misplaced(what, *([strange] if strange is not None else []))
    verb = verbs[0]
    if verb in _WORDS:
        what, names = _WORDS[verb]
        if content[verb] not in names:
            raise Misplaced(
                f"there is no {what} `{str(content[verb])[:40]}`. {nearest(str(content[verb]), names)}", verb
            )
    return content


def _kind(content: Any) -> str | None:
    """Which model a step is read by, as the label that pydantic knows it by."""
    if isinstance(content, Step):
        return f"[{type(content).__name__}]"
    if not isinstance(content, dict):
        return None
    verb = next((verb for verb in _VERBS if verb in content), None)
    by_word = {"do": DO, "hand": HAND}.get(verb or "")
    found = by_word.get(str(content[verb])) if by_word is not None else _OTHERS.get(verb or "")
    return f"[{found.__name__}]" if found is not None else None


AnyAct = Ask | Confirm | StopAsked | Set | Zone | Acknowledge | Close | TakeSeat | Approve | Silence
"""Any request of a person."""

AnyStep = Annotated[
    Annotated[Ask, Tag("[Ask]")]
    | Annotated[Confirm, Tag("[Confirm]")]
    | Annotated[StopAsked, Tag("[StopAsked]")]
    | Annotated[Set, Tag("[Set]")]
    | Annotated[Zone, Tag("[Zone]")]
    | Annotated[Acknowledge, Tag("[Acknowledge]")]
    | Annotated[Close, Tag("[Close]")]
    | Annotated[TakeSeat, Tag("[TakeSeat]")]
    | Annotated[Approve, Tag("[Approve]")]
    | Annotated[Silence, Tag("[Silence]")]
    | Annotated[Hand, Tag("[Hand]")]
    | Annotated[PutOn, Tag("[PutOn]")]
    | Annotated[Move, Tag("[Move]")]
    | Annotated[FaultStep, Tag("[FaultStep]")]
    | Annotated[Mend, Tag("[Mend]")]
    | Annotated[Expect, Tag("[Expect]")]
    | Annotated[Wait, Tag("[Wait]")],
    Discriminator(_kind),
    BeforeValidator(_one_verb),
]
"""Any step."""


class Replay(DataModel):
    """A recorded session instead of steps: the file of its inputs beside this one, and what they have to come to.

    ``decisions`` counts the events that the machine made of them, ``sends_sha256`` is the digest of all it would send.
    """

    session: Words
    inputs: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
    inputs_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    decisions: Annotated[StrictInt, Field(ge=1)]
    sends: Annotated[StrictInt, Field(ge=0)]
    sends_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Scenario(DataModel):
    """A whole scenario. ``watched``: the safety invariants are looked at in every step of it, besides what it expects;
    off only for a pen that is made to break them. ``hazards`` are those of the safety case that it serves."""

    format: Literal["needlework-scenario/1"]
    name: Id
    title: Words
    hazards: tuple[Hazard, ...]
    seed: StrictInt = 1
    watched: StrictBool = True
    setting: Setting = Setting()
    steps: Annotated[tuple[AnyStep, ...], Field(max_length=STEPS_MAX)] = ()
    replay: Replay | None = None
