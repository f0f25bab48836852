"""A rolling replacement of containers behind the real nginx, under load."""
import contextlib

import pytest

from rig.load import Clients, Wrk
from rig.rolling import Rolling

pytestmark = pytest.mark.slow

DRAIN_S = 3


def test_no_request_fails_while_all_containers_are_replaced(tw, containers, records, make_nginx, tmp_path):
    """nginx asks no second server, so each request that comes to a container that is gone fails; each
    container drains for 3 s."""
    nginx = make_nginx(None, http="proxy_next_upstream off;")
    nginx.start()
    tw.agent(records.uri)
    tw.render(records.uri, "--wait", "0", *nginx.publish_options())
    rolling = Rolling(containers, 5, DRAIN_S)
    rolling.start_all()
    nginx.serves("web", rolling.names)
    path = "/up/web/name"
    fresh, kept = Clients(nginx, path=path), Clients(nginx, keep_alive=True, path=path)
    wrk = Wrk(nginx, tmp_path, path=path)
    with contextlib.ExitStack() as load:
        for one in (fresh, kept, *([wrk] if wrk.there() else [])):
            load.enter_context(one)
        rolling.replace(together=2)
        nginx.serves("web", rolling.names)
    assert not fresh.failed and not kept.failed and not wrk.failed, (
        fresh.failed[:5], kept.failed[:5], wrk.failed, nginx.log()[-3000:])
    # Every one of both generations was asked, and the old ones no more by their end.
    for clients in (fresh, kept):
        assert set(rolling.names) <= set(clients.answers) and len(clients.answers) == 10, clients.answers
    late = rolling.late_requests()
    assert len(late) == 5 and max(ms for _, ms in late) < 1000 * DRAIN_S, late
    print(f"{sum(fresh.answers.values())} + {sum(kept.answers.values())} + {wrk.requests} requests, "
          f"after TERM {late}, {nginx.reloads_done()} reloads")
