"""How a store's tables change from one version to the next, forwards and back. Run by :mod:`logger.store.schema`."""
