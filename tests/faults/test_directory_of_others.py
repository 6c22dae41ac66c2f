"""Fault 24: a directory that hangs keeps the users of another one waiting for nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.faults.directory_load import KEPT, Said, imap, recipient
from tests.faults.directory_place import LANE
from tests.faults.vitals import wait_until
from tests.integration.daemon import running
from tests.integration.directory_site import realm_keys, use
from tests.integration.site import make_site
from tests.integration.slapd import make_slapd, person, serving
from tests.integration.unsteady_way import Flow, unsteady_way

pytestmark = pytest.mark.faults

WELL = "well.example"


def test_fault_24_a_directory_that_hangs_holds_up_nobody_of_another(tmp_path: Path) -> None:
    """However many questions it leaves open: there are more here than threads."""
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    with serving(slapd, person("alice") + person("anna", domain=WELL)), unsteady_way(slapd.ldaps) as way:
        use(site, slapd, realm_keys(slapd, uris=[f"ldaps://localhost:{way.port}"], timeout="60 s"))
        configuration = yaml.safe_load(site.configuration.read_text())
        configuration["realms"]["well"] = {"ldap": realm_keys(slapd, cache=0, login_cache=0)}
        configuration["domains"][WELL] = {"realm": "well"}
        configuration["limits"]["exempt"] = ["127.0.0.0/8"]
        site.configuration.write_text(yaml.safe_dump(configuration))
        with running(site), ThreadPoolExecutor(2 * LANE) as pool:
            way.flow = Flow.NONE
            addresses = [f"user{number}@{KEPT}" for number in range(2 * LANE)]
            waiting = [pool.submit(recipient, site, address) for address in addresses]
            wait_until(lambda: way.taken >= LANE // 2, "the directory that hangs is asked")
            assert recipient(site, f"anna@{WELL}")[0] is Said.YES
            assert imap(site, f"anna@{WELL}")[0] is Said.YES
            assert not any(answer.done() for answer in waiting)
            way.close()
            assert {answer.result()[0] for answer in waiting} == {Said.LATER}
