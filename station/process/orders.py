"""What a supervisor tells a child process to do."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from logger.bus.broker_url import BrokerUrl
from station.settings import StationSettings


class Orders(BaseModel):
    """The first line of a child's standard input. ``kept_broker`` is where an embedded broker was before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: Literal["station", "recorder"]
    settings: StationSettings
    kept_broker: str | None = None

    def broker(self) -> BrokerUrl | None:
        """``kept_broker``, taken apart."""
        return None if self.kept_broker is None else BrokerUrl.parse(self.kept_broker)
