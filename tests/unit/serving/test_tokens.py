import asyncio
import base64
import hmac
import json
import threading
import time

import jwt
import pytest
from callers import AUDIENCE, ISSUER, RULES, Issuer, forged, published
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.errors import SettingsError
from serving.callers.followed import FileSource, Followed, UrlSource
from serving.callers.identity import CredentialError, Identity, SigningKeysUnavailableError
from serving.callers.signing_keys import ALGORITHMS, SigningKeyFinder, signing_keys
from serving.callers.tokens import TokenRules, TokenVerifier

ISSUERS = {algorithm: Issuer(kid=algorithm.lower(), algorithm=algorithm) for algorithm in ALGORITHMS}
EDDSA = ISSUERS["EdDSA"]
FAR_OFF = 4_000_000_000
WHOLE_SET = json.dumps({"keys": [issuer.jwk() for issuer in ISSUERS.values()]}).encode()


def finder(content=WHOLE_SET, floor=30.0, clock=time.monotonic):
    class Fixed:
        def read(self):
            return content

    keys = Followed(Fixed(), signing_keys, "signing keys", 300)
    keys.load()
    return SigningKeyFinder(keys, floor, clock)


def identity(token, rules=RULES, keys=None):
    return asyncio.run(TokenVerifier(keys or finder(), rules).identity(token))


def refusal(token, **options):
    with pytest.raises(CredentialError) as refused:
        identity(token, **options)
    assert token.split(".")[1] not in str(refused.value)
    return refused.value.reason


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_proves_its_caller(algorithm):
    assert identity(ISSUERS[algorithm].token()) == Identity("jwt:desk", frozenset({"score"}))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": 0}, "expired"),
        ({"nbf": FAR_OFF}, "not_yet_valid"),
        ({"iat": FAR_OFF, "exp": FAR_OFF + 60}, "not_yet_valid"),
        ({"iss": ISSUER.rstrip("/")}, "wrong_issuer"),
        ({"iss": ISSUER + "x"}, "wrong_issuer"),
        ({"aud": "another"}, "wrong_audience"),
        ({"aud": ["another", AUDIENCE + "x"]}, "wrong_audience"),
        ({"aud": []}, "bad_claims"),
        ({"exp": None}, "bad_claims"),
        ({"iss": None}, "bad_claims"),
        ({"aud": None}, "bad_claims"),
        ({"sub": None}, "bad_claims"),
        ({"sub": ""}, "bad_claims"),
        ({"sub": "two\nlines"}, "bad_claims"),
        ({"sub": "x" * 201}, "bad_claims"),
    ],
)
def test_a_token_that_says_the_wrong_thing_is_refused(claims, reason):
    assert refusal(EDDSA.token(**claims)) == reason


@pytest.mark.parametrize("sub", [7, ["desk"], {"a": 1}, True])
def test_a_subject_that_is_no_text_is_refused(sub):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 60, "sub": sub}
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), EDDSA.private, "EdDSA", {"kid": EDDSA.kid})
    assert refusal(signed) == "bad_claims"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["soon", [1], {"a": 1}, float("inf"), float("nan")])
def test_a_time_that_is_no_time_is_refused(name, value):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "exp": int(time.time()) + 60} | {name: value}
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), EDDSA.private, "EdDSA", {"kid": EDDSA.kid})
    assert refusal(signed) in ("malformed", "bad_claims")


def test_clocks_may_differ_a_little():
    late, early = EDDSA.token(exp=time.time() - 2), EDDSA.token(nbf=time.time() + 2)
    assert identity(late) == identity(early)
    strict = TokenRules(ISSUER, AUDIENCE, "scope", 0)
    assert refusal(late, rules=strict) == "expired"


@pytest.mark.parametrize(
    ("claims", "claim", "scopes"),
    [
        ({"scope": "score explain"}, "scope", {"score", "explain"}),
        ({"scope": "openid  score profile"}, "scope", {"score"}),
        ({"scope": "scores SCORE"}, "scope", set()),
        ({"scope": None}, "scope", set()),
        ({"scope": 7}, "scope", set()),
        ({"scope": {"score": True}}, "scope", set()),
        ({"roles": ["admin", "decisions", 3]}, "roles", {"admin", "decisions"}),
        ({"roles": ["score explain"]}, "roles", set()),
        ({"scope": "admin", "roles": []}, "roles", set()),
    ],
)
def test_scopes_are_words_or_a_list_in_the_claim_that_is_set(claims, claim, scopes):
    rules = TokenRules(ISSUER, AUDIENCE, claim, 5)
    assert identity(EDDSA.token(**claims), rules=rules).scopes == scopes


def test_a_client_is_named_where_there_is_no_subject():
    assert identity(EDDSA.token(sub=None, client_id="batch")).name == "jwt:batch"


def test_a_token_of_no_algorithm_is_refused():
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "scope": "admin", "exp": now + 60}
    for algorithm in ("none", "None", "NONE", "", None):
        assert refusal(forged({"alg": algorithm, "kid": EDDSA.kid}, claims)) == "wrong_algorithm"
    assert refusal(forged({"kid": EDDSA.kid}, claims)) in ("wrong_algorithm", "malformed")


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_a_public_key_is_no_shared_secret(algorithm):
    issuer = ISSUERS["RS256"]
    public = issuer.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "scope": "admin", "exp": int(time.time()) + 60}
    unsigned = forged({"alg": algorithm, "kid": issuer.kid}, claims).removesuffix(".")
    mac = hmac.digest(public, unsigned.encode(), f"sha{algorithm[2:]}")
    token = f"{unsigned}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert refusal(token) == "wrong_algorithm"


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_other_algorithms_of_a_good_key_are_refused(algorithm):
    assert refusal(ISSUERS["RS256"].token(algorithm=algorithm)) == "wrong_algorithm"


def test_the_key_decides_about_the_algorithm():
    """An accepted algorithm that is not the key's own is refused, whoever signed."""
    signed_by_ec = ISSUERS["ES256"].token(headers={"kid": ISSUERS["RS256"].kid})
    assert refusal(signed_by_ec) == "wrong_algorithm"


def test_a_token_of_another_with_the_same_key_id_is_refused():
    assert refusal(Issuer(EDDSA.kid).token()) == "bad_signature"


@pytest.mark.parametrize("kid", ["unheard-of", "", 7, None])
def test_a_token_of_an_unknown_key_is_refused(kid):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "exp": int(time.time()) + 60}
    assert refusal(forged({"alg": "EdDSA", "kid": kid}, claims)) in ("unknown_signing_key", "malformed")


def test_a_token_whose_claims_were_changed_is_refused():
    header, _, signature = EDDSA.token().split(".")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "scope": "admin", "exp": int(time.time()) + 60}
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert refusal(f"{header}.{changed}.{signature}") == "bad_signature"


@settings(deadline=None)
@given(st.data())
def test_a_token_with_any_character_changed_is_refused(data):
    token = EDDSA.token()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab01-_.").filter(lambda char: char != token[at]))
    with pytest.raises(CredentialError):
        identity(token[:at] + other + token[at + 1 :])


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}", fullmatch=True))
def test_whatever_has_two_dots_is_refused(token):
    with pytest.raises(CredentialError):
        identity(token)


@pytest.mark.parametrize("extra", [{"crit": ["exp"]}, {"b64": False}, {"crit": ["b64"], "b64": False}])
def test_extensions_that_must_be_understood_are_refused(extra):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "exp": int(time.time()) + 60}
    header = {"alg": "EdDSA", "kid": EDDSA.kid} | extra
    assert refusal(forged(header, claims, b"x" * 64)) in ("malformed", "bad_signature")


def test_a_weak_key_is_refused():
    issuer = Issuer("weak", "RS256")
    issuer.private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "exp": int(time.time()) + 60}
    token = forged({"alg": "RS256", "kid": "weak"}, claims, b"x" * 128)
    assert refusal(token, keys=finder(issuer.jwks())) == "bad_signature"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": ["x"]}',
        b'{"keys": [{}]}',
        b"[" * 5_000,
        json.dumps({"keys": [{"kty": "oct", "kid": "a", "alg": "HS256"}]}).encode(),
        json.dumps({"keys": [EDDSA.jwk(alg="HS256")]}).encode(),
        json.dumps({"keys": [EDDSA.jwk(use="enc")]}).encode(),
        json.dumps({"keys": [EDDSA.jwk(kid=None)]}).encode(),
        json.dumps({"keys": [EDDSA.jwk(x="AA")]}).encode(),
        json.dumps({"keys": [EDDSA.jwk(crv="X25519")]}).encode(),
    ],
)
def test_a_set_without_a_key_that_we_accept_is_refused(content):
    with pytest.raises(SettingsError, match="JSON Web Key Set"):
        signing_keys(content)


@pytest.mark.parametrize("entry", [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}, EDDSA.jwk(d="c2VjcmV0")])
def test_a_set_with_a_secret_in_it_is_refused_without_showing_it(entry):
    with pytest.raises(SettingsError, match="private or shared key") as refused:
        signing_keys(json.dumps({"keys": [entry]}).encode())
    assert "c2VjcmV0" not in str(refused.value)


def test_keys_that_we_do_not_accept_are_left_aside():
    strange = [{"kty": "EC", "crv": "P-521", "kid": "p"}, {"kty": "new", "kid": "n"}]
    content = json.dumps({"keys": [*strange, EDDSA.jwk()]}).encode()
    assert list(signing_keys(content)) == [EDDSA.kid]


def test_a_key_without_an_algorithm_has_that_of_its_kind():
    for algorithm, issuer in ISSUERS.items():
        entry = issuer.jwk()
        del entry["alg"]
        (key,) = signing_keys(json.dumps({"keys": [entry]}).encode()).values()
        assert key.algorithm_name == algorithm


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_an_unknown_key_is_fetched_but_not_more_often_than_the_floor():
    first, second, invented = Issuer("first"), Issuer("second"), Issuer("invented")
    clock = Clock()
    with published(first.jwks()) as (url, state):
        keys = SigningKeyFinder(Followed(UrlSource(url), signing_keys, "signing keys", 300), 30, clock)
        verifier = TokenVerifier(keys, RULES)

        async def go():
            assert (await verifier.identity(first.token())).name == "jwt:desk"
            assert state.asked == 1
            state.body = json.dumps({"keys": [first.jwk(), second.jwk()]}).encode()
            with pytest.raises(CredentialError):
                await verifier.identity(second.token())  # too soon after the first fetch
            clock.now += 30
            assert (await verifier.identity(second.token())).name == "jwt:desk"
            for _ in range(20):
                with pytest.raises(CredentialError):
                    await verifier.identity(invented.token())
            assert state.asked == 2
            assert (await verifier.identity(first.token())).name == "jwt:desk"

        asyncio.run(go())


def test_an_issuer_that_is_away_costs_nobody_whose_key_is_known(caplog):
    clock = Clock()
    with published(EDDSA.jwks()) as (url, _):
        followed = Followed(UrlSource(url), signing_keys, "signing keys", 300)
        keys = SigningKeyFinder(followed, 30, clock)
        assert identity(EDDSA.token(), keys=keys).name == "jwt:desk"
    clock.now += 1_000
    followed.refresh()
    assert refusal(Issuer("other").token(), keys=keys) == "unknown_signing_key"
    assert identity(EDDSA.token(), keys=keys).name == "jwt:desk"


def test_without_any_set_a_token_cannot_be_checked(tmp_path):
    keys = SigningKeyFinder(Followed(FileSource(tmp_path / "none"), signing_keys, "signing keys", 300), 30)
    with pytest.raises(SigningKeysUnavailableError):
        identity(EDDSA.token(), keys=keys)


def test_requests_wait_together_for_one_fetch_and_the_loop_goes_on():
    asked, go_on = [], threading.Event()

    class Slow:
        def read(self):
            asked.append(threading.current_thread())
            assert go_on.wait(20)
            return EDDSA.jwks()

    async def go():
        verifier = TokenVerifier(SigningKeyFinder(Followed(Slow(), signing_keys, "keys", 300), 30), RULES)
        waiting = [asyncio.create_task(verifier.identity(EDDSA.token())) for _ in range(20)]
        while not asked:
            await asyncio.sleep(0.001)  # the loop runs although the fetch hangs
        assert not any(task.done() for task in waiting)
        go_on.set()
        return await asyncio.gather(*waiting)

    assert len(asyncio.run(go())) == 20
    assert len(asked) == 1
    assert asked[0] is not threading.main_thread()
