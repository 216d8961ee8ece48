"""Filling a hand-written template with generated text."""

import re
from collections.abc import Mapping


def fill(template: str, parts: Mapping[str, str], *, opening: str, closing: str) -> str:
    """``template`` with each line ``opening`` + name + ``closing`` replaced by the part of that name.

    A name may be used more than once. Raises LookupError when the template asks for a part there is not, or leaves one
    out: text that is generated and shown nowhere would be a mistake nobody sees.
    """
    pattern = re.compile(rf"^[ ]*{re.escape(opening)}(\w+){re.escape(closing)}[ ]*$", re.MULTILINE)
    wanted = set(pattern.findall(template))
    if wanted != set(parts):
        raise LookupError(f"template and parts differ: {', '.join(sorted(wanted ^ set(parts)))}")
    return pattern.sub(lambda match: parts[match.group(1)], template)
