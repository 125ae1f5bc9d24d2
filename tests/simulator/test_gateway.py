"""ARM's front door: who may enter, where URLs lead, what is refused before any provider is asked."""

from datetime import timedelta

import pytest

from simulator import identity, worlds
from simulator.access import Role
from simulator.cloud import EPOCH, HOMEOSTAT, Cloud
from simulator.gateway import handle
from simulator.messages import Headers, Request
from tests.support.simulation import Answer, Client, answer

pytestmark = pytest.mark.wire

NETWORK = "/resourceGroups/rg-flask/providers/Microsoft.Network"
NSG = f"{NETWORK}/networkSecurityGroups/nsg-appservice-integration"
RULE = f"{NSG}/securityRules/allow-sql"
SETTINGS = "/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask/config/appsettings"
LOCK = "/providers/Microsoft.Authorization/locks/frozen"
ARM = "https://management.azure.com/"


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("guide"))


def code(refusal: Answer) -> str:
    return str(refusal.body["error"]["code"])


def lock(client: Client, scope: str, level: str) -> None:
    created = client("PUT", scope + LOCK, {"properties": {"level": level}}, "2020-05-01")
    assert created.status == 201


def bearing(cloud: Cloud, token: str | None) -> Answer:
    headers = Headers({"authorization": f"Bearer {token}"} if token else {})
    path = f"/subscriptions/{cloud.subscription}{NSG}"
    return answer(handle(cloud, Request("GET", path, {"api-version": "2024-05-01"}, headers), EPOCH))


class TestTokens:
    def test_a_valid_token_opens_the_door(self, client: Client) -> None:
        assert bearing(client.cloud, identity.issue(client.cloud, HOMEOSTAT, ARM, EPOCH)).status == 200

    def test_no_token_is_401_with_a_challenge(self, client: Client) -> None:
        refusal = bearing(client.cloud, None)
        assert (refusal.status, code(refusal)) == (401, "AuthenticationFailed")
        assert refusal.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")

    def test_an_expired_token_is_told_apart_from_an_invalid_one(self, client: Client) -> None:
        expired = identity.issue(client.cloud, HOMEOSTAT, ARM, EPOCH, lifetime=-1)
        assert code(bearing(client.cloud, expired)) == "ExpiredAuthenticationToken"
        assert code(bearing(client.cloud, "not.a.token")) == "InvalidAuthenticationToken"

    def test_a_token_for_another_audience_is_refused(self, client: Client) -> None:
        vault = identity.issue(client.cloud, HOMEOSTAT, "https://vault.azure.net", EPOCH)
        assert code(bearing(client.cloud, vault)) == "InvalidAuthenticationTokenAudience"

    def test_a_token_expires_while_it_is_in_use(self, client: Client) -> None:
        token = identity.issue(client.cloud, HOMEOSTAT, ARM, EPOCH, lifetime=60)
        headers = Headers({"authorization": f"Bearer {token}"})
        path = f"/subscriptions/{client.cloud.subscription}{NSG}"
        request = Request("GET", path, {"api-version": "2024-05-01"}, headers)
        assert handle(client.cloud, request, EPOCH).status == 200
        assert handle(client.cloud, request, EPOCH + timedelta(minutes=2)).status == 401


class TestManagedIdentity:
    def ask(self, cloud: Cloud, secret: str = identity.HEADER, **query: str) -> Answer:
        names = {"api-version": "2019-08-01", "resource": ARM, **query}
        headers = Headers({"X-IDENTITY-HEADER": secret})
        return answer(handle(cloud, Request("GET", identity.PATH, names, headers), EPOCH))

    def test_the_secret_header_is_needed(self, client: Client) -> None:
        assert self.ask(client.cloud, secret="wrong").status == 401

    def test_an_unknown_identity_is_400(self, client: Client) -> None:
        assert self.ask(client.cloud, client_id="00000000-0000-0000-0000-000000000000").status == 400

    def test_homeostats_client_id_gets_homeostats_token(self, client: Client) -> None:
        found = self.ask(client.cloud, client_id=HOMEOSTAT.app_id)
        assert found.status == 200
        assert int(found.body["expires_on"]) > EPOCH.timestamp()
        assert bearing(client.cloud, found.body["access_token"]).status == 200


class TestAddresses:
    def test_casing_does_not_matter_and_bodies_keep_their_own(self, client: Client) -> None:
        found = client("GET", NSG.upper().replace("/RESOURCEGROUPS", "/resourcegroups"))
        assert found.status == 200
        assert found.body["id"].endswith("/networkSecurityGroups/nsg-appservice-integration")

    @pytest.mark.parametrize(
        ("path", "version", "status", "expected"),
        [
            (
                "/resourceGroups/nowhere/providers/Microsoft.Network/virtualNetworks/v",
                None,
                404,
                "ResourceGroupNotFound",
            ),
            (f"{NETWORK}/virtualNetworks/absent", None, 404, "ResourceNotFound"),
            (f"{NSG}/securityRules/absent", None, 404, "NotFound"),
            (f"{NETWORK}/networkSecurityGroups/absent/securityRules/r", None, 404, "ResourceNotFound"),
            (f"{NETWORK}/flyingCarpets/f", None, 404, "InvalidResourceType"),
            ("/resourceGroups/rg-flask/providers/Contoso.Things/things/t", None, 404, "InvalidResourceNamespace"),
            (NSG, "2010-01-01", 400, "NoRegisteredProviderFound"),
            (NSG, "yesterday", 400, "NoRegisteredProviderFound"),
            ("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/r", None, 404, "SubscriptionNotFound"),
        ],
    )
    def test_each_wrong_address_has_its_own_code(
        self, client: Client, path: str, version: str | None, status: int, expected: str
    ) -> None:
        refusal = client("GET", path, api_version=version)
        assert (refusal.status, code(refusal)) == (status, expected)

    def test_an_api_version_is_needed(self, client: Client) -> None:
        path = f"/subscriptions/{client.cloud.subscription}{NSG}"
        refusal = answer(handle(client.cloud, Request("GET", path, caller=HOMEOSTAT), EPOCH))
        assert code(refusal) == "MissingApiVersionParameter"

    def test_a_child_needs_its_parent(self, client: Client) -> None:
        refusal = client("PUT", f"{NETWORK}/routeTables/absent/routes/r", {"properties": {}})
        assert (refusal.status, code(refusal)) == (404, "ParentResourceNotFound")

    def test_a_body_that_is_no_json_object_is_400(self, client: Client) -> None:
        path = f"/subscriptions/{client.cloud.subscription}{RULE}"
        for body in (b"{", b"[]", b""):
            request = Request("PUT", path, {"api-version": "2024-05-01"}, body=body, caller=HOMEOSTAT)
            refusal = answer(handle(client.cloud, request, EPOCH))
            assert (refusal.status, code(refusal)) == (400, "InvalidRequestContent")


class TestLocks:
    def test_cannot_delete_forbids_deletion_only(self, client: Client) -> None:
        lock(client, NSG, "CanNotDelete")
        refusal = client("DELETE", RULE)
        assert (refusal.status, code(refusal)) == (409, "ScopeLocked")
        assert client("PUT", RULE, client("GET", RULE).body).status == 200

    def test_read_only_forbids_even_the_post_that_lists_settings(self, client: Client) -> None:
        lock(client, "/resourceGroups/rg-flask", "ReadOnly")
        refusal = client("POST", f"{SETTINGS}/list", api_version="2024-04-01")
        assert (refusal.status, code(refusal)) == (409, "ScopeLocked")
        assert client("GET", RULE).status == 200

    def test_a_lock_that_is_gone_forbids_nothing(self, client: Client) -> None:
        subscription = f"/subscriptions/{client.cloud.subscription}"
        lock(client, subscription, "ReadOnly")
        assert client("DELETE", RULE).status == 409
        assert client("DELETE", subscription + LOCK, api_version="2020-05-01").status == 200
        assert client("DELETE", RULE).status == 202

    def test_a_lock_elsewhere_forbids_nothing(self, client: Client) -> None:
        lock(client, f"{NETWORK}/routeTables/rt-appservice-integration", "ReadOnly")
        assert client("DELETE", RULE).status == 202


class TestRoles:
    def test_the_subscriptions_are_listed_to_whoever_has_any_role(self, client: Client) -> None:
        client.cloud.role = Role.parse({"Actions": ["Microsoft.Web/sites/read"]})
        ours = Client(client.cloud, caller=HOMEOSTAT)
        assert len(ours("GET", "/subscriptions", api_version="2022-12-01").body["value"]) == 1
        assert ours("GET", f"/subscriptions/{client.cloud.subscription}", api_version="2022-12-01").status == 403

    def test_homeostats_identity_is_held_to_its_role_and_people_are_not(self, client: Client) -> None:
        client.cloud.role = Role.parse({"Actions": ["*/read"], "NotActions": []})
        rule = client("GET", RULE).body
        service = Client(client.cloud, caller=HOMEOSTAT)
        assert service("GET", RULE).status == 200
        refusal = service("PUT", RULE, rule)
        assert (refusal.status, code(refusal)) == (403, "AuthorizationFailed")
        assert "Microsoft.Network/networkSecurityGroups/securityRules/write" in refusal.body["error"]["message"]
        assert client("PUT", RULE, rule).status == 200

    def test_a_body_that_names_what_the_caller_may_not_join_is_refused(self, client: Client) -> None:
        role = Role.parse({"Actions": ["Microsoft.Network/*"], "NotActions": ["*/networkSecurityGroups/join/action"]})
        client.cloud.role = role
        subnet = f"{NETWORK}/virtualNetworks/vnet-appservice/subnets/snet-appservice-integration"
        body = client("GET", subnet).body
        service = Client(client.cloud, caller=HOMEOSTAT)
        refusal = service("PUT", subnet, body)
        assert (refusal.status, code(refusal)) == (403, "LinkedAuthorizationFailed")
        assert "'Microsoft.Network/networkSecurityGroups/join/action'" in refusal.body["error"]["message"]
        del body["properties"]["networkSecurityGroup"]
        assert service("PUT", subnet, body).status == 200
        assert client("PUT", subnet, body).status == 200

    def test_a_poll_needs_a_permission_of_its_own(self, client: Client) -> None:
        client.cloud.role = Role.parse({"Actions": ["Microsoft.Network/networkSecurityGroups/*"]})
        service = Client(client.cloud, caller=HOMEOSTAT)
        begun = service("PUT", RULE, client("GET", RULE).body)
        poll = begun.headers["azure-asyncoperation"].partition(".com")[2].partition("?")[0]
        assert code(service("GET", poll)) == "AuthorizationFailed"
        assert client("GET", poll).status == 200

    def test_what_a_person_was_shown_is_not_shown_to_whoever_lacks_the_permission(self, client: Client) -> None:
        service = Client(client.cloud, caller=HOMEOSTAT)
        assert service("GET", RULE).status == 200
        client.cloud.role = Role.parse({"Actions": []})
        assert client("GET", RULE).status == 200
        assert service("GET", RULE).status == 403

    def test_what_was_needed_is_noted(self, client: Client) -> None:
        client("GET", RULE)
        assert client.cloud.asked == set()
        Client(client.cloud, caller=HOMEOSTAT)("GET", RULE)
        assert client.cloud.asked == {"microsoft.network/networksecuritygroups/securityrules/read"}


class TestActivity:
    def test_a_write_is_recorded_with_its_caller_and_arms_own_operation_name(self, client: Client) -> None:
        start = client.cloud.activities.cursor
        sent = {"x-ms-correlation-request-id": "c-1", "x-ms-client-request-id": "r-1"}
        client("DELETE", RULE.lower(), headers=sent)
        records, _ = client.cloud.activities.since(start)
        assert [(each.operation_name, each.status, each.correlation_id) for each in records] == [
            ("Microsoft.Network/networkSecurityGroups/securityRules/delete", "Success", "c-1")
        ]
        assert records[0].caller.upn == "operator@contoso.example"

    def test_reads_leave_no_record_but_actions_and_failures_do(self, client: Client) -> None:
        start = client.cloud.activities.cursor
        client("GET", RULE)
        client("POST", f"{SETTINGS}/list", api_version="2024-04-01")
        client("PUT", RULE, {"properties": {"priority": 1}})
        records, _ = client.cloud.activities.since(start)
        assert [(each.operation_name.lower(), each.status) for each in records] == [
            ("microsoft.web/sites/config/list/action", "Success"),
            ("microsoft.network/networksecuritygroups/securityrules/write", "Failure"),
        ]

    def test_whoever_subscribed_is_woken(self, client: Client) -> None:
        woken: list[int] = []
        unsubscribe = client.cloud.activities.subscribe(lambda: woken.append(client.cloud.activities.cursor))
        client("DELETE", RULE)
        unsubscribe()
        client("PUT", NSG, {"location": "westeurope"})
        assert len(woken) == 1


class TestDeterminism:
    def test_equal_seeds_give_equal_answers_and_others_do_not(self) -> None:
        worlds_of = [worlds.dump(worlds.create("guide", seed=seed)) for seed in (7, 7, 8)]
        assert worlds_of[0] == worlds_of[1]
        assert worlds_of[0] != worlds_of[2]
