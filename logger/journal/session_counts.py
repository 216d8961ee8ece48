"""How many entries each open session has: its closing entry says it, so that none can be left out unseen."""

from collections.abc import Mapping

from controller.events import SessionClosed


class SessionCounts:
    """The open sessions, with the number of their entries from their opening on. Asked of every entry, in order."""

    def __init__(self, still_open: Mapping[str, int]) -> None:
        """``still_open`` are those that the journal's file has, as a crash leaves them."""
        self._entries = dict(still_open)

    def take(self, session: str | None, type_: str, body: bytes) -> bytes:
        """The next entry's body: as it is, and of a session's closing entry with the number."""
        if session is None:
            return body
        if type_ == "session_opened":
            self._entries.setdefault(session, 0)
        if session not in self._entries:
            return body
        self._entries[session] += 1
        if type_ != "session_closed":
            return body
        count = self._entries.pop(session)
        closed = SessionClosed.model_validate_json(body)
        return closed.model_copy(update={"entries": count}).model_dump_json().encode()
