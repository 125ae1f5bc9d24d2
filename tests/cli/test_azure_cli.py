"""The harness around the Azure CLI, where it can go wrong itself."""

import pytest

from tests.support.azure_cli import AzureCli, AzureCliError

pytestmark = pytest.mark.cli


def test_a_misspelt_command_fails_with_what_the_cli_says(logged_in: AzureCli) -> None:
    with pytest.raises(AzureCliError, match="misspelled or not recognized"):
        logged_in("webap", "list")


def test_each_failure_carries_its_own_words_only(logged_in: AzureCli) -> None:
    with pytest.raises(AzureCliError):
        logged_in("webap", "list")
    with pytest.raises(AzureCliError) as failure:
        logged_in("group", "show", "--name", "nowhere")
    assert "ResourceGroupNotFound" in failure.value.stderr
    assert "misspelled" not in failure.value.stderr


def test_a_process_that_ended_is_replaced(logged_in: AzureCli) -> None:
    assert logged_in("group", "list")
    driver = logged_in._driver
    assert driver is not None
    driver.kill()
    driver.wait()
    with pytest.raises(AzureCliError):
        logged_in("group", "list")
    assert logged_in("group", "list")
