"""What is told of pens themselves: a table by which quarantines, certificates, repairs and parts are found.

What is in it is made from the entries afterwards.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds it."""
    op.create_table(
        "pens_told",
        sa.Column(
            "station",
            sa.String(63).with_variant(sa.String(63, collation="C"), "postgresql"),
            primary_key=True,
        ),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("utc_us", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
    )
    op.create_index("pens_told_serial", "pens_told", ["serial", "model"])
    op.create_index("pens_told_type", "pens_told", ["type"])


def downgrade() -> None:
    """Takes it away; the entries have all that was in it."""
    op.drop_table("pens_told")
