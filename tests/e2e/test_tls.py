"""etcd behind TLS, with client certificates and with users."""
import pytest

from rig.certificates import Certificates
from rig.etcd import TlsEtcd


@pytest.fixture
def tls(tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    certificates = Certificates(folder)
    etcd = TlsEtcd(folder, certificates)
    etcd.start()
    yield etcd, certificates
    etcd.close()


def test_client_certificate(tw, containers, tls, test_id):
    etcd, certificates = tls
    uri = f"etcds://{etcd.address}/{test_id}"
    options = ["--etcd-cacert", str(certificates.ca), "--etcd-cert", str(certificates.client),
               "--etcd-key", str(certificates.client_key)]
    agent = tw.agent(uri, *options)
    web = containers.run("web")
    agent.wait_err(f"key=/{test_id}/sample/{test_id}:{web}:80")
    listed = tw.run("ls", "--json", *options, uri).stdout
    assert f"{test_id}:{web}:80" in listed
    # The same through the variables that etcdctl reads.
    listed = tw.run("ls", uri, env={"ETCDCTL_CACERT": str(certificates.ca),
                                    "ETCDCTL_CERT": str(certificates.client),
                                    "ETCDCTL_KEY": str(certificates.client_key)}).stdout
    assert f"{test_id}:{web}:80" in listed


def test_what_is_not_trusted_is_said(tw, tls, test_id):
    etcd, certificates = tls
    uri = f"etcds://{etcd.address}/{test_id}"
    done = tw.run("ls", uri, status=1)
    assert "certificate" in done.stderr, done.stderr
    done = tw.run("ls", "--etcd-cacert", certificates.ca, uri, status=1)  # no client certificate
    assert "no listing" in done.stderr, done.stderr
