"""The API over its real Unix socket, with a real session on a simulated pen behind a pseudo-terminal."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from controller.events import Refused
from logger.journal.reader import JournalReader
from station.api.app import STEERING
from station.api.calls import BODY_MAX_BYTES
from station.api.client import StationClient
from station.api.stop_client import stop_now
from station.desk import LIVE_VIEWS_MAX
from station.errors import StationRefused, StationUnreachable
from station.process.exits import Exit
from tests.station.conftest import OPERATOR, House, OpenHouse, plan

pytestmark = pytest.mark.system


async def test_a_treatment_from_preparing_to_closing(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        running = await house.until(lambda status: (status.view.depth_measured_um or 0) > 300, "needles are in")
        assert running.seat == OPERATOR
        assert (running.view.phase, running.view.depth_commanded_um) == ("treating", 500)
        assert (await seat.pause()).view.phase == "paused"
        await seat.start()
        assert (await seat.stop()).stopped == ("pen",)
        stopped = await house.until(lambda status: status.view.phase == "prepared", "STOP is confirmed")
        assert stopped.view.needles_out
        closed = await seat.close("finished")
    assert closed.view.phase == "no_session"
    assert house.at_rest
    assert (await house.client.status()).record.committed > 10


async def test_points_left_open_are_confirmed_later(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        prepared = await seat.prepare(plan().model_copy(update={"checklist": {}}))
        with pytest.raises(StationRefused, match="consent_signed"):
            await seat.arm()
        with pytest.raises(StationRefused, match="Did you mean consent_signed"):
            await seat.confirm("consent_sined")
        confirmed = await seat.confirm(*prepared.view.missing)
        assert confirmed.view.missing == ()
        assert (await seat.arm()).view.phase == "paused"


async def test_a_name_typed_where_a_word_of_the_library_belongs_gets_into_no_record(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())
        await seat.arm()
        for asked in (
            lambda: seat.set_depth("0.4", "Anna-Mueller"),
            lambda: seat.declare_zone("Anna-Mueller"),
            lambda: seat.confirm("Anna-Mueller"),
        ):
            with pytest.raises(StationRefused, match="'Anna-Mueller'"):
                await asked()
        with pytest.raises(StationRefused, match="Did you mean scar-tissue"):
            await seat.set_depth("0.4", "scar-tisue")
        await seat.acknowledge("Anna-Mueller")
        await seat.close()
    house.station.end("test")
    await house.task
    reader = JournalReader(house.settings.journal_path)
    bodies = [(entry.type, entry.body) for entry in reader.entries()]
    reader.close()
    assert sum(kind == "refused" for kind, _ in bodies) == 4
    assert not [kind for kind, body in bodies if "Mueller" in str(body) or "tisue" in str(body)]


async def test_the_socket_is_for_this_user_alone(house: House) -> None:
    assert stat.S_IMODE(house.settings.api_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(house.settings.runtime_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(house.settings.endpoint_file.stat().st_mode) == 0o600


# Seats ----------------------------------------------------------------------------------------------------------------


async def test_every_steering_call_needs_the_seat_and_watching_and_stop_do_not(house: House) -> None:
    async with house.raw() as http:
        for row in STEERING:
            for headers in ({}, {"Needlework-Seat": "guessed"}):
                answer = await http.post(f"/v1/pens/pen/{row.name}", content=b"{}", headers=headers)
                assert answer.status_code == 403, row.name
                assert set(answer.json()) == {"code", "what", "means", "do", "because"}
        assert (await http.get("/v1/pens/pen")).status_code == 200
        assert (await http.post("/v1/pens/pen/stop")).json()["stopped"] == ["pen"]
        assert (await http.post("/v1/stop")).json()["stopped"] == ["pen"]


async def test_one_operates_others_watch(house: House) -> None:
    async with house.client.seat(OPERATOR):
        with pytest.raises(StationRefused) as caught:
            async with house.client.seat("demo-physician"):
                pytest.fail("two in one seat")
        assert caught.value.trouble.code == "seat_taken"
        assert OPERATOR in str(caught.value)
        assert (await house.client.pen()).seat == OPERATOR
    async with house.client.seat("demo-physician"):
        assert (await house.client.pen()).seat == "demo-physician"


async def test_the_limits_are_of_the_person_in_the_seat(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        with pytest.raises(StationRefused) as caught:
            await seat.prepare(plan(operator="demo-physician"))
    assert caught.value.trouble.because == "operator_not_in_seat"


async def test_a_treatment_pauses_when_its_operator_falls_silent(open_house: OpenHouse) -> None:
    async with open_house(seat_presence_s=0.5) as house, house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        for task in asyncio.all_tasks():
            if task.get_name().startswith("heartbeat"):
                task.cancel()
        paused = await house.until(lambda status: status.view.phase == "paused", "the pause", within_s=3)
        assert paused.seat is None
        await house.pen_until(lambda: house.motor_off, "motor off")
        (notice,) = [item for item in (await house.client.status()).notices if item.pen == "pen"]
        assert f"{OPERATOR} was not heard of for 0.5 s" in notice.sentence
        with pytest.raises(StationRefused) as caught:
            await seat.start()
        assert caught.value.trouble.code == "seat_lost"


async def test_a_treatment_does_not_run_on_when_its_operator_leaves(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
    await house.until(lambda status: status.view.phase == "paused", "the pause")
    await house.pen_until(lambda: house.at_rest_armed, "the motor stands still")
    # Seen by the station, too: a press that comes while it knows the pen as running means off, and asks for nothing.
    await house.until(lambda status: status.view.motor_on is False and bool(status.view.needles_out), "rest is seen")
    driven = house.pen.truth.strokes
    house.pen.press_button()
    pressed_ms = house.pen.truth.pen_time_ms
    await house.pen_until(lambda: house.pen.truth.pen_time_ms > pressed_ms + 200, "ten more statuses")
    await house.until(lambda status: status.view.phase == "paused" and house.pen.firmware.presses.button == 1, "seen")
    async with house.client.seat("demo-physician") as seat:
        with pytest.raises(StationRefused) as caught:
            await seat.start()
        assert caught.value.trouble.because == "seat"
        assert OPERATOR in str(caught.value)
    async with house.client.seat(OPERATOR) as seat:
        assert house.pen.truth.strokes == driven, "a button pressed with nobody in the seat starts nothing"
        assert (await seat.start()).view.phase == "treating"
        house.station.end("test")
        await house.task
    reader = JournalReader(house.settings.journal_path)
    refused = [entry.event() for entry in reader.entries() if entry.type == "refused"]
    reader.close()
    assert [(event.asked, event.because) for event in refused if isinstance(event, Refused)] == [("start", "seat")] * 2


async def test_whoever_takes_over_does_not_treat_within_the_limits_of_another(open_house: OpenHouse) -> None:
    async with open_house(seat_presence_s=0.5) as house, house.client.seat(OPERATOR) as gone:
        await house.treat(gone)
        for task in asyncio.all_tasks():
            if task.get_name().startswith("heartbeat"):
                task.cancel()
        await house.until(lambda status: status.view.phase == "paused", "the pause", within_s=3)
        async with house.client.seat("demo-physician") as seat:
            for asked in (seat.start, seat.arm):
                with pytest.raises(StationRefused):
                    await asked()
            assert house.motor_off
            assert (await seat.close("ended early")).view.phase == "no_session"


async def test_a_call_whose_body_is_late_is_not_followed_when_the_seat_went_meanwhile(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat, house.raw() as http:
        await house.treat(seat)
        await seat.pause()
        left = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"{"
            await left.wait()
            yield b"}"

        late = asyncio.create_task(http.post("/v1/pens/pen/start", content=body(), headers=seat._headers))
        await asyncio.sleep(0)
        assert (await http.delete("/v1/seats", headers=seat._headers)).status_code == 204
        left.set()
        assert (await late).status_code == 403
        assert (await house.client.pen()).view.phase == "paused"


# Bad input ------------------------------------------------------------------------------------------------------------


NO_DEPTHS: tuple[tuple[Any, str], ...] = (
    ("NaN", "depth NaN is not a number"),
    ("Infinity", "depth Infinity is not a number"),
    ("-0.5", "depth -0.5 is negative"),
    ("1e99", "beyond anything a pen does"),
    ("half a millimetre", "is not a number"),
    ("", "is not a number"),
    (float("nan"), "is not a number"),
    (float("-inf"), "is not a number"),
    (-1, "negative"),
    (True, "a number is needed"),
    (None, "a number is needed"),
    ([0.5], "a number is needed"),
)


async def test_a_depth_or_rate_that_is_none_is_refused_in_words(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        for depth, said in NO_DEPTHS:
            with pytest.raises(StationRefused) as caught:
                await seat.set_depth(depth)
            assert caught.value.status == 422, depth
            assert said in caught.value.trouble.what, depth
            assert "Nothing was changed" in str(caught.value), depth
            with pytest.raises(StationRefused) as caught:
                await seat.set_rate(depth)
            assert caught.value.status == 422, depth
            assert said.replace("depth", "rate") in caught.value.trouble.what, depth


async def test_numbers_are_refused_or_rounded_toward_shallow_and_said_so(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())
        await seat.arm()
        rounded = await seat.set_depth("0.333")
        assert rounded.view.depth_commanded_um < 333
        assert "0.3" in rounded.said
        assert (await seat.set_depth("0.50")).said == ""
        with pytest.raises(StationRefused) as caught:
            await seat.set_depth("5.0")
        assert caught.value.status == 409
        assert caught.value.trouble.because == "zone_hard"
        assert "0.50 mm: limited by" in str(caught.value)
        slower = await seat.set_rate("99.7")
        assert (slower.view.rate_commanded_mhz, "99.7 Hz asked" in slower.said) == (99_000, True)
        with pytest.raises(StationRefused) as caught:
            await seat.set_rate(140)
        assert caught.value.trouble.because == "zone_hard"
        assert (await house.client.pen()).view.depth_commanded_um == 500
        shallower = await seat.declare_zone("periorbital")
        assert shallower.view.depth_commanded_um < 500
        assert "periorbital" in shallower.said


async def test_an_unknown_name_brings_the_nearest(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        for wrong, near in (
            ({"zone": "cheeck"}, "cheek"),
            ({"protocol": "facial-rejuvenatoin"}, "facial-rejuvenation"),
            ({"cartridge": "NW-12x"}, "NW-12"),
        ):
            with pytest.raises(StationRefused, match=near):
                await seat.prepare(plan(**wrong))
    with pytest.raises(StationRefused, match="pen") as caught:
        await house.client.pen("pne")
    assert caught.value.status == 404


NO_BODIES = (
    (b"", 422),
    (b"{", 422),
    (b"[]", 422),
    (b'{"depth_mm": "0.5", "depht": 1}', 422),
    (b"\xff\xfe\x00", 422),
    (b'{"depth_mm": NaN}', 422),
    (b'{"depth_mm": "0.5"}' + b" " * BODY_MAX_BYTES, 413),
)


async def test_a_body_that_is_none_changes_nothing(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat, house.raw() as http:
        for content, status in NO_BODIES:
            answer = await http.post("/v1/pens/pen/depth", content=content, headers=seat._headers)
            assert answer.status_code == status, content[:40]
            assert set(answer.json()) == {"code", "what", "means", "do", "because"}
            assert answer.json()["what"]


async def test_paths_that_do_not_exist_answer_in_the_same_shape(house: House) -> None:
    async with house.raw() as http:
        for method, path in (("GET", "/nothing"), ("PUT", "/v1/status"), ("GET", "/v1/pens/pen/live?hz=nan")):
            answer = await http.request(method, path)
            assert answer.status_code in (404, 405, 422)
            assert set(answer.json()) == {"code", "what", "means", "do", "because"}


async def test_the_api_describes_its_bodies(house: House) -> None:
    async with house.raw() as http:
        described = (await http.get("/openapi.json")).json()
    depth = described["paths"]["/v1/pens/{pen}/depth"]["post"]
    schema = depth["requestBody"]["content"]["application/json"]["schema"]
    assert "depth_mm" in schema["properties"]


# STOP -----------------------------------------------------------------------------------------------------------------


async def test_stop_works_while_the_api_is_stuck(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        stuck: list[asyncio.StreamWriter] = []
        for number in range(80):
            _, writer = await asyncio.open_unix_connection(str(house.settings.api_socket), limit=1024)
            path = "live?hz=10" if number < LIVE_VIEWS_MAX else "depth"
            method = "GET" if number < LIVE_VIEWS_MAX else "POST"
            writer.write(f"{method} /v1/pens/pen/{path} HTTP/1.1\r\nHost: x\r\n".encode())
            writer.write(b"\r\n" if number < LIVE_VIEWS_MAX else b"Content-Length: 9\r\n\r\n{")
            stuck.append(writer)
        try:
            async with httpx.AsyncClient() as page:
                answer = await page.post(house.stop_url)
            assert answer.json()["stopped"] == ["pen"]
            await house.pen_until(lambda: house.motor_off, "motor off", within_s=0.5)
        finally:
            for writer in stuck:
                writer.transport.abort()
        await house.pen_until(lambda: house.at_rest, "at rest")


async def test_stop_works_when_the_api_is_gone(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        house.settings.api_socket.unlink()
        answer = await asyncio.to_thread(stop_now, house.settings)
        assert answer.stopped == ("pen",)
        await house.pen_until(lambda: house.at_rest, "at rest")


async def test_stop_goes_through_the_api_when_the_listener_is_gone(house: House) -> None:
    endpoint = house.client.endpoint.model_copy(update={"stop_port": 9})
    house.settings.endpoint_file.write_text(endpoint.model_dump_json())
    assert (await asyncio.to_thread(stop_now, house.settings)).stopped == ("pen",)


async def test_stop_without_a_station_says_what_that_means(open_house: OpenHouse) -> None:
    async with open_house() as house:
        settings = house.settings
    with pytest.raises(StationUnreachable, match="No station runs"):
        stop_now(settings)
    with pytest.raises(StationUnreachable, match="No station runs"):
        StationClient.of(settings)


# Live views and the end -----------------------------------------------------------------------------------------------


async def test_live_views_are_limited_and_freed(house: House) -> None:
    async with house.raw() as http:
        views = [http.stream("GET", "/v1/pens/pen/live?hz=10") for _ in range(LIVE_VIEWS_MAX + 1)]
        answers = [await view.__aenter__() for view in views]
        assert [answer.status_code for answer in answers] == [200] * LIVE_VIEWS_MAX + [503]
        for view in views:
            await view.__aexit__(None, None, None)
    await house.until(lambda status: True, "a view again")


async def test_a_live_view_ends_with_the_station(house: House) -> None:
    seen = 0
    async for _status in house.client.live(hz=10):
        seen += 1
        house.station.end("test")
    assert seen >= 1
    assert await house.task is Exit.ORDERLY


async def test_an_answer_that_is_not_ours_is_said_to_be_of_another_version(house: House) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"name": "pen"}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        writer.close()

    path = house.settings.state_dir / "other.sock"
    async with await asyncio.start_unix_server(answer, path):
        other = house.client.endpoint.model_copy(update={"api": f"unix:{path}"})
        async with StationClient(other) as client:
            with pytest.raises(StationRefused) as caught:
                await client.pen("pen")
    assert caught.value.trouble.code == "other_version"
