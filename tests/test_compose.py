"""The compose file: one pinned server, reached from this machine only, its password from outside."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ipgraph.graphstore.server.connection import require_version

COMPOSE = Path(__file__).parent.parent / "docker-compose.yml"


@pytest.fixture
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return content


@pytest.fixture
def service(compose: dict[str, Any]) -> dict[str, Any]:
    assert list(compose["services"]) == ["neo4j"]
    found: dict[str, Any] = compose["services"]["neo4j"]
    return found


def test_the_image_is_pinned_to_a_release_that_will_do(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].partition(":")
    release = re.fullmatch(r"(5\.26\.\d+)-community", tag)
    assert name == "neo4j"
    assert release is not None, tag
    require_version("compose", release[1], "community")


def test_no_port_is_open_to_other_machines(service: dict[str, Any]) -> None:
    ports = [port.split(":") for port in service["ports"]]
    assert {host for host, _, _ in ports} == {"127.0.0.1"}
    assert sorted(inside for _, _, inside in ports) == ["7474", "7687"]
    assert "network_mode" not in service


def test_the_password_comes_from_the_environment_and_has_no_default(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"neo4j/\$\{NEO4J_PASSWORD:\?[^}]+\}", service["environment"]["NEO4J_AUTH"])
    assert COMPOSE.read_text().count("${NEO4J_PASSWORD") == 1


def test_the_data_is_on_a_named_volume(compose: dict[str, Any], service: dict[str, Any]) -> None:
    volume, _, inside = service["volumes"][0].partition(":")
    assert inside == "/data"
    assert volume in compose["volumes"]


def test_waiting_for_the_server_ends_by_a_health_check(service: dict[str, Any]) -> None:
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert "http://127.0.0.1:7474" in check["test"]
    seconds = int(check["interval"].removesuffix("s")) * check["retries"]
    assert 60 <= seconds <= 300
