"""Scenarios: stories in YAML of what a person does, what goes wrong, and what has to come of it.

A scenario is data (:mod:`model`), read with the line of every mistake (:mod:`loading`), and played (:mod:`playing`) on
the real core, codec and a simulated pen stepped directly, or in real time on a whole station. A recorded session is
turned into one and replayed to the same decisions by :mod:`recorded`.
"""
