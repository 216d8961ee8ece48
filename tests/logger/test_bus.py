"""What else goes over the bus: status with its birth and death, alarms that are kept, live values that are not."""

from logger.bus.messages import AlarmsMessage, LiveMessage, StatusMessage
from logger.bus.mqtt import BusMessage
from tests.fixtures_brokers import STATION
from tests.logger.house import ALARM, PEN, TOPICS, House, client, hear, until


async def test_status_is_born_dies_and_takes_its_leave(house: House) -> None:
    status = TOPICS.topic("status")

    def state(message: BusMessage) -> str:
        return StatusMessage.parse(message.payload).state

    async with client(house.broker, "watcher", "needlework/v1/clinic/+/status") as (_bus, heard):
        async with house.publishing() as publisher:
            await hear(heard, lambda message: state(message) == "online")
            run = publisher.state().run
        farewell = await hear(heard, lambda message: state(message) == "offline")
        assert StatusMessage.parse(farewell.payload).reason == "station stopped"
        assert StatusMessage.parse(farewell.payload).run == run
    async with client(house.broker, "watcher", "needlework/v1/clinic/+/status") as (_bus, heard):
        kept = await hear(heard, lambda message: message.topic == status)
        assert kept.retained
        assert state(kept) == "offline"


async def test_a_will_that_fired_late_is_corrected(house: House) -> None:
    async with house.publishing() as publisher, client(house.broker, "mallory", TOPICS.topic("status")) as (bus, heard):
        await until(lambda: publisher.state().connected)
        late = StatusMessage(
            station=STATION, run=publisher.state().run, state="offline", reason="connection lost", software="",
            utc_us=0, sequence=0,
        )  # fmt: skip
        await bus.publish(TOPICS.topic("status"), late.payload(), qos=1, retain=True)
        await hear(heard, lambda message: StatusMessage.parse(message.payload).state == "offline")
        await hear(heard, lambda message: StatusMessage.parse(message.payload).state == "online")


async def test_a_namesake_is_told_of(house: House) -> None:
    async with house.publishing() as publisher, client(house.broker, "mallory") as (bus, _heard):
        await until(lambda: publisher.state().connected)
        other = StatusMessage(
            station=STATION, run="another", state="online", reason="", software="", utc_us=0, sequence=0
        )
        await bus.publish(TOPICS.topic("status"), other.payload(), qos=1, retain=False)
        await until(lambda: "calls itself room-1" in (publisher.state().problem or ""))


async def test_alarms_are_retained_and_live_values_flow(house: House) -> None:
    house.pens = (PEN,)
    async with house.publishing() as publisher:
        async with client(house.broker, "watcher", "needlework/v1/clinic/+/live") as (_bus, heard):
            live = await hear(heard, lambda _message: True)
            assert LiveMessage.parse(live.payload).pens == (PEN,)
            assert not live.retained
        house.alarms = (ALARM,)
        publisher.alarms_changed()
        async with client(house.broker, "watcher", "needlework/v1/clinic/+/alarms") as (_bus, heard):
            found = await hear(heard, lambda message: AlarmsMessage.parse(message.payload).alarms != ())
            assert AlarmsMessage.parse(found.payload).alarms == (ALARM,)
    async with client(house.broker, "watcher", "needlework/v1/clinic/+/alarms") as (_bus, heard):
        assert (await hear(heard, lambda _message: True)).retained
