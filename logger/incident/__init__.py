"""The incident bundle: one file with everything of a session and its proof, to be verified with nothing else.

It is a ZIP, so that a person can open it anywhere, with these members in this order: ``README.txt``, ``entries.jsonl``
(the part of the chain, `logger.incident.lines`), ``record.json`` (what the entries amount to), ``conflicts.json`` (what
the recorder refused or told of) and ``manifest.json`` (`logger.incident.manifest`: the keys, and a SHA-256 of every
other member). Times in it are fixed, and its comment has the SHA-256 of every byte before the comment.

Other patients' sessions share the chain. Their entries are withheld: only the digest of their content is here, from
which the chain is computed all the same.
"""
