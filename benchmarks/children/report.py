"""Makes the report of the session in each store named, one after the other; without any, an empty page.

Prints a JSON line: seconds from the start of the process to the first PDF, seconds of the second, the most memory it
had, and the size of the first.
"""

import json
import re
import sys
import time
from pathlib import Path

import psutil


def peak_kib() -> int:
    """The most memory this program had, KiB. (What getrusage tells is its parent's, where that had more.)"""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    if found is None:
        raise RuntimeError("the system does not say how much memory the program had")
    return int(found[1])


def empty() -> bytes:
    """The least: an empty page as PDF/A."""
    import typst  # noqa: PLC0415 what is imported is part of what is measured

    return bytes(typst.compile(b'#set document(title: "empty")', format="pdf", pdf_standards=["a-2b"]))


def made(place: Path) -> bytes:
    """The report of the only session of a store."""
    from logger.report import Heading, read_session, session_report  # noqa: PLC0415 as above
    from logger.store.store import Store  # noqa: PLC0415 as above

    store = Store.open_to_read(place)
    try:
        read = read_session(store.session_entries(store.sessions()[0].session))
    finally:
        store.close()
    return session_report(read, Heading(site="bench"))


if __name__ == "__main__":
    places = [Path(name) for name in sys.argv[1:]]
    first = made(places[0]) if places else empty()
    cold_s = time.time() - psutil.Process().create_time()
    began = time.perf_counter()
    if places:
        made(places[-1])
    warm_s = time.perf_counter() - began
    print(json.dumps({"cold_s": cold_s, "warm_s": warm_s, "memory_kib": peak_kib(), "bytes": len(first)}))
