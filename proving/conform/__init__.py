"""Does somebody's pen do what ``docs/protocol.md`` demands? One verdict a clause, found by talking to the pen."""
