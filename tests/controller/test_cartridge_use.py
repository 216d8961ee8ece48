"""One cartridge, one session: whatever breaks off an arming, what was not done is done by the next, and what another
session used is never excused by what this one had in mind."""

import asyncio

import pytest

from controller.cartridges import CartridgeUse, Unreachable
from controller.errors import ControlRefused
from controller.events import CartridgeSnapshot, PenArmed
from controller.inputs import Pause
from tests.controller.house import House


async def refused(house: House) -> str:
    with pytest.raises(ControlRefused) as caught:
        await house.driver.arm("test")
    return caught.value.because


async def test_a_cartridge_of_another_session_stays_refused_however_often_it_is_tried(house: House) -> None:
    await house.prepare()
    looked_up = house.ledger.cartridge

    async def then_the_other_is_quicker(cartridge: CartridgeSnapshot) -> CartridgeUse:
        use = await looked_up(cartridge)
        house.ledger.uses[cartridge.serial] = "another session"
        return use

    house.ledger.cartridge = then_the_other_is_quicker  # type: ignore[method-assign]
    assert await refused(house) == "cartridge_used"
    house.ledger.cartridge = looked_up  # type: ignore[method-assign]
    assert await refused(house) == "cartridge_used"
    assert house.pen.truth.lease == 0


async def test_a_cartridge_is_marked_by_the_attempt_that_arms_it(house: House) -> None:
    await house.prepare()
    claim = house.ledger.claim

    async def claimed_and_stopped(cartridge: CartridgeSnapshot, session: str) -> None:
        await claim(cartridge, session)
        house.driver.stop("test")

    house.ledger.claim = claimed_and_stopped  # type: ignore[method-assign]
    assert await refused(house) == "stopped"
    house.ledger.claim = claim  # type: ignore[method-assign]
    await house.until(lambda h: h.driver.view().phase == "prepared")
    assert house.pen.cartridge is not None
    assert not house.pen.cartridge.used
    await house.driver.arm("test")
    assert house.pen.cartridge.used


async def test_a_use_that_could_not_be_noted_is_noted_by_the_attempt_that_arms(house: House) -> None:
    await house.prepare()
    claim = house.ledger.claim

    async def broken(_cartridge: CartridgeSnapshot, _session: str) -> None:
        raise ControlRefused("ledger", "The use of this cartridge could not be noted.")

    house.ledger.claim = broken  # type: ignore[method-assign]
    assert await refused(house) == "ledger"
    house.ledger.claim = claim  # type: ignore[method-assign]
    await house.driver.arm("test")
    assert house.pen.cartridge is not None
    assert house.ledger.uses == {house.pen.cartridge.serial: house.driver.state.session}


async def test_an_exchanged_cartridge_does_not_come_back_though_the_ledger_has_it_as_this_sessions(
    house: House,
) -> None:
    await house.treat()
    await house.driver.ask(Pause(source="test"))
    await house.driver.exchange_cartridge("", "test")
    await house.until(lambda h: h.driver.view().phase == "prepared")
    assert await refused(house) == "cartridge_used"


async def test_the_same_cartridge_goes_on_after_a_stop(house: House) -> None:
    await house.treat()
    house.driver.stop("test")
    await house.until(lambda h: h.driver.view().phase == "prepared")
    await house.driver.arm("test")
    assert house.driver.view().phase == "paused"


async def test_a_reading_that_waited_for_an_arming_is_not_made_on_an_armed_pen(house: House) -> None:
    await house.prepare()
    first, arming, second = (
        asyncio.create_task(call) for call in (house.driver.examine(), house.driver.arm("test"), house.driver.examine())
    )
    await asyncio.gather(first, arming)
    with pytest.raises(ControlRefused) as caught:
        await second
    assert caught.value.because == "phase"


async def test_what_was_attested_is_not_called_verified_when_the_ledger_answers_later(house: House) -> None:
    looked_up = house.ledger.cartridge

    async def silent(_cartridge: CartridgeSnapshot) -> CartridgeUse:
        return Unreachable(problem="the site's database does not answer")

    house.ledger.cartridge = silent  # type: ignore[method-assign]
    await house.prepare(cartridge_new=True)
    await house.driver.arm("test")
    house.ledger.cartridge = looked_up  # type: ignore[method-assign]
    house.driver.stop("test")
    await house.until(lambda h: h.driver.view().phase == "prepared")
    await house.driver.arm("test")
    assert [armed.cartridge.unused for armed in house.sink.of(PenArmed)] == ["attested", "attested"]


async def test_what_was_verified_stays_so_in_its_session(house: House) -> None:
    await house.prepare()
    for _ in range(2):
        await house.driver.arm("test")
        house.driver.stop("test")
        await house.until(lambda h: h.driver.view().phase == "prepared")
    assert [armed.cartridge.unused for armed in house.sink.of(PenArmed)] == ["verified", "verified"]
