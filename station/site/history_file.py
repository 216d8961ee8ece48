"""What stays at the site: visits, answers, consent references and approvals, by pseudonym, in an SQLite file.

Apart from the journal, because the journal goes to the recorder and this does not. Every call may be made again without
harm: a visit is kept by its session, an approval's use by approval and session.
"""

import json
from pathlib import Path
from typing import Any

from controller.history import Approval, ClosedSession, OpenedSession, PatientHistory, VisitSummary
from controller.ports import MemoryUnavailable
from station.site.private_database import PrivateDatabase

_APPLICATION_ID = 0x4E574849  # "NWHI"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS visits (session TEXT PRIMARY KEY, patient TEXT NOT NULL, on_day TEXT NOT NULL, "
    "operator TEXT NOT NULL, protocol TEXT NOT NULL, skin TEXT NOT NULL, resumes TEXT, answers TEXT, "
    "consent TEXT NOT NULL, outcome TEXT, zones TEXT, doses TEXT) STRICT;"
    "CREATE INDEX IF NOT EXISTS visits_of ON visits (patient, on_day);"
    "CREATE TABLE IF NOT EXISTS approvals (id TEXT PRIMARY KEY, patient TEXT NOT NULL, approval TEXT NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS approvals_of ON approvals (patient);"
    # One row for each session that went, or may have gone, beyond somebody's scope by an approval.
    "CREATE TABLE IF NOT EXISTS uses (approval TEXT NOT NULL, session TEXT NOT NULL, "
    "PRIMARY KEY (approval, session)) STRICT;"
)
_VISIT = "session, on_day, protocol, skin, outcome, zones, doses, resumes"


class HistoryFile:
    """The file, opened. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens ``path``, made where absent. Raises MemoryUnavailable, and leaves a damaged file as it is."""
        self._path = path
        self._database = PrivateDatabase(path, _APPLICATION_ID, _SCHEMA, self._trouble)

    def close(self) -> None:
        """Releases the file. Safe to call twice."""
        self._database.close()

    def patient(self, patient: str) -> PatientHistory:
        """Everything known of a patient, oldest first. A session that is open is no visit yet, its approvals count as
        used."""
        with self._database.reading():
            rows = self._database.execute(
                f"SELECT {_VISIT} FROM visits WHERE patient = ? AND outcome IS NOT NULL ORDER BY on_day, session",  # noqa: S608 our own columns
                (patient,),
            ).fetchall()
            answers = self._database.execute(
                "SELECT answers FROM visits WHERE patient = ? AND answers IS NOT NULL ORDER BY on_day DESC, "
                "session DESC LIMIT 1",
                (patient,),
            ).fetchone()
            resumed = {
                session
                for (session,) in self._database.execute(
                    "SELECT resumes FROM visits WHERE patient = ? AND resumes IS NOT NULL", (patient,)
                )
            }
            visits = tuple(self._visit(row) for row in rows)
            approvals = tuple(
                self._approval(text)
                for (text,) in self._database.execute(
                    "SELECT approval FROM approvals WHERE patient = ? ORDER BY id", (patient,)
                ).fetchall()
            )
        last = visits[-1] if visits else None
        broken = last is not None and last.outcome == "interrupted" and last.session not in resumed
        return PatientHistory(
            patient=patient,
            visits=visits,
            approvals=approvals,
            last_answers=None if answers is None else json.loads(answers[0]),
            interrupted=last if broken else None,
        )

    def opened(self, opened: OpenedSession) -> None:
        """Keeps a session's beginning; what is known of it already and not said now stays. Raises MemoryUnavailable."""
        answers = None if opened.answers is None else json.dumps(opened.answers)
        with self._database.change():
            self._database.execute(
                "INSERT INTO visits (session, patient, on_day, operator, protocol, skin, resumes, answers, consent) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session) DO UPDATE SET "
                "resumes = coalesce(excluded.resumes, resumes), answers = coalesce(excluded.answers, answers), "
                "consent = CASE excluded.consent WHEN '' THEN consent ELSE excluded.consent END",
                (
                    opened.session,
                    opened.patient,
                    opened.on.isoformat(),
                    opened.operator,
                    opened.protocol,
                    opened.skin,
                    opened.resumes,
                    answers,
                    opened.consent,
                ),
            )
            self._use(opened.approvals, opened.session)

    def closed(self, session: str, closed: ClosedSession) -> None:
        """Keeps a session's end; approvals it did not need are given back. Raises MemoryUnavailable."""
        body = closed.model_dump(mode="json")
        with self._database.change():
            done = self._database.execute(
                "UPDATE visits SET outcome = ?, zones = ?, doses = ? WHERE session = ?",
                (closed.outcome, json.dumps(body["zones"]), json.dumps(body["doses"]), session),
            )
            if not done.rowcount:
                raise MemoryUnavailable(
                    f"The session {session} closed, and its beginning is not in {self._path}. The record has both; "
                    "they are put together when the station starts again."
                )
            if closed.approvals_used is not None:
                self._database.execute("DELETE FROM uses WHERE session = ?", (session,))
                self._use(closed.approvals_used, session)

    def approve(self, approval: Approval) -> None:
        """Keeps an approval. ``used`` is counted here, whatever it says. Raises MemoryUnavailable."""
        with self._database.change():
            self._database.execute(
                "INSERT OR IGNORE INTO approvals (id, patient, approval) VALUES (?, ?, ?)",
                (approval.id, approval.patient, approval.model_dump_json()),
            )

    def complete(self) -> frozenset[str]:
        """The sessions of which beginning and end are known. Raises MemoryUnavailable."""
        with self._database.reading():
            rows = self._database.execute("SELECT session FROM visits WHERE outcome IS NOT NULL").fetchall()
        return frozenset(session for (session,) in rows)

    def last_day(self, patient: str) -> str | None:
        """The last day (ISO) a session of this patient was opened, whatever came of it. Raises MemoryUnavailable."""
        with self._database.reading():
            (day,) = self._database.execute("SELECT max(on_day) FROM visits WHERE patient = ?", (patient,)).fetchone()
        return None if day is None else str(day)

    def last_days(self) -> dict[str, str]:
        """The last day (ISO) of each patient. Raises MemoryUnavailable."""
        with self._database.reading():
            return dict(
                self._database.execute("SELECT patient, max(on_day) FROM visits WHERE patient <> '' GROUP BY patient")
            )

    def sessions_of(self, patient: str) -> tuple[str, ...]:
        """Every session of a patient. Raises MemoryUnavailable."""
        with self._database.reading():
            rows = self._database.execute("SELECT session FROM visits WHERE patient = ?", (patient,)).fetchall()
        return tuple(session for (session,) in rows)

    def forget(self, patient: str) -> None:
        """Destroys what is kept of a patient. That a session took place stays, without whose, as in the record.

        Raises MemoryUnavailable. May be repeated.
        """
        with self._database.change():
            self._database.execute(
                "DELETE FROM uses WHERE approval IN (SELECT id FROM approvals WHERE patient = ?)", (patient,)
            )
            self._database.execute("DELETE FROM approvals WHERE patient = ?", (patient,))
            self._database.execute(
                "UPDATE visits SET patient = '', answers = NULL, consent = '' WHERE patient = ?", (patient,)
            )

    def _use(self, approvals: tuple[str, ...], session: str) -> None:
        for approval in approvals:
            self._database.execute("INSERT OR IGNORE INTO uses (approval, session) VALUES (?, ?)", (approval, session))

    def _visit(self, row: tuple[Any, ...]) -> VisitSummary:
        session, on_day, protocol, skin, outcome, zones, doses, resumes = row
        uses = self._database.execute("SELECT approval FROM uses WHERE session = ? ORDER BY approval", (session,))
        return VisitSummary.model_validate_json(
            json.dumps(
                {
                    "session": session,
                    "on": on_day,
                    "protocol": protocol,
                    "skin": skin,
                    "outcome": outcome,
                    "zones": json.loads(zones),
                    "doses": json.loads(doses),
                    "resumes": resumes,
                    "approvals": [approval for (approval,) in uses],
                }
            )
        )

    def _approval(self, text: str) -> Approval:
        approval = Approval.model_validate_json(text)
        # A session that took another up goes on with the use of the one before it.
        (used,) = self._database.execute(
            "SELECT count(*) FROM uses LEFT JOIN visits ON visits.session = uses.session WHERE approval = ?1 AND "
            "(visits.resumes IS NULL OR visits.resumes NOT IN (SELECT session FROM uses WHERE approval = ?1))",
            (approval.id,),
        ).fetchone()
        return approval.model_copy(update={"used": used})

    def _trouble(self, error: Exception) -> MemoryUnavailable:
        return MemoryUnavailable(
            f"The patients' history {self._path} cannot be used: {error}. Earlier visits and approvals are not "
            "known without it, so no session is prepared; STOP works all the same. The file was left as it was: check "
            "the disk, or put a backup in its place while no station runs."
        )
