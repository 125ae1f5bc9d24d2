"""Who asks is who App Service vouches for, and a header that anybody could have sent is not believed."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.access import KEY_HOLDER, AppRole, Auth, Caller, CallerKind
from homeostat.web.principals import PRINCIPAL, NotSignedIn, RoleMissing, budget_of, caller_of, permit

pytestmark = pytest.mark.unit

OBJECT_ID = "11111111-0000-4000-8000-000000000001"
LONG_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
LONG_ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
LONG_UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"


def principal(*claims: tuple[str, Any], auth_typ: Any = "aad", role_typ: str = "roles") -> dict[str, str]:
    listed = [{"typ": typ, "val": value} for typ, value in claims]
    body = {"auth_typ": auth_typ, "name_typ": "name", "role_typ": role_typ, "claims": listed}
    return {PRINCIPAL: base64.b64encode(json.dumps(body).encode()).decode()}


ANNA = (("oid", OBJECT_ID), ("preferred_username", "anna@contoso.example"))


def entra(headers: dict[str, str]) -> Caller:
    return caller_of(headers, Auth.ENTRA)


def test_a_user_is_known_by_name_object_id_and_roles() -> None:
    caller = entra(principal(*ANNA, ("roles", "Homeostat.Operate"), ("roles", "Homeostat.Pause")))
    assert caller == Caller(
        "anna@contoso.example", OBJECT_ID, frozenset({AppRole.OPERATE, AppRole.PAUSE}), CallerKind.USER
    )


def test_claims_are_understood_by_their_long_names_too() -> None:
    claims = ((LONG_OBJECT_ID, OBJECT_ID), (LONG_UPN, "anna@contoso.example"), (LONG_ROLE, "Homeostat.Approve"))
    caller = entra(principal(*claims, role_typ=LONG_ROLE))
    assert (caller.name, caller.object_id) == ("anna@contoso.example", OBJECT_ID)
    assert caller.roles == frozenset({AppRole.APPROVE})


def test_an_application_is_named_by_its_client_id() -> None:
    caller = entra(principal(("oid", OBJECT_ID), ("azp", "client-id"), ("roles", "Homeostat.RollBack")))
    assert (caller.name, caller.kind, caller.roles) == (
        "application client-id",
        CallerKind.APPLICATION,
        frozenset({AppRole.ROLL_BACK}),
    )


def test_an_application_cannot_pass_for_a_user_by_a_claim_of_its_own() -> None:
    claims = (*ANNA, ("idtyp", "app"), ("appid", "client-id"))
    assert entra(principal(*claims)).name == "application client-id"


def test_roles_of_other_applications_count_for_nothing() -> None:
    assert (
        entra(principal(*ANNA, ("roles", "Homeostat.Everything"), ("groups", "Homeostat.Operate"))).roles == frozenset()
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {PRINCIPAL: ""},
        {PRINCIPAL: "%%%"},
        {PRINCIPAL: "ä"},
        {PRINCIPAL: base64.b64encode(b"[" * 50_000).decode()},
        {PRINCIPAL: base64.b64encode(b"\xff").decode()},
        {PRINCIPAL: base64.b64encode(b'{"auth_typ": "aad", "claims": 7}').decode()},
        {"x-ms-client-principal-name": "anna@contoso.example", "x-ms-client-principal-id": OBJECT_ID},
        principal(("preferred_username", "anna@contoso.example")),
        principal(("oid", 7)),
        principal(*ANNA, auth_typ="github"),
        principal(*ANNA, auth_typ=None),
    ],
    ids=[
        "none",
        "empty",
        "no base64",
        "no ASCII",
        "deep",
        "no UTF-8",
        "no claims",
        "names alone",
        "nobody",
        "number",
        "another provider",
        "none at all",
    ],
)
def test_without_a_principal_of_entra_nobody_is_signed_in(headers: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn, match="sign in with Microsoft Entra"):
        entra(headers)


def test_where_keys_are_all_that_is_asked_a_principal_is_not_believed() -> None:
    forged = {**principal(*ANNA), "x-ms-client-principal-name": "the director"}
    assert caller_of(forged, Auth.KEYS) == KEY_HOLDER


def test_what_is_missing_is_named_with_what_is_there() -> None:
    caller = entra(principal(*ANNA, ("roles", "Homeostat.Read")))
    permit(caller, AppRole.READ)
    with pytest.raises(RoleMissing, match=r"needs the app role Homeostat\.Pause; anna@contoso.example has .*Read"):
        permit(caller, AppRole.PAUSE)


def test_a_name_cannot_break_a_line_of_the_log() -> None:
    caller = entra(principal(("oid", OBJECT_ID), ("preferred_username", "anna\nERROR forged\ud800" + "x" * 1000)))
    assert caller.name.startswith("anna?ERROR forged?xxx")
    assert len(caller.name) == 200


@given(st.binary(max_size=200))
def test_whatever_the_header_holds_it_is_a_caller_or_nobody(raw: bytes) -> None:
    try:
        caller = entra({PRINCIPAL: base64.b64encode(raw).decode()})
    except NotSignedIn:
        return
    assert caller.object_id


# --- whose requests are counted together ---


def test_a_principal_has_a_budget_of_its_own_and_else_each_key_has() -> None:
    headers = principal(*ANNA)
    assert budget_of(headers, {}, Auth.ENTRA) == OBJECT_ID
    assert budget_of(headers, {"code": "a"}, Auth.KEYS) == budget_of({"x-functions-key": "a"}, {}, Auth.KEYS)
    assert budget_of({}, {"code": "a"}, Auth.KEYS) != budget_of({}, {"code": "b"}, Auth.KEYS)


def test_a_key_is_not_kept() -> None:
    assert "secret-key" not in budget_of({"x-functions-key": "secret-key"}, {}, Auth.KEYS)
    assert budget_of({}, {"code": "\ud800"}, Auth.KEYS)
