"""Findings about a pen's line, from a soak. Pure."""

from collections.abc import Iterable
from math import ceil, log

from controller.health.policy import LinePolicy
from controller.health.share import at_most, rank
from firmware_bridge.line_quality import DRIFT_PPM
from station.monitoring.findings import Finding, Level
from station.monitoring.soak import Soak

CONFIDENCE = 0.95
_PPM = 1_000_000
_CABLE = "Exchange the cable for a short, shielded one, plug it in without a hub, and soak again."


def check_line(soak: Soak, policy: LinePolicy) -> Iterable[Finding]:
    """What came damaged, how long answers and gaps took, and how the pen's clock runs."""
    if soak.ended:
        yield Finding(
            check="line",
            level=Level.PROBLEM,
            what=f"{soak.pen}: the line went after {soak.seconds:.0f} s: {soak.ended}",
            means="It would have stopped a treatment.",
            remedy=_CABLE,
        )
    yield _damage(soak, policy)
    yield from _answers(soak)
    yield _gaps(soak)
    if soak.clock_ppm is not None and soak.clock_doubt_ppm is not None:
        yield _clock(soak, soak.clock_ppm, soak.clock_doubt_ppm)


def _damage(soak: Soak, policy: LinePolicy) -> Finding:
    bad, of = soak.damaged + soak.lost, soak.frames + soak.damaged + soak.lost
    if of == 0:
        silent = f"{soak.pen}: no STATUS came in {soak.seconds:.0f} s."
        means = "A pen that says nothing cannot be armed."
        return Finding(check="line", level=Level.PROBLEM, what=silent, means=means, remedy=_CABLE)
    share_ppm = bad * _PPM / of
    most_ppm = at_most(bad, of, CONFIDENCE) * _PPM
    came = f"{soak.damaged} of {of} frames came damaged, {soak.lost or 'none'} got lost, in {soak.seconds:.0f} s"
    what = f"{soak.pen}: {came}: {share_ppm:.0f} in a million, at most {most_ppm:.0f} ({CONFIDENCE * 100:.0f} %)."
    if share_ppm > policy.damaged_most_ppm:
        means = "Frames that repeat make up for it; many in a row stop a treatment."
        return Finding(check="line", level=Level.WARNING, what=what, means=means, remedy=_CABLE)
    if most_ppm > policy.damaged_most_ppm:
        if bad:
            return Finding(check="line", level=Level.FINE, what=f"{what} Listen for longer to tell what it is.")
        needed_s = -log(1 - CONFIDENCE) / policy.damaged_most_ppm * _PPM * soak.seconds / of
        means = f"To tell {policy.damaged_most_ppm} in a million takes about {ceil(needed_s / 10) * 10} s."
        return Finding(check="line", level=Level.FINE, what=f"{what} {means}")
    return Finding(check="line", level=Level.FINE, what=what)


def _answers(soak: Soak) -> Iterable[Finding]:
    if soak.unanswered:
        yield Finding(
            check="line",
            level=Level.WARNING,
            what=f"{soak.pen}: {soak.unanswered} of {soak.asked} questions had no answer the first time.",
            means="What goes to the pen gets lost or damaged, setpoints too; it stops by itself when many do.",
            remedy=_CABLE,
        )
    if not soak.round_trips_ms:
        return
    middle, slow = rank(soak.round_trips_ms, 0.5), rank(soak.round_trips_ms, 0.99)
    worst = max(soak.round_trips_ms)
    what = f"{soak.pen} answers in {middle:.1f} ms, 99 of 100 times within {slow:.1f} (at worst {worst:.1f})."
    if 2 * slow > soak.dead_man_ms:
        yield Finding(
            check="latency",
            level=Level.WARNING,
            what=what,
            means=f"That is over half of the {soak.dead_man_ms} ms after which the pen stops by itself.",
            remedy="Look for a slow adapter, hub or network on the way, and for a busy computer.",
        )
    else:
        yield Finding(check="latency", level=Level.FINE, what=what)


def _gaps(soak: Soak) -> Finding:
    what = f"{soak.pen}: STATUS every {soak.status_period_ms} ms, the longest gap {soak.longest_gap_ms} ms."
    if 2 * soak.longest_gap_ms <= soak.dead_man_ms:
        return Finding(check="latency", level=Level.FINE, what=what)
    beyond = soak.longest_gap_ms > soak.dead_man_ms
    return Finding(
        check="latency",
        level=Level.PROBLEM if beyond else Level.WARNING,
        what=what,
        means=f"The pen stops by itself after {soak.dead_man_ms} ms of silence"
        f"{', so a treatment would have ended' if beyond else ''}.",
        remedy=f"{_CABLE} If it stays, look at the computer's load and `needlework doctor`'s other findings.",
    )


def _clock(soak: Soak, ppm: float, doubt_ppm: float) -> Finding:
    what = f"{soak.pen}: its clock runs {abs(ppm):.0f} ± {doubt_ppm:.0f} ppm {'fast' if ppm > 0 else 'slow'}."
    if abs(ppm) <= doubt_ppm:
        what = f"{soak.pen}: its clock runs as this computer's does, as far as can be told (± {doubt_ppm:.0f} ppm)."
    if abs(ppm) - doubt_ppm <= DRIFT_PPM:
        return Finding(check="pen's clock", level=Level.FINE, what=what)
    return Finding(
        check="pen's clock",
        level=Level.WARNING,
        what=what,
        means=f"Over {DRIFT_PPM} ppm, STATUS slowly comes to look late, and the line is opened anew.",
        remedy="Have the pen's oscillator looked at, or this computer's clock (`needlework doctor`).",
    )
