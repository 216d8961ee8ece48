"""The first tables: entries, what contradicted them, and which cartridge was used in which session.

Stores made before revisions were counted have these tables, or all but `cartridge_uses`; what is there is left alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes what is not there."""
    op.create_table("about", sa.Column("format", sa.Integer, nullable=False), if_not_exists=True)
    op.create_table(
        "entries",
        sa.Column("station", sa.String(63), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("utc_us", sa.BigInteger, nullable=False),
        sa.Column("monotonic_ms", sa.BigInteger, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_index("entries_session", "entries", ["session", "station", "sequence"], if_not_exists=True)
    op.create_table(
        "conflicts",
        sa.Column("station", sa.String(63), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("seen_utc_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "cartridge_uses",
        sa.Column("station", sa.String(63), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("utc_us", sa.BigInteger, nullable=False),
        sa.Column("lot", sa.Text, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
        sa.Column("serial_start", sa.Text, nullable=False),
        sa.Column("unused", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_index("cartridge_uses_serial", "cartridge_uses", ["serial_start"], if_not_exists=True)
    if op.get_bind().execute(sa.text("SELECT count(*) FROM about")).scalar() == 0:
        op.execute("INSERT INTO about (format) VALUES (1)")


def downgrade() -> None:
    """Takes the store away with everything in it: what a store without tables is."""
    for table in ("cartridge_uses", "conflicts", "entries", "about"):
        op.drop_table(table)
