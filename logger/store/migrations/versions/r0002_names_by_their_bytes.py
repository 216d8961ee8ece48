"""Names of stations compare by their bytes in every database.

PostgreSQL otherwise compares them as the server's language has it: stations would be listed in another order than from
an SQLite file, and an index on them would be wrong after the operating system changed that language's rules.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = ("entries", "conflicts", "cartridge_uses")


def upgrade() -> None:
    """SQLite compares bytes anyway."""
    _collate("C")


def downgrade() -> None:
    """Back to the database's own."""
    _collate("default")


def _collate(collation: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _TABLES:
            op.alter_column(table, "station", type_=sa.String(63, collation=collation))
