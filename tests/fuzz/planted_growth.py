"""Target that keeps its inputs: proof that growth is found."""

_kept: list[bytearray] = []


def fuzz(data: bytes) -> None:
    """Keeps a little more each time."""
    _kept.append(bytearray(100_000 + len(data)))


def seeds() -> list[bytes]:
    """Nothing that helps."""
    return [b"???"]
