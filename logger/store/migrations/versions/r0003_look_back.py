"""From a lot, a pen, an operator or a time to the sessions: tables and indexes that a look-back is answered from.

What is in them is made from the entries afterwards.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds them."""
    station = sa.String(63).with_variant(sa.String(63, collation="C"), "postgresql")
    for column in ("pen", "pen_serial"):
        op.add_column("cartridge_uses", sa.Column(column, sa.Text, nullable=False, server_default=""))
    op.create_index("cartridge_uses_lot", "cartridge_uses", ["lot"])
    op.create_index("cartridge_uses_pen", "cartridge_uses", ["pen_serial"])
    op.create_index("cartridge_uses_session", "cartridge_uses", ["session", "station"])
    op.create_table(
        "sessions_used",
        sa.Column("station", station, primary_key=True),
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("opened_utc_us", sa.BigInteger, nullable=False),
        sa.Column("closed_utc_us", sa.BigInteger),
        sa.Column("outcome", sa.Text),
        sa.Column("patient", sa.Text, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("pen", sa.Text, nullable=False),
    )
    op.create_index("sessions_used_opened", "sessions_used", ["opened_utc_us"])
    op.create_index("sessions_used_operator", "sessions_used", ["operator"])
    op.create_index("sessions_used_pen", "sessions_used", ["pen"])
    op.create_table(
        "pens_connected",
        sa.Column("station", station, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("pen", sa.Text, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
    )
    op.create_index("pens_connected_pen", "pens_connected", ["station", "pen", "sequence"])


def downgrade() -> None:
    """Takes them away; the entries have all that was in them."""
    op.drop_table("pens_connected")
    op.drop_table("sessions_used")
    for index in ("session", "pen", "lot"):
        op.drop_index(f"cartridge_uses_{index}", "cartridge_uses")
    with op.batch_alter_table("cartridge_uses") as table:
        for column in ("pen_serial", "pen"):
            table.drop_column(column)
