"""The key map on the disk: useless without the site's key, forgetful when told to, one for all stations."""

from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from controller.history import OpenedSession
from station.errors import KeyMapError, KeyMapRefused, KeyMapUnusable
from station.settings import StationSettings
from station.site.amendments import AmendmentsFile, AmendmentText
from station.site.files import backup, join, private_files, restore, share
from station.site.history_file import HistoryFile
from station.site.key import SiteKey, read_ring
from station.site.keymap import Details
from station.site.keymap_file import KeyMapFile

MARIA = Details(name="Maria Muster", born=date(1990, 2, 3), contact="0100", chart="C-17", photos=("cupboard 3",))
OTTO = Details(name="Otto Normal", born=date(1980, 5, 6))
PASSPHRASE = "zolof sodul judak marob kitok butot"


@pytest.fixture
def at(tmp_path: Path) -> StationSettings:
    return settings(tmp_path, "one")


def settings(tmp_path: Path, station: str) -> StationSettings:
    return StationSettings(station=station, state_dir=tmp_path / station)


def opened(at: StationSettings) -> KeyMapFile:
    at.state_dir.mkdir(exist_ok=True)
    return KeyMapFile(at.key_map_path, at.site_key_path)


def add(at: StationSettings, said: Details, now_us: int = 1000) -> str:
    with closing(opened(at)) as file:
        return file.add(said, "boss", now_us)


def names(at: StationSettings) -> list[str]:
    with closing(opened(at)) as file:
        return sorted(one.name for one in file.people())


def visit(at: StationSettings, patient: str, session: str = "s-1") -> None:
    with closing(HistoryFile(at.history_path)) as history:
        history.opened(
            OpenedSession(
                session=session, patient=patient, on=date(2026, 1, 2), operator="az-1", protocol="p", skin="thin",
                answers={"isotretinoin": True}, consent="drawer 7", approvals=(), resumes=None,
            )
        )  # fmt: skip


def test_what_is_on_the_disk_tells_nobody_who_it_is(at: StationSettings) -> None:
    pseudonym = add(at, MARIA)
    assert names(at) == ["Maria Muster"]
    everything = b"".join(path.read_bytes() for path in at.state_dir.iterdir())
    assert pseudonym.encode() in everything
    for planted in ("Maria", "Muster", "1990", "0100", "C-17", "cupboard"):
        assert planted.encode() not in everything
    assert at.site_key_path.stat().st_mode & 0o777 == 0o600
    assert at.key_map_path.stat().st_mode & 0o777 == 0o600


def test_the_length_of_what_is_sealed_tells_nothing(at: StationSettings) -> None:
    li = add(at, Details(name="Li Wu"))
    add(at, Details(name="Maximiliane Freifrau von Hohenstein", born=date(1990, 2, 3), contact="0100", chart="C-17"))
    with closing(opened(at)) as file:
        file.revise(li, Details(hold="lawsuit"), "dr-lee", 1)
        lengths = [len(sealed) for entry in file.content().entries.values() for sealed in entry.revisions.values()]
        assert file.person(li).hold == "lawsuit"
    assert len(lengths) == 3
    assert len(set(lengths)) == 1


def test_without_the_key_the_database_is_useless_and_says_so(at: StationSettings) -> None:
    pseudonym = add(at, MARIA)
    at.site_key_path.rename(at.state_dir / "elsewhere")
    with closing(opened(at)) as file:
        assert file.standing(pseudonym) == "known"
        with pytest.raises(KeyMapUnusable, match="safe"):
            file.person(pseudonym)
        with pytest.raises(KeyMapUnusable, match="safe"):
            file.add(OTTO, "boss", 1)
    assert not at.site_key_path.exists(), "no second key is made where the first was lost"


def test_a_key_that_others_can_read_is_not_used(at: StationSettings) -> None:
    add(at, MARIA)
    at.site_key_path.chmod(0o644)
    with pytest.raises(KeyMapUnusable, match="chmod 600"):
        names(at)


def test_an_entry_that_was_changed_or_moved_is_found(at: StationSettings) -> None:
    one, other = add(at, MARIA), add(at, OTTO)
    with closing(opened(at)) as file:
        file._database.execute("UPDATE revisions SET pseudonym = ? WHERE pseudonym = ?", (other, one))
        with pytest.raises(KeyMapUnusable, match="was changed"):
            file.person(other)


def test_a_new_key_seals_and_what_a_thief_has_of_the_old_one_opens_nothing_new(at: StationSettings) -> None:
    add(at, MARIA)
    old = read_ring(at.site_key_path)
    with closing(opened(at)) as file:
        fresh = file.rotate(2000)
    assert names(at) == ["Maria Muster"]
    assert read_ring(at.site_key_path) == (*old, fresh)
    at.site_key_path.unlink()
    with closing(opened(at)) as file, pytest.raises(KeyMapUnusable):
        file.people()


def test_one_person_is_not_entered_twice_by_mistake(at: StationSettings) -> None:
    first = add(at, MARIA)
    with closing(opened(at)) as file:
        with pytest.raises(KeyMapRefused, match=first):
            file.add(MARIA, "boss", 1)
        assert file.add(MARIA, "boss", 1, another=True) != first
        with pytest.raises(KeyMapRefused, match="stands for somebody"):
            file.add(OTTO, "boss", 1, pseudonym=first)
        assert file.add(OTTO, "boss", 1, pseudonym="p-7f3a21") == "p-7f3a21"


def test_what_was_erased_is_gone_from_the_file_and_its_pseudonym_is_never_given_again(at: StationSettings) -> None:
    pseudonym = add(at, MARIA)
    with closing(opened(at)) as file:
        (sealed,) = file.content().entries[pseudonym].revisions.values()
        assert sealed in at.key_map_path.read_bytes()
        file.erase(pseudonym, "boss", 5)
        assert file.standing(pseudonym) == "erased"
        assert sealed not in at.key_map_path.read_bytes(), "deleted pages are overwritten"
        for call in (
            lambda: file.person(pseudonym),
            lambda: file.erase(pseudonym, "boss", 6),
            lambda: file.revise(pseudonym, OTTO, "boss", 6),
            lambda: file.add(OTTO, "boss", 6, pseudonym=pseudonym),
        ):
            with pytest.raises(KeyMapRefused):
                call()
        assert [(one.pseudonym, one.by) for one in file.erasures()] == [(pseudonym, "boss")]


def test_the_history_forgets_a_person_and_keeps_that_there_was_a_session(at: StationSettings) -> None:
    at.state_dir.mkdir()
    visit(at, "P-1")
    visit(at, "P-2", "s-2")
    with closing(HistoryFile(at.history_path)) as history:
        history.forget("P-1")
        history.forget("P-1")
        assert history.last_day("P-1") is None
        assert history.last_days() == {"P-2": "2026-01-02"}
    content = at.history_path.read_bytes()
    assert b"P-1" not in content
    assert content.count(b"isotretinoin") == content.count(b"drawer 7") == 1


# Sharing --------------------------------------------------------------------------------------------------------------


def test_two_stations_that_began_apart_come_to_the_same_people(tmp_path: Path) -> None:
    one, two = settings(tmp_path, "one"), settings(tmp_path, "two")
    add(one, MARIA)
    add(two, OTTO)
    for _ in range(2):  # a second time changes nothing
        join(two, share(one, PASSPHRASE, 1, people=True), PASSPHRASE, 2000)
        joined = join(one, share(two, PASSPHRASE, 1, people=True), PASSPHRASE, 2000)
        assert names(one) == names(two) == ["Maria Muster", "Otto Normal"]
        assert read_ring(one.site_key_path) == read_ring(two.site_key_path)
    assert (joined.people, joined.new, joined.erased) == (2, 0, 0)


def test_changes_on_both_sides_meet_and_an_erasure_travels(tmp_path: Path) -> None:
    one, two = settings(tmp_path, "one"), settings(tmp_path, "two")
    maria, otto = add(one, MARIA), add(one, OTTO)
    join(two, share(one, PASSPHRASE, 1, people=True), PASSPHRASE, 1)
    with closing(opened(one)) as file:
        file.revise(maria, Details(contact="0900"), "boss", 3000)
        file.erase(otto, "boss", 3000)
    with closing(opened(two)) as file:
        file.revise(maria, Details(name="Maria Beispiel"), "az-1", 2000)
        file.revise(otto, Details(contact="0500"), "az-1", 4000)
    assert join(two, share(one, PASSPHRASE, 1, people=True), PASSPHRASE, 1).erased == 1
    join(one, share(two, PASSPHRASE, 1, people=True), PASSPHRASE, 1)
    for at in (one, two):
        with closing(opened(at)) as file:
            (person,) = file.people()
            assert (person.name, person.contact) == ("Maria Beispiel", "0900")
            assert file.standing(otto) == "erased"


def test_a_last_visit_at_another_station_is_known_after_joining(tmp_path: Path) -> None:
    one, two = settings(tmp_path, "one"), settings(tmp_path, "two")
    maria = add(one, MARIA)
    visit(one, maria)
    join(two, share(one, PASSPHRASE, 1, people=True), PASSPHRASE, 1)
    with closing(opened(two)) as file:
        assert file.visited(maria) == "2026-01-02"


def test_one_person_entered_at_both_is_pointed_out(tmp_path: Path) -> None:
    one, two = settings(tmp_path, "one"), settings(tmp_path, "two")
    pair = {add(one, MARIA), add(two, MARIA)}
    (alike,) = join(two, share(one, PASSPHRASE, 1, people=True), PASSPHRASE, 1).alike
    assert set(alike) == pair


@pytest.mark.parametrize("harm", ["passphrase", "bit", "cut", "foreign"])
def test_a_share_that_is_not_right_changes_nothing(tmp_path: Path, harm: str) -> None:
    one, two = settings(tmp_path, "one"), settings(tmp_path, "two")
    add(one, MARIA)
    sealed = bytearray(share(one, PASSPHRASE, 1, people=True))
    assert b"Maria" not in sealed
    if harm == "bit":
        sealed[-40] ^= 1
    sealed = {"cut": sealed[:-20], "foreign": bytearray(b"PK\x03\x04")}.get(harm, sealed)
    add(two, OTTO)
    with pytest.raises(KeyMapRefused, match="cannot be used"):
        join(two, bytes(sealed), "another" if harm == "passphrase" else PASSPHRASE, 1)
    assert names(two) == ["Otto Normal"]


# Backups --------------------------------------------------------------------------------------------------------------


def test_a_burnt_station_comes_back_from_its_backup_and_the_words_in_the_safe(tmp_path: Path) -> None:
    one, new = settings(tmp_path, "one"), settings(tmp_path, "new")
    maria = add(one, MARIA)
    visit(one, maria)
    sealed = backup(one, 1)
    assert b"Maria" not in sealed
    assert maria.encode() not in sealed
    with pytest.raises(KeyMapRefused, match="not here"):
        restore(new, sealed, (), 1, replace=False)
    words = read_ring(one.site_key_path)[-1].words()
    assert set(restore(new, sealed, (SiteKey.of_words(words),), 1, replace=False).files) == {
        "keymap.sqlite",
        "history.sqlite",
    }
    assert names(new) == ["Maria Muster"]
    with closing(HistoryFile(new.history_path)) as history:
        assert history.last_day(maria) == "2026-01-02"
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in private_files(new).values() if path.exists())


def test_a_backup_from_before_an_erasure_brings_nobody_back(at: StationSettings) -> None:
    maria = add(at, MARIA)
    add(at, OTTO)
    visit(at, maria)
    with closing(AmendmentsFile(at.amendments_path)) as texts:
        texts.keep(AmendmentText("d", "s-1", "2026-01-02", "az-1", b"salt", "Maria fainted"))
    sealed = backup(at, 1)
    with closing(opened(at)) as file:
        file.erase(maria, "boss", 2)
    with pytest.raises(KeyMapRefused, match="would be replaced"):
        restore(at, sealed, (), 3, replace=False)
    assert restore(at, sealed, (), 3, replace=True).kept_erased == 1
    assert names(at) == ["Otto Normal"]
    assert b"isotretinoin" not in at.history_path.read_bytes()
    assert b"fainted" not in at.amendments_path.read_bytes()


def test_nor_at_a_new_station_whose_record_knows_of_the_erasure(tmp_path: Path) -> None:
    one, new = settings(tmp_path, "one"), settings(tmp_path, "new")
    maria = add(one, MARIA)
    visit(one, maria)
    restored = restore(new, backup(one, 1), read_ring(one.site_key_path), 3, replace=False, erased=[maria])
    assert restored.kept_erased == 1
    assert names(new) == []
    assert b"isotretinoin" not in new.history_path.read_bytes()


def test_a_damaged_or_foreign_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    one, two = settings(tmp_path, "one"), settings(tmp_path, "two")
    add(one, MARIA)
    sealed = bytearray(backup(one, 1))
    sealed[len(sealed) // 2] ^= 4
    shared = share(one, PASSPHRASE, 1, people=True)
    before = {path.name: path.read_bytes() for path in one.state_dir.glob("*.sqlite")}
    for content in (bytes(sealed), shared, b"", b"not a backup"):
        with pytest.raises(KeyMapRefused):
            restore(one, content, (), 3, replace=True)
    assert {path.name: path.read_bytes() for path in one.state_dir.glob("*.sqlite")} == before
    assert not two.key_map_path.exists()


def test_a_damaged_key_map_is_refused_and_left_as_it_is(at: StationSettings) -> None:
    at.state_dir.mkdir()
    at.key_map_path.write_bytes(b"SQLite format 3\x00" + b"rubbish" * 100)
    before = at.key_map_path.read_bytes()
    with pytest.raises(KeyMapError, match="left as it was"):
        opened(at)
    assert at.key_map_path.read_bytes() == before


STATIONS = 3
steps = st.lists(
    st.tuples(st.sampled_from(["add", "revise", "erase", "rotate", "meet"]), st.integers(0, 2), st.integers(0, 9)),
    max_size=14,
)


@settings_of(max_examples=10)
@given(steps)
def test_whatever_stations_do_they_come_to_the_same_once_each_has_met_the_others(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("stations")
    with ExitStack() as undo:
        files = [
            undo.enter_context(closing(KeyMapFile(folder / f"{number}.sqlite", folder / f"{number}.key")))
            for number in range(STATIONS)
        ]
        for file in files:
            file._database.execute("PRAGMA synchronous = OFF")  # nothing here is about power cuts
        said: dict[str, set[str]] = {}
        gone: set[str] = set()

        def meet(one: int, other: int) -> None:
            files[one].take(files[other].content(), read_ring(folder / f"{other}.key"), 1)

        for now_us, (what, at, which) in enumerate(done, 1):
            file = files[at]
            known = file.pseudonyms()
            if what == "add":
                said[file.add(Details(name=f"n{now_us}"), "boss", now_us, another=True)] = {f"n{now_us}"}
            elif what == "meet":
                meet(at, which % STATIONS)
            elif what == "rotate":
                file.rotate(now_us)
            elif known and what == "revise":
                file.revise(known[which % len(known)], Details(contact=f"c{now_us}"), "boss", now_us)
            elif known:
                file.erase(known[which % len(known)], "boss", now_us)
                gone.add(known[which % len(known)])
        for _ in range(2):
            for one in range(STATIONS):
                for other in range(STATIONS):
                    meet(one, other)
        first, *others = [file.content() for file in files]
        assert all(other == first for other in others)
        assert set(first.entries) == set(said) - gone
        assert set(first.tombstones) == gone
        assert all(file.people() == files[0].people() for file in files)
        assert {person.name for person in files[0].people()} == {name for one in set(said) - gone for name in said[one]}
