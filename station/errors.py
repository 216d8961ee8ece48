"""What can go wrong in the station, apart from what the pen and the controller say.

    StationError
    ├── SettingsError           the settings cannot be used
    ├── StationTaken            another station, or another program, holds what this one needs
    ├── UnknownPen              no pen of this name here
    ├── SeatError               who may steer
    │   ├── SeatTaken           somebody else operates this pen
    │   └── SeatMissing         no token, or one that is no longer good
    ├── AccountError            who may sign in
    │   ├── SignInRefused       not signed in: wrong, locked out, disabled, or a sign-in that has ended
    │   ├── NotAllowed          signed in, and not entitled to this
    │   ├── AccountRefused      an account cannot be made or changed as asked
    │   └── AccountsUnusable    the accounts file cannot be read or written
    ├── KeyMapError             who is behind a pseudonym
    │   ├── KeyMapRefused       a patient cannot be entered, found or erased as asked
    │   └── KeyMapUnusable      the key map, or the site's key, cannot be read or written
    ├── BenchRefused            the technician's bench cannot be opened
    ├── ProcessError            a supervised process did not come up
    ├── StationFailure          the station cannot start, or cannot go on
    │   └── StationKeyRefused   the key that signs the journal cannot be used (`station.record.station_key`)
    └── ClientError             what the client of the API raises
        ├── StationUnreachable  nobody answers at the station's address
        └── StationRefused      the station answered, and said no

Each carries the three sentences of :class:`Trouble`: what happened, what it means, what to do.
"""

from dataclasses import dataclass

from station.process.exits import Exit


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble in words for a person.

    ``code`` is a stable name for programs; ``because`` names the limit layer or condition that decided, empty where
    there is none.
    """

    code: str
    what: str
    means: str
    do: str
    because: str = ""

    def __str__(self) -> str:
        return " ".join(sentence for sentence in (self.what, self.means, self.do) if sentence)


class StationError(Exception):
    """Root of the station's own errors; ``trouble`` holds the sentences, ``str()`` is all of them."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


class SettingsError(StationError):
    """The settings cannot be used."""


class StationTaken(StationError):
    """Another station, or another program, holds what this one needs."""


class UnknownPen(StationError):
    """No pen of this name is driven here."""


class SeatError(StationError):
    """About who may steer."""


class SeatTaken(SeatError):
    """Somebody else operates this pen."""


class SeatMissing(SeatError):
    """No token, or one that is no longer good."""


class AccountError(StationError):
    """About accounts."""


class SignInRefused(AccountError):
    """Nobody was signed in, or whoever was is no longer."""


class NotAllowed(AccountError):
    """Whoever asks is known, and not entitled to this."""


class AccountRefused(AccountError):
    """An account cannot be made or changed as asked."""


class AccountsUnusable(AccountError):
    """The accounts file cannot be read or written."""


class KeyMapError(StationError):
    """About who is behind a pseudonym."""


class KeyMapRefused(KeyMapError):
    """A patient cannot be entered, found or erased as asked."""


class KeyMapUnusable(KeyMapError):
    """The key map, or the site's key, cannot be read or written."""


class BenchRefused(StationError):
    """The technician's bench cannot be opened."""


class PenUnknown(StationError):
    """No pen on record is meant by a name."""


class PenPaperRefused(StationError):
    """What was asked of a pen's record cannot be done as it stands."""


class ProcessError(StationError):
    """A supervised process did not come up, or keeps ending. ``exit_code`` is what the whole should end with."""

    def __init__(self, trouble: Trouble, exit_code: int = Exit.PART_FAILED) -> None:
        super().__init__(trouble)
        self.exit_code = exit_code


class StationFailure(StationError):
    """The station cannot start, or cannot go on. ``exit_code`` is what its process ends with."""

    def __init__(self, trouble: Trouble, exit_code: Exit) -> None:
        super().__init__(trouble)
        self.exit_code = exit_code


class ClientError(StationError):
    """What the client of the API raises."""


class StationUnreachable(ClientError):
    """Nobody answers at the station's address."""


class StationRefused(ClientError):
    """The station answered, and said no. ``status`` is the HTTP status."""

    def __init__(self, trouble: Trouble, status: int) -> None:
        super().__init__(trouble)
        self.status = status
