"""Accounts: passwords, lock-outs, and a file that keeps what is in it whatever is done to it."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from station.errors import AccountRefused, AccountsUnusable, NotAllowed, SignInRefused
from station.people.accounts import STRANGERS_KEPT, Accounts
from station.people.passwords import LockOut, usual_hasher
from station.people.sign_ins import SIGN_INS_MAX, SignIns

NOW_S = 1_780_000_000
GOOD = "three words in a row"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.sqlite"


@pytest.fixture
def accounts(path: Path) -> Iterator[Accounts]:
    book = Accounts(path, hasher=CHEAP)
    book.add("boss", "manager", GOOD, NOW_S)
    book.add("az-1", "operator", GOOD, NOW_S)
    yield book
    book.close()


def refused(accounts: Accounts, account: str, password: str, now_s: int = NOW_S) -> str:
    with pytest.raises(SignInRefused) as caught:
        accounts.sign_in(account, password, now_s)
    return caught.value.trouble.code


def test_whoever_knows_the_password_signs_in(accounts: Accounts, path: Path) -> None:
    assert accounts.sign_in("az-1", GOOD, NOW_S) == "operator"
    assert accounts.sign_in("boss", GOOD, NOW_S) == "manager"
    assert refused(accounts, "az-1", GOOD + " ") == "sign_in_refused"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert GOOD.encode() not in path.read_bytes()


def test_a_station_without_accounts_says_so_and_how_one_is_made(path: Path) -> None:
    book = Accounts(path, hasher=CHEAP)
    with pytest.raises(SignInRefused) as caught:
        book.sign_in("tech-1", GOOD, NOW_S)
    assert "no account at this station yet" in str(caught.value)
    assert "needlework account add ID --role manager" in caught.value.trouble.do
    book.close()


def test_keyboards_that_write_one_letter_in_two_ways_are_no_trouble(accounts: Accounts) -> None:
    accounts.set_password("az-1", "caf\u00e9 au lait noir", NOW_S)
    assert accounts.sign_in("az-1", "cafe\u0301 au lait noir", NOW_S) == "operator"


def test_failures_cost_more_and_more_time_and_then_a_manager(accounts: Accounts) -> None:
    now_s, waits = NOW_S, []
    for _ in range(LockOut().absolute):
        assert refused(accounts, "az-1", "wrong", now_s) == "sign_in_refused"
        (_boss, *_) = accounts.all(now_s)
        locked = next(one for one in accounts.all(now_s) if one.account == "az-1").locked_until_s
        waits.append(0 if locked is None else locked - now_s)
        if locked is not None:
            assert refused(accounts, "az-1", GOOD, locked - 1) == "locked_out"
            now_s = locked
    assert waits == [0, 0, 5, 10, 20, 40, 80, 160, 320, 640]
    assert refused(accounts, "az-1", GOOD, now_s + 10_000_000) == "locked_out"
    assert accounts.sign_in("boss", GOOD, now_s) == "manager"
    accounts.unlock("az-1", now_s)
    assert accounts.sign_in("az-1", GOOD, now_s) == "operator"


def test_success_forgets_failures_and_a_start_does_not(accounts: Accounts, path: Path) -> None:
    for _ in range(3):
        refused(accounts, "az-1", "wrong")
    accounts.close()
    again = Accounts(path, hasher=CHEAP)
    assert refused(again, "az-1", GOOD) == "locked_out"
    assert again.sign_in("az-1", GOOD, NOW_S + 5) == "operator"
    assert next(one for one in again.all(NOW_S) if one.account == "az-1").failures == 0
    again.close()


def test_a_name_nobody_has_fails_as_one_that_somebody_has(accounts: Accounts) -> None:
    for now_s in (NOW_S, NOW_S, NOW_S, NOW_S + 4, NOW_S + 5):
        told = []
        for account in ("az-1", "nobody"):
            with pytest.raises(SignInRefused) as caught:
                accounts.sign_in(account, "wrong", now_s)
            told.append(str(caught.value))
        assert told[0] == told[1]


def test_an_unknown_name_costs_one_hash_as_a_known_one_does(path: Path) -> None:
    class Counting(PasswordHasher):
        verified = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 the library's name
            Counting.verified += 1
            return super().verify(hash, password)

    book = Accounts(path, hasher=Counting(time_cost=1, memory_cost=8, parallelism=1))
    book.add("boss", "manager", GOOD, NOW_S)
    for account in ("boss", "nobody"):
        before = Counting.verified
        refused(book, account, "wrong")
        assert Counting.verified == before + 1
    book.close()


def test_what_was_typed_instead_of_a_name_is_written_nowhere(accounts: Accounts, path: Path) -> None:
    refused(accounts, "my secret password", "az-1")
    assert ("sign_in_refused", "") in [(noted.what, noted.account) for noted in accounts.noted()]
    assert b"my secret" not in path.read_bytes()
    for number in range(STRANGERS_KEPT + 5):
        refused(accounts, f"stranger-{number}", "wrong")
    assert len(accounts._strangers) == STRANGERS_KEPT


def test_a_disabled_account_is_told_so_to_who_knows_its_password_alone(accounts: Accounts) -> None:
    accounts.disable("az-1", NOW_S)
    assert refused(accounts, "az-1", GOOD) == "account_disabled"
    assert refused(accounts, "az-1", "wrong") == "sign_in_refused"
    accounts.unlock("az-1", NOW_S)
    assert accounts.sign_in("az-1", GOOD, NOW_S) == "operator"


@pytest.mark.parametrize(
    ("account", "password", "code"),
    [
        ("boss", GOOD, "account_exists"),
        ("demo-physician", GOOD, "not_an_id"),
        ("Jane Doe", GOOD, "not_an_id"),
        ("", GOOD, "not_an_id"),
        ("az-2", "short", "password"),
        ("az-2", "x" * 20, "password"),
        ("az-2", "x" * 201, "password"),
        ("az-2", "hunter az-2 hunter", "password"),
    ],
)
def test_accounts_that_are_not_made(accounts: Accounts, account: str, password: str, code: str) -> None:
    before = accounts.all(NOW_S)
    with pytest.raises(AccountRefused) as caught:
        accounts.add(account, "operator", password, NOW_S)
    assert caught.value.trouble.code == code
    assert accounts.all(NOW_S) == before


def test_the_first_account_is_a_managers(path: Path) -> None:
    book = Accounts(path, hasher=CHEAP)
    with pytest.raises(AccountRefused, match="manager's"):
        book.add("az-1", "operator", GOOD, NOW_S)
    assert (book.all(NOW_S), book.noted()) == ((), ())
    book.close()


def test_what_there_is_none_of_is_not_changed(accounts: Accounts) -> None:
    for change in (accounts.disable, accounts.unlock):
        with pytest.raises(AccountRefused, match="no account az-9"):
            change("az-9", NOW_S)
    with pytest.raises(AccountRefused, match="no account az-9"):
        accounts.set_password("az-9", GOOD, NOW_S)


def test_every_change_is_noted_until_it_is_journalled(accounts: Accounts) -> None:
    accounts.sign_in("az-1", GOOD, NOW_S)
    for _ in range(3):
        refused(accounts, "az-1", "wrong")
    noted = accounts.noted()
    assert [(one.what, one.account) for one in noted] == [
        ("account_added", "boss"),
        ("account_added", "az-1"),
        ("signed_in", "az-1"),
        ("sign_in_refused", "az-1"),
        ("sign_in_refused", "az-1"),
        ("sign_in_refused", "az-1"),
        ("locked_out", "az-1"),
    ]
    accounts.forget(noted[-2].number)
    assert accounts.noted() == noted[-1:]


def test_a_better_hash_takes_the_place_of_an_older_one(accounts: Accounts, path: Path) -> None:
    accounts.close()
    better = Accounts(path, hasher=PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert better.sign_in("az-1", GOOD, NOW_S) == "operator"
    better.close()
    other = sqlite3.connect(path)
    (hashed,) = other.execute("SELECT hash FROM accounts WHERE account = 'az-1'").fetchone()
    other.close()
    assert "m=16,t=2" in hashed
    assert "$argon2id$" in hashed


def test_the_usual_hash_is_at_least_what_owasp_asks_for() -> None:
    hasher = usual_hasher()
    assert (hasher.memory_cost >= 19456, hasher.time_cost >= 2, hasher.type.name) == (True, True, "ID")


@pytest.mark.parametrize("damage", ["head", "middle", "other", "empty kind"])
def test_a_damaged_file_is_refused_and_left_as_it_is(accounts: Accounts, path: Path, damage: str) -> None:
    accounts.close()
    content = bytearray(path.read_bytes())
    if damage == "head":
        content[:16] = b"no database here"
    elif damage == "middle":
        content[4096:] = bytes(len(content) - 4096)
    elif damage == "empty kind":
        content = bytearray(b"just a text, longer than a database's head would be at the very least, honestly so")
    else:
        path.unlink()
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE things (name TEXT)")
        other.close()
        content = bytearray(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(AccountsUnusable) as caught:
        Accounts(path, hasher=CHEAP)
    assert "left as it was" in str(caught.value)
    assert "STOP works" in str(caught.value)
    assert path.read_bytes() == content


def test_a_role_of_another_version_is_no_role_of_this_one(accounts: Accounts, path: Path) -> None:
    accounts.close()
    other = sqlite3.connect(path)
    other.execute("UPDATE accounts SET role = 'wizard' WHERE account = 'az-1'")
    other.commit()
    other.close()
    again = Accounts(path, hasher=CHEAP)
    with pytest.raises(AccountsUnusable, match="wizard"):
        again.sign_in("az-1", GOOD, NOW_S)
    again.close()


@settings(max_examples=25)  # each change waits for the disk, as it does in a clinic
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1000)), max_size=15))
def test_no_password_opens_a_locked_account(
    tmp_path_factory: pytest.TempPathFactory, tries: list[tuple[bool, int]]
) -> None:
    rule = LockOut()
    book = Accounts(tmp_path_factory.mktemp("locks") / "a.sqlite", hasher=CHEAP)
    book.add("boss", "manager", GOOD, NOW_S)
    now_s, failures, locked_until_s = NOW_S, 0, 0
    for right, wait_s in tries:
        now_s += wait_s
        open_ = failures < rule.absolute and now_s >= locked_until_s
        if open_ and right:
            assert book.sign_in("boss", GOOD, now_s) == "manager"
            failures, locked_until_s = 0, 0
            continue
        assert refused(book, "boss", GOOD if right else "wrong", now_s) == (
            "sign_in_refused" if open_ else "locked_out"
        )
        if open_:
            failures += 1
            locked_until_s = now_s + rule.wait_s(failures)
    book.close()


# Who is signed in -----------------------------------------------------------------------------------------------------


def sign_ins() -> SignIns:
    numbers = iter(range(10_000))
    return SignIns(900.0, lambda: f"token-{next(numbers)}")


def test_a_sign_in_ends_when_it_is_not_used() -> None:
    book = sign_ins()
    token = book.begin("az-1", "operator", 0.0).token
    assert book.of(token, 899.0).account == "az-1"
    assert book.of(token, 1798.0).account == "az-1"
    with pytest.raises(SignInRefused, match="has ended"):
        book.of(token, 2698.0)
    with pytest.raises(SignInRefused, match="Nobody is signed in"):
        book.of(token, 2698.0)


def test_who_is_not_entitled_is_told_who_is() -> None:
    book = sign_ins()
    token = book.begin("az-1", "operator", 0.0).token
    with pytest.raises(NotAllowed, match="az-1 is no physician"):
        book.entitled(token, ("physician",), 1.0)
    assert book.entitled(token, ("operator", "physician"), 1.0).account == "az-1"


def test_sign_ins_are_ended_one_by_one_by_account_and_by_number() -> None:
    book = sign_ins()
    first, second = book.begin("az-1", "operator", 0.0), book.begin("az-1", "operator", 1.0)
    assert book.end(first.token) is not None
    assert book.end(first.token) is None
    book.end_account("az-1")
    for token in (first.token, second.token, ""):
        with pytest.raises(SignInRefused):
            book.of(token, 2.0)
    tokens = [book.begin("az-1", "operator", float(number)).token for number in range(SIGN_INS_MAX + 1)]
    with pytest.raises(SignInRefused):
        book.of(tokens[0], 300.0)
    assert book.of(tokens[1], 300.0).account == "az-1"
