"""What a person is asked before a session is prepared: protocol, contraindications, checklist, consent, cartridge.

Nothing is assumed: a question is answered by typing yes or no, and a returning patient's answers stand only once
somebody typed that nothing changed. ``ask`` gets a prompt and gives back the line that was typed; each call is one
action of a person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from rich.console import RenderableType
from rich.text import Text

from console.actions.asked import LAST, Asked, as_before, last_visit, plan_of, resumed_by
from console.exits import Code
from console.render.marks import DEMO_RECORD
from console.render.patient import course_line, last_answers_view, numbered, questions_heading, who_line
from console.trouble import ConsoleError, Told
from controller.cartridges import read_code
from controller.datafile import nearest
from controller.gs1 import CodeUnreadable
from controller.history import Approval, approval_sentence
from controller.library import LoadedLibrary, Question
from controller.plan import SessionPlan
from controller.screening import asked as question_words
from station.api.models import PatientTold

GROUPS = ("hard", "ask-prescriber", "soft")
"""The order in which questions are put: what rules a treatment out comes first."""
NOTHING_CHANGED = "nothing changed"
ZONES = "Zones, the one treated first before the others (numbers or names)"
CONSENT = "Consent reference, where the signed form is (Enter: none, arming is refused)"
_YES_NO = {"y": True, "yes": True, "n": False, "no": False}

Ask = Callable[[str], str]
Tell = Callable[[RenderableType], None]


class Interview:
    """One person who prepares one session."""

    def __init__(
        self,
        library: LoadedLibrary,
        asked: Asked,
        told: PatientTold,
        *,
        today: date,
        ask: Ask,
        tell: Tell,
        separators_sent: bool = False,
    ) -> None:
        self._library = library
        self._asked = asked
        self._told = told
        self._today = today
        self._ask = ask
        self._tell = tell
        self._separators_sent = separators_sent

    def plan(self) -> SessionPlan:
        """The session, everything asked that the command line does not say. Raises ConsoleError."""
        if not self._library.signed:
            self._tell(Text(DEMO_RECORD, style="bold yellow"))
        self._tell(who_line(self._told))
        asked = self._what_is_treated()
        reason = asked.interval_reason or self._early(asked)
        plan = plan_of(replace(asked, interval_reason=reason), self._told, self._library.questions)
        answers = self._answers(plan.answers)
        accepted = self._accepted(answers, plan.accepted)
        ruled_out = any(
            applies and self._library.questions[name].severity == "hard" for name, applies in answers.items()
        )
        rest: dict[str, object] = {}
        if not ruled_out:  # the station says that this person is not treated, and keeps that it was asked
            checklist = self._checklist(plan.checklist)
            rest = {
                "checklist": checklist,
                "consent": plan.consent or self._line(CONSENT),
                "cartridge_code": plan.cartridge_code or self._code(),
                "cartridge_new": plan.cartridge is not None and checklist.get("cartridge_new_and_sterile", False),
            }
        return plan.model_copy(update={"answers": answers, "accepted": accepted, **rest})

    # What is treated --------------------------------------------------------------------------------------------------

    def _what_is_treated(self) -> Asked:
        """Protocol, skin and zones: as said, as at the last visit where somebody says so, or asked for one by one.

        Raises ConsoleError for a name the library does not have, before any question is put.
        """
        asked, left = self._asked, self._told.interrupted
        self._check_names(asked)
        if left is not None and not asked.resume:
            when = f"The session {left.session} of {left.on.isoformat()} broke off"
            if self._yes(f"{when}. Take it up, its dose counting on?"):
                asked = replace(asked, resume=LAST)
        if asked.resume:
            resumed_by(asked, self._told)  # refused before anything else is asked
            return asked
        visit = last_visit(self._told)
        said = asked.protocol and asked.skin and (asked.zone or asked.zones)
        if visit is not None and not said:
            before = as_before(asked, visit)
            zones = ", ".join(zone.zone for zone in visit.zones) if not asked.zones else ", ".join(asked.zones)
            what = f"{before['protocol']}, {before['skin']} skin, {asked.zone or zones}"
            if asked.repeat or self._yes(f"As on {visit.on.isoformat()}: {what}?"):
                return replace(
                    asked,
                    protocol=str(before["protocol"]),
                    skin=str(before["skin"]),
                    zone=str(before["zone"]),
                    zones=asked.zones or tuple(zone.zone for zone in visit.zones),
                )
        return self._one_by_one(asked)

    def _one_by_one(self, asked: Asked) -> Asked:
        protocols = self._library.protocols
        protocol = asked.protocol or self._choose("Protocol", list(protocols))
        self._check_names(replace(asked, protocol=protocol))
        skin = asked.skin or self._choose("Skin", list(protocols[protocol].skins))
        zones = asked.zones or ((asked.zone,) if asked.zone else self._several(ZONES, list(protocols[protocol].zones)))
        return replace(asked, protocol=protocol, skin=skin, zone=asked.zone or zones[0], zones=zones)

    def _check_names(self, asked: Asked) -> None:
        """Raises ConsoleError for a protocol, skin or zone of the command line that the library does not have."""
        protocols = self._library.protocols
        said = [("protocol", asked.protocol, list(protocols))]
        if asked.protocol in protocols:
            protocol = protocols[asked.protocol]
            said.append(("skin", asked.skin, list(protocol.skins)))
            said += [("zone", zone, list(protocol.zones)) for zone in (asked.zone, *asked.zones)]
        for kind, name, known in said:
            if name and name not in known:
                what = f"There is no {kind} {name!r}. {nearest(name, known)}"
                raise ConsoleError(Told(f"unknown_{kind}", what, "No session was prepared."), Code.USAGE)

    def _early(self, asked: Asked) -> str:
        """Says where the course stands; a reason of the library where this session is too early, empty for none."""
        course = self._told.course.get(asked.protocol)
        if course is None or asked.resume:
            return ""
        line, early = course_line(course, self._today)
        self._tell(line)
        if not early:
            return ""
        self._tell(numbered(self._library.override_reasons))
        return self._picked("Reason for the earlier session (number or name; Enter: none, arming is refused)",
                            list(self._library.override_reasons))  # fmt: skip

    # Contraindications ------------------------------------------------------------------------------------------------

    def _answers(self, given: Mapping[str, bool]) -> dict[str, bool]:
        answers, questions = dict(given), self._library.questions
        last = self._told.last_answers
        if last is not None and not answers:
            answers = self._what_changed({name: last[name] for name in questions if name in last})
        return self._each({name: question for name, question in questions.items() if name not in answers}, answers)

    def _what_changed(self, last: dict[str, bool]) -> dict[str, bool]:
        """The last visit's answers, but for those somebody says have changed: these are open again."""
        visit = self._told.visits[-1] if self._told.visits else None
        questions, names = self._library.questions, list(last)
        self._tell(last_answers_view(last, questions, visit.on if visit is not None else None))
        while True:
            said = self._ask(
                f"What changed since then? `{NOTHING_CHANGED}`, the numbers or names of those that did, or `all`: "
            )
            words = said.strip().lower()
            if words in (NOTHING_CHANGED, "nothing"):
                return last
            if words == "all":
                return {}
            changed = [_pick(word, names) for word in words.replace(",", " ").split()]
            if changed and all(changed):
                return {name: applies for name, applies in last.items() if name not in changed}
            self._tell(numbered({name: question_words(questions[name]) for name in names}))

    def _each(self, open_ones: Mapping[str, Question], answers: dict[str, bool]) -> dict[str, bool]:
        """Puts every open question, hard ones first; a hard one that applies ends it."""
        for severity in GROUPS:
            group = {name: question for name, question in open_ones.items() if question.severity == severity}
            if group:
                self._tell(questions_heading(severity))
            for name, question in group.items():
                back = "" if question.look_back_days is None else f" (within {question.look_back_days} days)"
                answers[name] = self._yes(f"  {question.text}{back}")
                if answers[name] and severity == "hard":
                    return answers
        return answers

    def _accepted(self, answers: Mapping[str, bool], given: Mapping[str, str]) -> dict[str, str]:
        """Why what applies is treated all the same: a reason of the library, or a physician's approval."""
        accepted = dict(given)
        for name, applies in answers.items():
            question = self._library.questions.get(name)
            if question is None or not applies or name in accepted or question.severity == "hard":
                continue
            if question.severity == "soft":
                self._tell(Text(f"{question_words(question)} applies. Treating all the same needs a reason:"))
                self._tell(numbered(self._library.override_reasons))
                accepted[name] = self._picked(
                    "Reason (number or name; Enter: do not treat)", list(self._library.override_reasons)
                )
            else:
                accepted[name] = self._approval(question)
        return {name: why for name, why in accepted.items() if why}

    def _approval(self, question: Question) -> str:
        self._tell(Text(f"{question_words(question)} applies: a physician decides."))
        approvals: dict[str, str] = {item.id: _approval_words(item) for item in self._told.approvals}
        if approvals:
            self._tell(numbered(approvals))
        prompt = "Number of the physician's approval (Enter: none, not treated)"
        said = self._line(prompt)  # one given while these questions are put is in no list yet: the station knows it
        return _pick(said, list(approvals)) or said

    # The rest ---------------------------------------------------------------------------------------------------------

    def _checklist(self, confirmed: Mapping[str, bool]) -> dict[str, bool]:
        """Points of the checklist, those that somebody says are so."""
        open_ones = {name: words for name, words in self._library.checklist.items() if not confirmed.get(name)}
        if not open_ones:
            return dict(confirmed)
        self._tell(Text("\nLook, then confirm. What is not confirmed stays open and the pen is not armed."))
        self._tell(numbered(open_ones))
        so = self._several("Confirmed (`all`, or numbers)", list(open_ones), none=True)
        return {**confirmed, **dict.fromkeys(so, True)}

    def _code(self) -> str:
        """A code that can be read, or none: one that cannot is scanned again here, where no answer is lost."""
        if self._asked.cartridge is not None:
            return ""
        while True:
            code = self._line("Scan the cartridge's code (Enter: the pen reads the cartridge)")
            try:
                if code:
                    read_code(code, today=self._today, separators_sent=self._separators_sent)
            except CodeUnreadable as error:
                self._tell(Text(f"  {error}", style="yellow"))
                continue
            return code

    def _line(self, prompt: str) -> str:
        return self._ask(f"{prompt}: ").strip()

    def _yes(self, prompt: str) -> bool:
        """Yes or no, typed; anything else is asked again."""
        while True:
            answer = _YES_NO.get(self._ask(f"{prompt} [y/n] ").strip().lower())
            if answer is not None:
                return answer
            self._tell(Text("  y for yes, n for no.", style="yellow"))

    def _choose(self, what: str, known: Sequence[str]) -> str:
        """One of a list, by number or name; Enter takes nothing."""
        self._tell(numbered(dict.fromkeys(known, "")))
        while True:
            said = self._line(f"{what} (number or name)")
            found = _pick(said, known)
            if found:
                return found
            self._none_of_these(said)

    def _picked(self, prompt: str, known: Sequence[str]) -> str:
        """One of a list, by number or name; empty for Enter."""
        while True:
            said = self._line(prompt)
            found = _pick(said, known)
            if found or not said:
                return found
            self._none_of_these(said)

    def _none_of_these(self, said: str) -> None:
        if said:
            self._tell(Text(f"  {said!r} is none of these.", style="yellow"))

    def _several(self, what: str, known: Sequence[str], *, none: bool = False) -> tuple[str, ...]:
        """Some of a list, by numbers or names; with ``none`` Enter is none of them."""
        if not none:
            self._tell(numbered(dict.fromkeys(known, "")))
        while True:
            said = self._line(what).lower()
            if said == "all" and none:
                return tuple(known)
            found = [_pick(word, known) for word in said.replace(",", " ").split()]
            if all(found) and (found or none):
                return tuple(dict.fromkeys(found))
            self._none_of_these(said)


def _pick(said: str, known: Sequence[str]) -> str:
    """The item that a number from 1 or a name stands for; empty for anything else."""
    if said.isascii() and said.isdigit() and 1 <= int(said) <= len(known):
        return known[int(said) - 1]
    return said if said in known else ""


def _approval_words(approval: Approval) -> str:
    return f"{', '.join(approval.zones)}: {approval_sentence(approval)}"
