"""What changed between two libraries, in the words a physician would compare by. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from controller.library_content import Library, Question, TreatmentProtocol, ZoneLimits
from controller.units import UM_PER_MM, format_hz, format_mm

Direction = Literal["looser", "stricter", "other"]
_SEVERITIES = {"soft": 0, "ask-prescriber": 1, "hard": 2}
_MS_PER_S = 1000
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``place`` is where ("facial-rejuvenation"), ``zone`` and ``skin`` empty where it has none.

    ``looser``: the new library allows more than the old one did. ``deeper``: it allows, or recommends, more depth.
    """

    place: str
    zone: str
    skin: str
    what: str
    old: str
    new: str
    direction: Direction = "other"
    deeper: bool = False


def library_changes(old: Library, new: Library) -> tuple[Change, ...]:
    """Everything that differs in content, protocols first. Names of sources and texts count; the layout does not."""
    return tuple(
        change
        for part in (
            _protocols(old, new),
            _questions(old.questions, new.questions),
            _texts("checklist", old.checklist, new.checklist, gone="looser", come="stricter"),
            _texts("override reason", old.override_reasons, new.override_reasons, gone="stricter", come="looser"),
            _texts("source", old.sources, new.sources, gone="other", come="other"),
            _heads(old, new),
        )
        for change in part
    )


def _heads(old: Library, new: Library) -> Iterator[Change]:
    for what in ("name", "version", "issued", "valid_until"):
        before, after = getattr(old, what), getattr(new, what)
        if before != after:
            direction: Direction = "other"
            if what == "valid_until":
                direction = "looser" if after > before else "stricter"
            yield Change("library", "", "", what.replace("_", " "), str(before), str(after), direction)


def _both(old: Mapping[str, Item], new: Mapping[str, Item]) -> Iterator[tuple[str, Item | None, Item | None]]:
    """Every name of either, the new one's order first."""
    for name in [*new, *(name for name in old if name not in new)]:
        yield name, old.get(name), new.get(name)


def _texts(
    place: str, old: Mapping[str, str], new: Mapping[str, str], *, gone: Direction, come: Direction
) -> Iterator[Change]:
    for name, before, after in _both(old, new):
        if before != after:
            direction: Direction = gone if after is None else come if before is None else "other"
            yield Change(place, "", "", name, before or "–", after or "–", direction)


def _questions(old: Mapping[str, Question], new: Mapping[str, Question]) -> Iterator[Change]:
    for name, before, after in _both(old, new):
        if before is None or after is None:
            direction: Direction = "stricter" if before is None else "looser"
            yield Change("question", "", "", name, _asked(before), _asked(after), direction)
            continue
        was, now = _SEVERITIES[before.severity], _SEVERITIES[after.severity]
        if was != now:
            yield Change("question", "", "", name, before.severity, after.severity, _more_is("stricter", was, now))
        if before.look_back_days != after.look_back_days:
            yield Change(
                "question", "", "", f"{name}, look back", _days(before), _days(after),
                _more_is("stricter", before.look_back_days or 0, after.look_back_days or 0),
            )  # fmt: skip
        if (before.text, before.source) != (after.text, after.source):
            yield Change("question", "", "", f"{name}, wording or source", _said(before), _said(after))


def _said(question: Question) -> str:
    return f"{question.text} [{question.source}]"


def _asked(question: Question | None) -> str:
    return "–" if question is None else f"{question.severity}: {question.text}"


def _days(question: Question) -> str:
    return "now" if question.look_back_days is None else f"{question.look_back_days} days"


def _more_is(direction: Direction, old: int, new: int) -> Direction:
    """What a number that grew comes to, and the other way round for one that fell."""
    if new == old:
        return "other"
    if new > old:
        return direction
    return "looser" if direction == "stricter" else "stricter"


def _protocols(old: Library, new: Library) -> Iterator[Change]:
    for name, before, after in _both(old.protocols, new.protocols):
        if before is None or after is None:
            direction: Direction = "looser" if before is None else "stricter"
            kept = after or before
            zones = ", ".join(kept.zones) if kept else ""
            old_zones, new_zones = ("–", zones) if before is None else (zones, "–")
            yield Change(name, "", "", "protocol", old_zones, new_zones, direction, deeper=before is None)
            continue
        yield from _course(name, before, after)
        for zone, zone_before, zone_after in _both(before.zones, after.zones):
            yield from _zone(name, zone, zone_before, zone_after)


def _course(place: str, old: TreatmentProtocol, new: TreatmentProtocol) -> Iterator[Change]:
    before, after = old.course.sessions, new.course.sessions
    if before != after:
        yield Change(place, "", "", "course, sessions", str(before), str(after), _more_is("looser", before, after))
    before, after = old.course.interval_days, new.course.interval_days
    if before != after:
        yield Change(
            place, "", "", "course, days between", str(before), str(after), _more_is("stricter", before, after)
        )
    if old.course.source != new.course.source:
        yield Change(place, "", "", "course, source", old.course.source or "–", new.course.source or "–")
    if old.aftercare != new.aftercare:
        yield Change(place, "", "", "aftercare", "; ".join(old.aftercare), "; ".join(new.aftercare))


def _zone(place: str, zone: str, old: ZoneLimits | None, new: ZoneLimits | None) -> Iterator[Change]:
    for kind in ("soft", "hard"):
        was = getattr(old, f"{kind}_um") if old else {}
        now = getattr(new, f"{kind}_um") if new else {}
        for skin, before, after in _both(was, now):
            if before != after:
                deeper = (after or 0) > (before or 0)
                yield Change(
                    place,
                    zone,
                    skin,
                    f"{kind} depth",
                    _mm(before),
                    _mm(after),
                    "looser" if deeper else "stricter",
                    deeper,
                )
    if old is None or new is None:
        return
    for what, field, form in _NUMBERS:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            # No recommended rate means that the greatest one is recommended.
            was_value = old.rate_max_mhz if before is None else before
            now_value = new.rate_max_mhz if after is None else after
            yield Change(place, zone, "", what, form(before), form(after), _more_is("looser", was_value, now_value))
    for what in ("source", "rate_source", "dwell_source"):
        if getattr(old, what) != getattr(new, what):
            yield Change(place, zone, "", what.replace("_", " "), getattr(old, what) or "–", getattr(new, what) or "–")


def _mm(depth_um: int | None) -> str:
    if depth_um is None:
        return "–"
    return format_mm(depth_um) if depth_um % 10 == 0 else f"{depth_um / UM_PER_MM:.3f} mm"


def _hz(rate_mhz: int | None) -> str:
    return "none" if rate_mhz is None else format_hz(rate_mhz)


def _s(duration_ms: int) -> str:
    return f"{duration_ms / _MS_PER_S:g} s"


_NUMBERS: tuple[tuple[str, str, Callable[[int], str]], ...] = (
    ("rate", "rate_max_mhz", _hz),
    ("recommended rate", "rate_recommended_mhz", _hz),
    ("passes", "passes", str),
    ("dwell", "dwell_ms", _s),
    ("dwell, hard", "dwell_hard_ms", _s),
)
