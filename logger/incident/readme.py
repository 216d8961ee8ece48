"""``README.txt``: what a bundle is and how to check it, for whoever opens it first."""

from logger.incident.manifest import Manifest

_TEXT = """\
The record of one microneedling session, with its proof
========================================================

session   {session}
station   {station}
entries   {first} to {last} of the station's journal: {shown} shown, {withheld} withheld
signed    {signed}

Who is in it: pseudonyms and account ids. Whose they are is known at the site alone, and so are the checklist's answers
and the texts of amendments.

What is in it
  record.json     the session in one piece: what was set and measured, limits, alarms, refusals, signatures, amendments
  entries.jsonl   every entry of the session as the station journalled it, and the entries around it, chained by hashes
  conflicts.json  what the recorder refused of this station, or told of
  manifest.json   the station's public keys, versions, and a SHA-256 of each of these files

How to check it, on any machine and with nothing else:

  needlework verify {name}

It recomputes every hash and signature, and derives record.json again from the entries. Without Needlework: "The
exported file" in docs/record.md has the same check in twenty lines.

Withheld entries belong to other sessions, or tell of people. Only the SHA-256 of what they say is here, which is enough
to compute the chain. It says nothing to whoever does not know what to guess; who knows all of an entry but little can
see whether a guess is right.

What it proves: that whoever holds the station's key signed exactly these entries, up to the last checkpoint. Whose key
that is, this file cannot prove. Compare the key's id, or the verification code, with one that was noted elsewhere: on a
printed report, or by the recorder.

  key                {keys}
  verification code  {code}
"""


def readme(manifest: Manifest, name: str) -> str:
    """The text for the bundle ``name``."""
    signed = "nowhere yet" if manifest.signed_to is None else f"up to entry {manifest.signed_to}"
    return _TEXT.format(
        session=manifest.session,
        station=manifest.station,
        first=manifest.first,
        last=manifest.last,
        shown=manifest.shown,
        withheld=manifest.withheld + manifest.older,
        signed=signed,
        keys=", ".join(sorted(manifest.keys)) or "none: the record is of a version that did not sign",
        code=manifest.verification_code or "none",
        name=name,
    )
