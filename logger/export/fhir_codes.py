"""The codes of a FHIR bundle: ours, for what no terminology has a confirmed code for, and the few of others that fit.

No SNOMED CT code for microneedling is confirmed, so the code of the procedure is configuration; what is always there is
a code of our own CodeSystem and the text. Our codes are published as ``docs/fhir/codesystem.json``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from logger.errors import ExportError

Json = dict[str, Any]

NAMESPACE: Final = "https://needlework.example/fhir"
"""Where identifiers and codes stand unless the clinic gives a place of its own; ``.example`` is nobody's."""
UCUM: Final = "http://unitsofmeasure.org"
GS1_DI: Final = "http://hl7.org/fhir/NamingSystem/gs1-di"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
ENTITY_ROLE_SOURCE: Final = "source"

CODES: Final[Mapping[str, str]] = {
    "microneedling": "Microneedling with a motorised pen",
    "zone-treatment": "What one zone got in a microneedling session",
    "depth-commanded-max": "Greatest needle depth asked for",
    "depth-set-p50": "Needle depth in force at the pen, median",
    "depth-measured-p50": "Measured needle protrusion, median",
    "depth-measured-p95": "Measured needle protrusion, 95th percentile",
    "rate-set-p50": "Puncture rate in force at the pen, median",
    "rate-measured-p50": "Measured puncture rate, median",
    "passes": "Passes: stretches of at least a second on skin",
    "duration-treated": "Time with the motor on",
    "duration-on-skin": "Time on skin with the motor on",
    "strokes": "Strokes made",
    "punctures": "Punctures: strokes on skin, each with every needle of the cartridge",
    "pen": "Motorised microneedling pen",
    "cartridge": "Needle cartridge",
    "station": "Needlework station",
    "needle-depth": "Needle depth",
    "puncture-rate": "Puncture rate",
    "treatment-record": "Record of a treatment with limits",
    "session-opened": "A session was opened",
    "limit-overridden": "A soft limit was gone beyond, with a reason",
    "request-refused": "A request was not followed",
    "approval-given": "A physician approved more depth than the operator's scope has",
    "approval-used": "Depth beyond the operator's own scope was set under an approval",
    "clock-set": "The computer's time of day was set while the session was open",
    "record-amended": "Somebody set right, or added to, what the record says; the text is kept at the site",
    "session-signed": "Somebody put their name to the session",
}
"""Our CodeSystem. A code is never given another meaning, and never taken away."""

SIGNATURES: Final[Mapping[str, tuple[str, str]]] = {
    "performed": ("1.2.840.10065.1.12.1.1", "Author's Signature"),
    "reviewed": ("1.2.840.10065.1.12.1.13", "Review Signature"),
    "approved": ("1.2.840.10065.1.12.1.6", "Validation Signature"),
}
"""What each meaning of a signature is called in ASTM E1762, whose codes FHIR takes."""
ASTM: Final = "urn:iso-astm:E1762-95:2013"


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of somebody's terminology for the procedure."""

    system: str
    code: str
    display: str = ""

    @classmethod
    def parse(cls, text: str) -> "Coding":
        """From ``system|code`` or ``system|code|display``. Raises ExportError."""
        system, _, rest = text.partition("|")
        code, _, display = rest.partition("|")
        if ":" not in system or not code or code != " ".join(code.split()):
            raise ExportError(
                f"{text!r} is no code for the procedure. Nothing was written. Write the terminology's URI, a bar and "
                "the code, and after another bar what it is called: `http://snomed.info/sct|CODE|NAME`."
            )
        return cls(system, code, display)

    def as_fhir(self) -> Json:
        """The code as a FHIR Coding."""
        return {"system": self.system, "code": self.code} | ({"display": self.display} if self.display else {})


@dataclass(frozen=True, slots=True)
class Coded:
    """What names and codes are made with: the namespace, and the clinic's own code for the procedure, if any."""

    namespace: str = NAMESPACE
    procedure: Coding | None = None

    def __post_init__(self) -> None:
        """Raises ExportError."""
        if ":" not in self.namespace or self.namespace != "".join(self.namespace.split()):
            raise ExportError(
                f"{self.namespace!r} is no namespace for FHIR identifiers. Nothing was written. Give a URI of the "
                "clinic's own in the setting `fhir_namespace`, such as https://clinic.example/needlework."
            )

    def system(self, kind: str) -> str:
        """The system of identifiers of a kind."""
        return f"{self.namespace.rstrip('/')}/{kind}"

    def concept(self, code: str) -> Json:
        """One of our own codes, with its words."""
        return {
            "coding": [{"system": self.system("codes"), "code": code, "display": CODES[code]}],
            "text": CODES[code],
        }

    def microneedling(self) -> Json:
        """The session's code: the clinic's first, then ours."""
        ours = self.concept("microneedling")
        theirs = [self.procedure.as_fhir()] if self.procedure else []
        return {"coding": [*theirs, *ours["coding"]], "text": ours["text"]}

    def zone(self, zone: str) -> Json:
        """A declared zone as a body site; its names are those of the clinic's library."""
        return {"coding": [{"system": self.system("zones"), "code": zone}], "text": zone.replace("-", " ")}


def code_system(namespace: str = NAMESPACE) -> Json:
    """Our CodeSystem as a FHIR resource."""
    return {
        "resourceType": "CodeSystem",
        "url": Coded(namespace).system("codes"),
        "name": "NeedleworkCodes",
        "title": "Codes of Needlework",
        "status": "active",
        "content": "complete",
        "caseSensitive": True,
        "count": len(CODES),
        "concept": [{"code": code, "display": words} for code, words in CODES.items()],
    }
