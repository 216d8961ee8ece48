"""Makes the protocol document, the C header and the test vectors from the message table.

``table`` reads the table, ``markdown``, ``header`` and ``vectors`` each make one kind of file from it; every function
is pure and returns text. ``docs/generate.py`` writes the files and compares them.
"""
