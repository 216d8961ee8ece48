"""`needlework export incident`: made of the journal or the store, and verified before it is handed out."""

from importlib.metadata import version
from pathlib import Path

from console.exits import Code
from console.records import opened, session_named
from console.render.verify import verify_view
from console.screen import out, print_json
from logger.incident.checking import verify_bundle
from logger.incident.making import make_bundle
from station.settings import StationSettings


def export(
    settings: StationSettings, name: str, output: Path, *, journal: Path | None, store: str | None, as_json: bool
) -> int:
    """Makes the bundle of a session at ``output``. Raises RecordError, ConsoleError."""
    with opened(settings, journal=journal, store=store) as place:
        session = session_named(place.source, name)
        made = make_bundle(place.source, session, output, made_by=f"needlework {version('needlework')}")
        where = place.name
    result = verify_bundle(output)
    if as_json:
        print_json({"file": str(output), **made.manifest.model_dump(mode="json"), "verdict": result.verdict})
    else:
        console = out()
        console.print(f"{output}: the session {session} from {where}.", soft_wrap=True)
        console.print(verify_view(result), soft_wrap=not console.is_terminal)
    return Code.DONE if result.verdict == "intact" else Code.NO
