"""What Alembic runs: the revisions, on the connection it was handed, in that connection's transaction."""

from alembic import context

from logger.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite cannot change a column where it stands
)
with context.begin_transaction():
    context.run_migrations()
