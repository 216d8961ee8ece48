"""What can go wrong with the record.

    RecordError
    ├── JournalError                the journal on this machine's disk
    │   ├── JournalBusy             another process writes this journal
    │   ├── JournalUnusable         it cannot be opened: absent, forbidden, no journal, another station's
    │   │   └── JournalRuined       it is there and may be read, and what is in it is no journal any more
    │   ├── JournalUnwritable       it cannot be written now; what was emitted waits in memory
    │   ├── JournalFull             it could not be written for so long that entries had to be dropped
    │   ├── JournalDamaged          its end is not what was written last
    │   └── JournalClosed           it was closed
    ├── TopicError                  a site or station name that cannot stand in a topic, or a topic that is not ours
    ├── MessageError                a payload from the bus that is no message of ours
    ├── BusError                    the way to the broker
    │   ├── BrokerUrlError          not a broker's URL
    │   ├── BrokerUnreachable       nothing answers there
    │   ├── BrokerUntrusted         its certificate is not good, or cannot be checked
    │   ├── BrokerRefused           it answers and does not let us in
    │   └── BusLost                 the connection was there and went, or a deadline passed on it
    ├── EmbeddedBrokerError         the broker inside this process did not start
    ├── BrokerFolderError           a real broker's files cannot be written as asked
    ├── BundleError                 an exported file that cannot be made, or is none
    ├── CodeError                   no anchor and no verification code
    ├── RecordNotFound              no such session in the record
    ├── RecordDamaged               what a report or an export would be made of is not what was journalled
    ├── ReportError                 a report could not be made
    │   └── ReportExtraMissing      what it is typeset with is not installed
    ├── CertificateRefused          a certificate that is none, was changed, or cannot be issued
    │   └── CertificateNotFound     no certificate of that number here
    ├── ExportError                 a file that people take away could not be made
    └── StoreError                  the store behind the recorder
        ├── StoreUnusable           it cannot be opened, or holds something else
        └── StoreUnwritable         it cannot be written now

Every message names what happened, what it means for the record, and what to do next.
"""


class RecordError(Exception):
    """Root of everything that can go wrong with the record."""


class JournalError(RecordError):
    """The journal on this machine's disk."""


class JournalBusy(JournalError):
    """Another process writes this journal. ``owner_pid`` is its process id where it could be read."""

    def __init__(self, message: str, *, owner_pid: int | None) -> None:
        super().__init__(message)
        self.owner_pid = owner_pid


class JournalUnusable(JournalError):
    """The journal cannot be opened: absent, forbidden, not a journal, or another station's."""


class JournalRuined(JournalUnusable):
    """The file is there and may be read, and what is in it is no journal any more: emptied, cut or overwritten."""


class JournalUnwritable(JournalError):
    """The journal cannot be written now. What was emitted waits in memory, in order, and is tried again."""


class JournalFull(JournalError):
    """Entries had to be dropped because the journal could not be written for too long."""


class JournalDamaged(JournalError):
    """The journal's end is not what was written last; nothing is appended to it."""


class JournalClosed(JournalError):
    """The journal was closed."""


class BundleError(RecordError):
    """A file with a record cannot be made, or is none that this product made."""


class CodeError(RecordError):
    """What was typed is no anchor and no verification code."""


class TopicError(RecordError):
    """A name that cannot stand in a topic, or a topic outside the table."""


class MessageError(RecordError):
    """A payload from the bus that is no message of ours."""


class BusError(RecordError):
    """The way to the broker failed."""


class BrokerUrlError(BusError):
    """Not a broker's URL."""


class BrokerUnreachable(BusError):
    """Nothing answers at the broker's address within the deadline."""


class BrokerUntrusted(BusError):
    """The broker's certificate is not vouched for, or is another's; nothing was said to it."""


class BrokerRefused(BusError):
    """The broker answers and does not let us in."""


class BusLost(BusError):
    """The connection to the broker was there and went, or a deadline on it passed."""


class EmbeddedBrokerError(RecordError):
    """The broker inside this process did not start."""


class BrokerFolderError(RecordError):
    """A real broker's files cannot be written as asked."""


class RecordNotFound(RecordError):
    """There is no such session in the record."""


class RecordDamaged(RecordError):
    """What a report or an export would be made of is not what was journalled."""


class ReportError(RecordError):
    """A report could not be made; the record itself is as it was."""


class ReportExtraMissing(ReportError):
    """What reports are typeset with is not installed."""


class CertificateRefused(RecordError):
    """A certificate that is none of ours, was changed, or cannot be issued. ``code`` is a name for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CertificateNotFound(CertificateRefused):
    """There is no certificate of that number here."""


class ExportError(RecordError):
    """A file that people take away could not be made: it is there already, the disk is full, an extra is missing."""


class StoreError(RecordError):
    """The store behind the recorder."""


class StoreUnusable(StoreError):
    """The store cannot be opened, or holds something else."""


class StoreUnwritable(StoreError):
    """The store cannot be written now; no receipt is given, so the station sends again."""


class StoreOccupied(StoreError):
    """There is something where a new store or a copy of one was to be made; it is not overwritten."""
