"""The result of a verification, drawn for a terminal. Pure."""

from rich.console import Group, RenderableType
from rich.text import Text

from logger.proof.verify import VerifyResult


def verify_view(result: VerifyResult) -> RenderableType:
    """The verdict first, then every finding by its entry."""
    style = "bold green" if result.verdict == "intact" else "bold red"
    verdict, _, rest = result.sentence().partition(": ")
    lines = [Text.assemble(("verify: ", "bold"), (verdict, style), f": {rest}")]
    for finding in result.findings:
        where = "file" if finding.sequence is None else f"entry {finding.sequence}"
        of = f"  (session {finding.session})" if finding.session else ""
        what = (finding.what.replace("_", " "), "bold")
        lines.append(Text.assemble(f"  {where}  ", what, f"  {finding.sentence}{of}"))
    unnamed = result.findings_total - len(result.findings)
    if unnamed > 0:
        lines.append(Text(f"  and {unnamed} more"))
    lines += [Text(f"  note  {note}", style="yellow") for note in result.notes]
    if result.code:
        signed = f"  signed to entry {result.signed_to} by the key {result.signed_by}, verification code {result.code}"
        lines.append(Text(signed, style="dim"))
    if result.last_hash is not None:
        lines.append(Text(f"  last entry {result.last}, hash {result.last_hash}", style="dim"))
    return Group(*lines)
