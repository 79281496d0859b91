"""Certificates are read when somebody is called, and then they are those of the system."""

import ssl
import subprocess
import sys

from bot.certificates import authorities

_LATE = """
import ssl
from bot.certificates import leave_for_later
own = ssl.SSLContext.load_default_certs
leave_for_later()
from aiohttp import connector
assert ssl.SSLContext.load_default_certs is own
assert connector._SSL_CONTEXT_VERIFIED.verify_mode is ssl.CERT_REQUIRED
assert not connector._SSL_CONTEXT_VERIFIED.get_ca_certs()
"""


def test_what_a_client_trusts_is_what_the_system_trusts():
    found, wanted = authorities(), ssl.create_default_context()
    assert found.cert_store_stats() == wanted.cert_store_stats()
    assert (found.verify_mode, found.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_start_reads_none_and_a_client_without_them_trusts_nobody():
    subprocess.run([sys.executable, "-c", _LATE], check=True, timeout=60)
