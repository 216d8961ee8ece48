"""Target that breaks on purpose: proof that the fuzzer finds what a random byte would not, and says so."""


def fuzz(data: bytes) -> None:
    """Raises where the input begins with three certain bytes."""
    if data[:1] != b"P":
        return
    if data[1:2] != b"E":  # a step of its own, as a decoder's: new ground for the fuzzer
        return
    if data[2:3] == b"N":
        raise RuntimeError("found it")


def seeds() -> list[bytes]:
    """Nothing that helps."""
    return [b"???"]
