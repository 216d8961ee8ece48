"""Pure: the questions about contraindications. Answers stay at the site; what goes on is a count.

A question is *hard* (this person is not treated), *soft* (treated for a reason that is recorded) or *ask-prescriber*
(treated with a physician's approval). Nothing is defaulted: what was not answered stands in the way.
"""

from collections.abc import Mapping

from controller.datafile import nearest
from controller.errors import ControlRefused
from controller.events import Screening
from controller.library import Question

UNCHANGED = "Nothing changed."


def screen(
    questions: Mapping[str, Question],
    answers: Mapping[str, bool],
    accepted: Mapping[str, str],
    *,
    reasons: Mapping[str, str],
    approvals: frozenset[str],
) -> Screening:
    """What the answers come to. ``answers``: question → it applies; ``accepted``: question → a reason of the library,
    or for *ask-prescriber* the number of an approval that is valid for this patient.

    Raises ControlRefused for an unknown question, a contraindication that holds, one that was not accepted, and an
    acceptance that is no reason or no approval. Whoever catches it must not journal the sentence: it tells an answer.
    """
    for question in (*answers, *accepted):
        if question not in questions:
            raise ControlRefused(
                "unknown_question",
                f"The library asks no question {question!r}. {nearest(question, list(questions))} {UNCHANGED}",
            )
    applying = [question for question, applies in answers.items() if applies]
    for question in applying:
        if questions[question].severity == "hard":
            raise ControlRefused(
                "contraindicated",
                f"{asked(questions[question])} applies: this person is not treated. {UNCHANGED} If the answer is "
                "wrong, correct it; otherwise send the person to the physician.",
            )
    soft = prescribed = 0
    for question in applying:
        why = accepted.get(question, "")
        if questions[question].severity == "soft":
            if why not in reasons:
                raise ControlRefused(
                    "contraindication_soft",
                    f"{asked(questions[question])} applies: treating needs a reason of the library's list. "
                    f"{nearest(why, list(reasons))} {UNCHANGED}",
                )
            soft += 1
        else:
            if why not in approvals:
                raise ControlRefused(
                    "contraindication_prescriber",
                    f"{asked(questions[question])} applies: a physician decides. Get an approval that is valid for "
                    f"this patient (`needlework approve`), then give its number. {UNCHANGED}",
                )
            prescribed += 1
    return Screening(
        asked=len(questions),
        answered=sum(question in answers for question in questions),
        accepted_soft=soft,
        prescribed=prescribed,
    )


def prescribed_by(
    questions: Mapping[str, Question], answers: Mapping[str, bool], accepted: Mapping[str, str]
) -> tuple[str, ...]:
    """The approvals that answers which passed :func:`screen` go by. Which question each is for is told nowhere."""
    return tuple(
        sorted(
            {
                accepted[question]
                for question, applies in answers.items()
                if applies and questions[question].severity == "ask-prescriber"
            }
        )
    )


def asked(question: Question) -> str:
    """A question with its look-back, as a person reads it."""
    back = "" if question.look_back_days is None else f" (within {question.look_back_days} days)"
    return f"“{question.text}”{back}"
