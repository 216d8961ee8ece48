"""THE catalogue: every fault that a simulated pen, its line, its plug or its host can have, one line of data each.

``docs/faults.md`` is made from it, ``needlework simulator faults`` prints it, and a test holds for each what it says:
its effect, the product's reaction, and that clearing ends it.
"""

from difflib import get_close_matches

from simulators.errors import UnknownFault
from simulators.faults.kinds import Apply, FaultKind
from simulators.faults.of_answers import ANSWER_FAULTS, APPLY_ANSWER
from simulators.faults.of_bench import APPLY_BENCH, BENCH_FAULTS
from simulators.faults.of_firmware import APPLY_FIRMWARE, FIRMWARE_FAULTS
from simulators.faults.of_host import APPLY_HOST, HOST_FAULTS
from simulators.faults.of_line import APPLY_LINE, LINE_FAULTS
from simulators.faults.of_plant import APPLY_PLANT, PLANT_FAULTS
from simulators.faults.of_usb import APPLY_USB, USB_FAULTS

CATALOGUE: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        *LINE_FAULTS,
        *USB_FAULTS,
        *FIRMWARE_FAULTS,
        *ANSWER_FAULTS,
        *PLANT_FAULTS,
        *BENCH_FAULTS,
        *HOST_FAULTS,
    )
}
"""Every fault by its name, layer by layer."""

APPLY: dict[str, Apply] = (
    APPLY_LINE | APPLY_USB | APPLY_FIRMWARE | APPLY_ANSWER | APPLY_PLANT | APPLY_BENCH | APPLY_HOST
)
"""What makes each fault be there."""


def fault_named(name: str) -> FaultKind:
    """The fault of this name. Raises UnknownFault with the nearest names."""
    found = CATALOGUE.get(name)
    if found is None:
        near = get_close_matches(name, CATALOGUE, n=3, cutoff=0.5) or sorted(CATALOGUE)[:3]
        raise UnknownFault(f"There is no fault called {name!r}. Nearest: {', '.join(near)}.")
    return found
