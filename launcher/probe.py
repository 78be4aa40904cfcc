"""A container's health check: exit code 0 if an address answers with 200.

`python -m launcher.probe http://127.0.0.1:8000/health/live`; the slim image has no curl.
"""

import http.client
import os
import sys
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 4


def host_header(allowed_hosts: str, default: str) -> str:
    """A host name that Django accepts: the check calls 127.0.0.1, which production does not answer to."""
    first = allowed_hosts.split(",")[0].strip().lstrip(".")
    return default if first in ("", "*") else first


def main(address: str) -> int:
    """Returns the exit code."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=TIMEOUT_SECONDS)
    try:
        headers = {"Host": host_header(os.environ.get("ALLOWED_HOSTS", ""), url.netloc)}
        connection.request("GET", url.path, headers=headers)
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
