"""Certificates as files: signed, read back, and every way in which one is not what was issued."""

import hashlib
import json
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as some

from logger.certificate.canonical import MAX_BYTES, canonical, laid_out, read_laid_out
from logger.certificate.document import Body, Private
from logger.certificate.folder import CertificateFolder
from logger.certificate.label import label_text, read_label
from logger.certificate.number import new_number, read_number
from logger.certificate.sealing import SIGNED_FOR, Sealed, open_certificate, private_sha256, seal, withheld
from logger.certificate.verify import Issue, Verification, verify_certificate
from logger.errors import CertificateNotFound, CertificateRefused, CodeError
from logger.proof.checkpoints import key_id
from logger.proof.verification_code import SYMBOLS
from tests.logger.certificates import KEY, NUMBER, body, example, private_part

TODAY = date(2026, 11, 26)
ID = key_id(KEY.public_key().public_bytes_raw())
VECTORS = Path(__file__).parents[1] / "vectors" / "certificates"


@cache
def sealed() -> Sealed:
    return example()


def judged(content: bytes, **how: Any) -> Verification:
    return verify_certificate(content, "a.json", **{"known": {ID: "the bench's"}, "today": TODAY, **how})


def codes(content: bytes, **how: Any) -> list[str]:
    return [finding.code for finding in judged(content, **how).findings]


def signed(said: dict[str, Any], private: dict[str, Any] | None, key: Ed25519PrivateKey = KEY) -> bytes:
    """A file that somebody signed who writes what they like."""
    parts = {
        "body": said,
        "public_key": key.public_key().public_bytes_raw().hex(),
        "signature": key.sign(SIGNED_FOR + canonical(said)).hex(),
    }
    return laid_out(parts if private is None else {**parts, "private": private})


# What comes back is what was issued -----------------------------------------------------------------------------------


def test_what_was_issued_is_read_back_and_genuine() -> None:
    opened = open_certificate(sealed().content, "a.json")
    assert opened.certificate == sealed().certificate
    assert (opened.key_id, opened.sha256) == (ID, sealed().sha256)
    result = judged(sealed().content)
    assert (result.outcome, result.findings, result.key_known_from) == ("genuine", (), "the bench's")


def test_names_can_be_left_out_and_the_rest_is_still_signed() -> None:
    public = withheld(sealed().content, "a.json")
    told = public.decode()
    for name in ("Jane Example", "Needle Street", "Tim", "Hanna", "Weaver", "Dust", "Dropped", "in air"):
        assert name in sealed().content.decode()
        assert name not in told
    assert private_part().salt not in told, "with the salt, names could be tried one after another"
    result = judged(public)
    assert result.outcome == "genuine"
    assert result.certificate is not None
    assert (result.certificate.private, result.certificate.body) == (None, sealed().certificate.body)
    assert any("left out" in note for note in result.notes)


def test_a_salt_makes_the_same_names_another_digest() -> None:
    private = private_part()
    assert private_sha256(private) != private_sha256(private.model_copy(update={"salt": "ff" * 16}))


def test_a_body_is_not_sealed_with_another_private_part() -> None:
    private = private_part()
    with pytest.raises(ValueError, match="another private part"):
        seal(body(private), private.model_copy(update={"place": "elsewhere"}), KEY)


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_certificates_of_every_version_ever_issued_are_read(path: Path) -> None:
    content = path.read_bytes()
    result = judged(content)
    assert result.outcome == "genuine"
    assert result.certificate is not None
    assert result.certificate.private is not None


def test_the_first_version_is_among_them() -> None:
    """It is never made anew: a certificate lasts longer than the version that issued it."""
    assert (VECTORS / "v1.json").is_file()


# What was changed is found --------------------------------------------------------------------------------------------


@given(some.integers(0, 10**6), some.integers(1, 255))
def test_no_byte_can_be_changed(place: int, by: int) -> None:
    content = bytearray(sealed().content)
    content[place % len(content)] ^= by
    assert judged(bytes(content)).outcome == "changed"


@given(some.integers(0, 10**6))
def test_no_part_can_be_cut_off(length: int) -> None:
    content = sealed().content
    assert judged(content[: length % len(content)]).outcome == "changed"


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an error": lambda file: file["body"]["results"][0]["stages"][0]["points"][0].update(error=1000),
    "a due date": lambda file: file["body"].update(due_on="2036-11-26"),
    "another pen": lambda file: file["body"]["instrument"].update(serial="SIM-0043"),
    "another customer": lambda file: file["private"]["customer"].update(name="Somebody else"),
    "a remark more": lambda file: file["private"]["remarks"].append("Best pen ever."),
    "names thrown away, in part": lambda file: file["private"].update(people={}),
    "another's signature": lambda file: file.update(signature="ab" * 64),
    "another's key": lambda file: file.update(
        public_key=Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw().hex()
    ),
    "no key": lambda file: file.update(public_key="zz"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_certificate_is_found(what: str) -> None:
    file = json.loads(sealed().content)
    EDITS[what](file)
    assert codes(laid_out(file)) == ["changed"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]\n", b"{}\n", b"null\n", b"\xff", b"{" * 10_000, b"nan\n",
        laid_out({"body": {"format": "something/1"}, "public_key": "00" * 32, "signature": "00" * 64}),
        laid_out({"body": [], "public_key": "00" * 32, "signature": "00" * 64}),
        b" " * (MAX_BYTES + 1),
    ],
)  # fmt: skip
def test_what_is_none_of_ours_is_said_to_be_none(content: bytes) -> None:
    result = judged(content)
    assert (result.outcome, result.certificate) == ("changed", None)
    assert [finding.code for finding in result.findings] == ["not_ours"]


def test_two_spellings_of_one_document_are_not_both_the_certificate() -> None:
    """Saved anew by an editor, it says the same and is another file: its digest is on a label."""
    again = json.dumps(json.loads(sealed().content)).encode()
    assert codes(again) == ["changed"]
    twice = sealed().content.replace(b'"number":', b'"number": "C261126-00000000",\n  "number":', 1)
    assert json.loads(twice) == json.loads(sealed().content), "the second of two keys wins"
    assert codes(twice) == ["changed"]


def test_names_of_another_certificate_do_not_fit() -> None:
    file = json.loads(sealed().content)
    file["private"] = json.loads(example(condition="as new").content)["private"]
    assert codes(laid_out(file)) == ["changed"]


# Whose key it is ------------------------------------------------------------------------------------------------------


def test_a_key_nobody_knows_is_no_proof() -> None:
    result = judged(sealed().content, known={})
    assert (result.outcome, [finding.code for finding in result.findings]) == ("unknown_key", ["unknown_key"])


def test_where_keys_were_noted_no_other_counts() -> None:
    assert judged(sealed().content, known={}, trusted={ID}).outcome == "genuine"
    result = judged(sealed().content, trusted={"0123456789abcdef"})
    assert (result.outcome, result.findings[0].code) == ("changed", "other_key")


def test_a_forger_with_a_key_of_their_own_is_told_from_the_laboratory() -> None:
    private = private_part()
    forged = seal(body(private), private, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    assert judged(forged.content).outcome == "unknown_key"
    assert judged(forged.content, trusted={ID}).outcome == "changed"


def test_a_record_that_tells_of_another_file_speaks_against_it() -> None:
    sound = Issue(NUMBER, (sealed().sha256, "00" * 32), "the journal, entry 7")
    result = judged(sealed().content, issues=[sound])
    assert result.outcome == "genuine"
    assert any("the journal, entry 7" in note for note in result.notes)
    other = Issue(NUMBER, ("11" * 32, "22" * 32), "the journal, entry 7")
    assert codes(sealed().content, issues=[other]) == ["other_file"]
    unrelated = Issue("C261126-00000000", ("11" * 32, "22" * 32), "the journal, entry 8")
    assert judged(sealed().content, issues=[unrelated]).outcome == "genuine"


def test_a_label_of_another_file_is_found() -> None:
    number, digest = read_label(label_text(NUMBER, sealed().sha256))
    assert number == NUMBER
    assert judged(sealed().content, digest=digest).outcome == "genuine"
    assert codes(example(condition="another").content, digest=digest) == ["other_file"]


def test_a_copy_without_names_is_of_the_label_where_a_record_says_so() -> None:
    _, digest = read_label(label_text(NUMBER, sealed().sha256))
    copy = withheld(sealed().content, "a")
    assert codes(copy, digest=digest) == ["not_told"]
    issue = Issue(NUMBER, (sealed().sha256, hashlib.sha256(copy).hexdigest()), "the journal")
    assert judged(copy, digest=digest, issues=[issue]).outcome == "genuine"
    _, other = read_label(label_text(NUMBER, "77" * 32))
    assert codes(copy, digest=other, issues=[issue]) == ["other_file"]


def test_one_that_was_issued_anew_is_not_to_be_gone_by() -> None:
    newer = Issue("C261127-00000000", ("11" * 32, "22" * 32), "the journal, entry 9", replaces=NUMBER)
    result = judged(sealed().content, issues=[newer])
    assert (result.outcome, [finding.code for finding in result.findings]) == ("doubtful", ["replaced"])
    assert "C261127-00000000 has its place" in result.findings[0].sentence


def test_a_key_of_one_station_does_not_speak_for_another() -> None:
    station = sealed().certificate.body.station
    assert judged(sealed().content, stations={ID: {station, "room-2"}}).outcome == "genuine"
    assert codes(sealed().content, stations={ID: {"room-2"}}) == ["other_station"]


def test_a_print_is_said_to_be_one() -> None:
    result = judged(b"%PDF-1.7 ...")
    assert (result.outcome, result.findings[0].code) == ("changed", "not_ours")
    assert "it is a PDF" in result.findings[0].sentence


# What it hangs on -----------------------------------------------------------------------------------------------------


def with_body(**changed: Any) -> bytes:
    return example(**changed).content


def test_a_reference_past_its_due_date_is_found() -> None:
    references = sealed().certificate.body.references
    late = references[0].model_copy(update={"due_on": "2026-11-25"})
    result = judged(with_body(references=(late, *references[1:])))
    assert (result.outcome, [finding.code for finding in result.findings]) == ("doubtful", ["expired_reference"])
    assert "EXAMPLE-G1" in result.findings[0].sentence
    assert "2026-11-25" in result.findings[0].sentence
    last_day = references[0].model_copy(update={"due_on": "2026-11-26"})
    assert judged(with_body(references=(last_day, *references[1:]))).outcome == "genuine"


def test_a_reference_calibrated_afterwards_is_found() -> None:
    references = sealed().certificate.body.references
    early = references[0].model_copy(update={"calibrated_on": "2026-11-27"})
    assert codes(with_body(references=(early, *references[1:]))) == ["reference_not_yet_valid"]


def test_air_outside_the_limits_is_found() -> None:
    air = sealed().certificate.body.environment.model_copy(update={"temperature_dc": (169, 224)})
    assert codes(with_body(environment=air)) == ["outside_environment"]


def test_a_verdict_that_does_not_follow_is_found() -> None:
    """The station signed it, so the signature is sound; the rule says otherwise."""
    depth, rate = sealed().certificate.body.results
    stage = depth.stages[0]
    assert stage.points[-1].verdict == "failed"
    kinder = stage.points[-1].model_copy(update={"verdict": "passed"})
    wrong = stage.model_copy(update={"points": (*stage.points[:-1], kinder)})
    series = depth.model_copy(update={"stages": (wrong, depth.stages[1])})
    result = judged(with_body(results=(series, rate)))
    assert (result.outcome, [finding.code for finding in result.findings]) == ("doubtful", ["does_not_follow"])
    assert "Depth, as found" in result.findings[0].sentence


def test_in_tolerance_with_a_point_that_is_not_is_found() -> None:
    depth, rate = sealed().certificate.body.results
    kinder = depth.stages[0].model_copy(update={"in_tolerance": True})
    series = depth.model_copy(update={"stages": (kinder, depth.stages[1])})
    result = judged(with_body(results=(series, rate)))
    assert [finding.sentence for finding in result.findings] == [
        "Depth, as found: it says in tolerance, and a point of it is not."
    ]
    assert rate.droop
    loaded = rate.model_copy(update={"droop": (rate.droop[0].model_copy(update={"verdict": "failed"}),)})
    assert codes(with_body(results=(depth, loaded))) == ["does_not_follow"]


@pytest.mark.parametrize("field", ["standard_milli", "expanded_milli", "factor_milli"])
def test_an_uncertainty_that_is_not_its_budgets_is_found(field: str) -> None:
    depth, rate = sealed().certificate.body.results
    stage = depth.stages[1]
    budget = stage.budget.model_copy(update={field: getattr(stage.budget, field) * 9 // 10})
    wrong = stage.model_copy(update={"budget": budget})
    series = depth.model_copy(update={"stages": (depth.stages[0], wrong)})
    assert codes(with_body(results=(series, rate))) == ["does_not_follow"]


def test_a_later_version_is_checked_and_not_guessed_at() -> None:
    said = json.loads(sealed().content)["body"] | {"format": "needlework-certificate/2", "new": {"so": "so"}}
    content = signed(said, None)
    result = judged(content)
    assert (result.outcome, [finding.code for finding in result.findings]) == ("doubtful", ["later_version"])
    assert (result.certificate, result.key_id) == (None, ID)
    assert codes(content.replace(b'"so": "so"', b'"so": "no"')) == ["changed"]


def test_what_no_certificate_says_is_refused_though_signed() -> None:
    said = json.loads(sealed().content)["body"]
    said["results"][0]["stages"][0]["points"][0]["error"] = "none"
    assert codes(signed(said, None)) == ["not_ours"]


def test_notes_tell_what_a_reader_should_know_and_change_no_verdict() -> None:
    result = verify_certificate(sealed().content, "a", known={ID: "here"}, today=date(2027, 11, 27))
    assert result.outcome == "genuine"
    assert any("was due on 2027-11-26" in note for note in result.notes)
    assert verify_certificate(sealed().content, "a", known={ID: "here"}, today=date(2027, 11, 26)).notes == ()


# One spelling ---------------------------------------------------------------------------------------------------------

DOCUMENTS = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53) + 1, 2**53 - 1) | some.text(),
    lambda inner: (
        some.lists(inner, max_size=4)
        | some.dictionaries(some.text(alphabet="abcdefgh_", max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_a_document_has_one_spelling_and_says_the_same(document: Any) -> None:
    assert json.loads(canonical(document)) == document
    assert read_laid_out(laid_out(document), "x") == document
    assert canonical(json.loads(laid_out(document))) == canonical(document)


@pytest.mark.parametrize("document", [1.5, float("nan"), 2**53, {1: 2}, {"ä": 1}, ["\ud800"], object(), {"a": b"b"}])
def test_what_has_more_than_one_spelling_is_not_signed(document: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical(document)


def test_the_spelling_is_that_of_rfc_8785() -> None:
    """An example of our own by its rules: keys in order, no blanks, only what must be escaped."""
    document = {"b": [1, True, None], "a": 'é\n"\\\u0001€/'}
    assert canonical(document) == '{"a":"é\\n\\"\\\\\\u0001€/","b":[1,true,null]}'.encode()


# Numbers and labels ---------------------------------------------------------------------------------------------------


def test_a_number_fits_into_a_pen_and_tells_kind_and_day() -> None:
    number = new_number("calibration", date(2026, 11, 26), lambda count: bytes(range(count)))
    assert len(number) == 16
    assert number.startswith("C261126-")
    assert new_number("accuracy_test", date(2026, 1, 2), bytes).startswith("T260102-")
    assert read_number(f" {number.lower()} ") == number


@given(some.binary(min_size=5, max_size=5), some.integers(0, 14), some.sampled_from(SYMBOLS))
def test_a_mistyped_number_is_refused(drawn: bytes, place: int, symbol: str) -> None:
    number = new_number("calibration", TODAY, lambda _: drawn)
    signs = list(number)
    place += place >= 7  # the dash
    if signs[place] == symbol:
        assert read_number(number) == number
        return
    signs[place] = symbol
    with pytest.raises(CodeError):
        read_number("".join(signs))


@given(some.binary(min_size=5, max_size=5), some.integers(8, 14))
def test_two_neighbours_exchanged_are_refused(drawn: bytes, place: int) -> None:
    number = new_number("calibration", TODAY, lambda _: drawn)
    signs = list(number)
    signs[place], signs[place + 1] = signs[place + 1], signs[place]
    if "".join(signs) != number:
        with pytest.raises(CodeError):
            read_number("".join(signs))


@given(some.binary(min_size=32, max_size=32))
def test_a_label_says_which_file(digest: bytes) -> None:
    text = label_text(NUMBER, digest.hex())
    assert set(text) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"), "what QR holds most tightly"
    assert read_label(text.lower()) == (NUMBER, digest.hex()[:30])


@pytest.mark.parametrize("text", ["", "NEEDLEWORK:", NUMBER, f"NEEDLEWORK:{NUMBER}:123", "https://clinic.example"])
def test_another_code_is_no_label(text: str) -> None:
    with pytest.raises(CodeError):
        read_label(text)


# The folder -----------------------------------------------------------------------------------------------------------


def test_a_folder_keeps_each_number_once(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path / "certificates")
    assert (list(folder.all()), folder.has(NUMBER)) == ([], False)
    path = folder.keep(sealed())
    assert (path.read_bytes(), folder.has(NUMBER)) == (sealed().content, True)
    assert folder.keep(sealed()) == path, "issued again after a crash, it is the same"
    with pytest.raises(CertificateRefused, match="already") as refused:
        folder.keep(example(condition="another"))
    assert refused.value.code == "number_taken"
    assert path.read_bytes() == sealed().content
    assert folder.read(NUMBER) == (path, sealed().content)
    assert (path.parent.stat().st_mode & 0o077, path.stat().st_mode & 0o077) == (0, 0), "customers' names are in it"
    with pytest.raises(CertificateNotFound):
        folder.read("C261126-00000000")


def test_a_damaged_file_in_it_is_named_and_hides_no_other(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path)
    folder.keep(sealed())
    damaged = folder.file_of("C261126-0000000G")
    damaged.write_bytes(sealed().content[:-9])
    (tmp_path / "notes.json").write_text("mine")
    found = {kept.path.stem: kept for kept in folder.all()}
    assert found[NUMBER].certificate == sealed().certificate
    others = [kept for kept in found.values() if kept.path.stem != NUMBER]
    assert [bool(kept.problem) for kept in others] == [True] * len(others)


def test_models_are_closed() -> None:
    said = sealed().certificate.body.model_dump(mode="json")
    with pytest.raises(ValueError, match="extra"):
        Body.model_validate_json(json.dumps({**said, "accredited": True}))
    assert Private.model_validate_json(private_part().model_dump_json()) == private_part()
