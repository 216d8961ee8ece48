"""What became of a certificate's verification, for a terminal. Pure."""

from rich.console import Group, RenderableType
from rich.text import Text

from logger.certificate.verify import Outcome, Verification

_WORDS: dict[Outcome, tuple[str, str, str]] = {
    "genuine": ("genuine", "bold green", "it is what was issued, and what it hangs on holds"),
    "unknown_key": ("not known", "bold yellow", "it is whole, and nobody here knows whose key is under it"),
    "doubtful": ("doubtful", "bold red", "it is what was issued, and something in it does not hold"),
    "changed": ("changed", "bold red", "it is not what was issued, or no certificate"),
}


def verification_view(result: Verification, name: str) -> RenderableType:
    """The verdict first, then every finding, then whose key it is."""
    word, style, meaning = _WORDS[result.outcome]
    lines = [Text.assemble(("certificate: ", "bold"), (word, style), f": {name}: {meaning}.")]
    lines += [
        Text.assemble("  ", (finding.code.replace("_", " "), "bold"), f"  {finding.sentence}")
        for finding in result.findings
    ]
    lines += [Text(f"  note  {note}", style="yellow") for note in result.notes]
    certificate = result.certificate
    if certificate is not None:
        body = certificate.body
        lines.append(
            Text(f"  {body.number}, {body.instrument.model} {body.instrument.serial}, issued {body.issued_at}", "dim")
        )
    if result.key_id:
        whose = f", {result.key_known_from}" if result.key_known_from else ""
        lines.append(Text(f"  signed by the key {result.key_id}{whose}; SHA-256 {result.sha256}", style="dim"))
    return Group(*lines)
