"""The safety case as data: read, checked against the tests that exist and ran, and rendered for a person."""
