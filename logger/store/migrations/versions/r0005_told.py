"""An index of what is told beside the second-by-second inputs: a pen's life is found without reading those."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TOLD = sa.text("type <> 'input_chunk'")


def upgrade() -> None:
    """Adds it."""
    op.create_index(
        "entries_told", "entries", ["station", "sequence", "type"], sqlite_where=_TOLD, postgresql_where=_TOLD
    )


def downgrade() -> None:
    """Takes it away."""
    op.drop_index("entries_told", table_name="entries")
