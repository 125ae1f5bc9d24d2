"""A bundle of certificates that the environment names and that is none is told by its variable."""

from pathlib import Path

import pytest

from homeostat.azure.pipeline import NoSuchBundle, tls_context

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\xfe"])
def test_a_bundle_that_is_none_is_named_with_its_variable(variable: str, content: bytes | None, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(NoSuchBundle, match=rf"^{variable} is '.*bundle\.pem': name a file of certificates in PEM"):
        tls_context({variable: str(bundle)})
