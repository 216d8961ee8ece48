"""Reports as PDF: what people take away from a session, and from a patient's course.

Everything printed comes from entries of the record, which carry snapshots of what they depend on; names are added by
the site alone. Typesetting needs the extra ``report``; reading entries and preparing what is printed does not.
"""

from logger.report.course import course_data, course_report
from logger.report.session import (
    Heading,
    SessionRead,
    checkpoint_over,
    read_session,
    session_data,
    session_report,
    site_said,
)
from logger.report.typeset import STANDARDS, Paper, typesetter

__all__ = [
    "STANDARDS",
    "Heading",
    "Paper",
    "SessionRead",
    "checkpoint_over",
    "course_data",
    "course_report",
    "read_session",
    "session_data",
    "session_report",
    "site_said",
    "typesetter",
]
