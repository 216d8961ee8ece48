"""One file a revision, in order. What is released is not changed: what follows is one more file."""
