"""What goes in and out of the local API. Strict and closed: a misspelt key is refused, never ignored."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from controller.view import PenView


class Asked(BaseModel):
    """Base of what comes in."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Told(BaseModel):
    """Base of what goes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Asked):
    """A call that needs no more than its path."""


class TakeSeat(Asked):
    """Asks for the operating seat of a pen; an empty name is the station's only pen."""

    operator: str = Field(min_length=1, max_length=64)
    pen: str = ""


class SetDepth(Asked):
    """A needle depth in mm. ``override`` names a reason from the library to go beyond a soft limit."""

    depth_mm: str | int | float
    override: str = Field(default="", max_length=200)


class SetRate(Asked):
    """A puncture rate in Hz."""

    rate_hz: str | int | float


class ConfirmPoints(Asked):
    """Points of the checklist that a person confirms after the session was prepared."""

    items: tuple[str, ...] = Field(min_length=1, max_length=64)


class ExchangeCartridge(Asked):
    """Another cartridge in this session. ``code`` is what the scanner gave, empty where nothing was scanned."""

    code: str = Field(default="", max_length=8192)


class DeclareZone(Asked):
    """The zone treated from now on."""

    zone: str = Field(min_length=1, max_length=64)


class AcknowledgeAlarm(Asked):
    """An alarm that a person has taken notice of."""

    alarm: str = Field(min_length=1, max_length=64)


class CloseSession(Asked):
    """Ends the session. ``reason`` is one of the clinic's own words; no names, it goes into the record."""

    outcome: Literal["completed", "stopped"] = "completed"
    reason: str = Field(default="finished", min_length=1, max_length=200)


class SeatGranted(Told):
    """The operating seat. The token goes into the header ``Needlework-Seat`` of every call that steers.

    Presence is shown by any such call, or by a heartbeat, more often than every ``presence_s`` seconds.
    """

    token: str
    pen: str
    operator: str
    presence_s: float


class Notice(Told):
    """Something worth a look that is no alarm. ``number`` counts up; ``utc`` is ISO 8601."""

    number: int
    utc: str
    pen: str
    sentence: str


class PenStatus(Told):
    """A pen at this station. ``seat`` is who operates it, None when nobody does.

    ``said`` is what there is to say of the call answered: that a number was rounded, and which way.
    """

    name: str
    url: str
    seat: str | None
    view: PenView
    said: str = ""


class RecordStatus(Told):
    """The record: entries on this machine's disk, and how many of them the recorder has confirmed."""

    committed: int
    acknowledged: int
    problem: str


class BusStatus(Told):
    """The way to the broker; ``url`` carries no password."""

    url: str
    connected: bool
    problem: str


class StationStatus(Told):
    """Everything about a station at one moment. ``caveats`` are what the system did not grant (priority, sleep)."""

    site: str
    station: str
    software: str
    pid: int
    started_utc: str
    mode: Literal["demo", "clinic"]
    stop_port: int
    pens: tuple[PenStatus, ...]
    record: RecordStatus
    bus: BusStatus
    caveats: tuple[str, ...]
    notices: tuple[Notice, ...]


class StopAnswer(Told):
    """What STOP did: the pens it was sent to, and a sentence."""

    stopped: tuple[str, ...]
    what: str


class TroubleBody(Told):
    """The body of every answer that is no success. ``because`` names the limit layer or condition that decided."""

    code: str
    what: str
    means: str
    do: str
    because: str
