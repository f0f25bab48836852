"""etcd behind TLS, with client certificates and with users."""
import subprocess

import pytest

from rig.etcd import TlsEtcd

CONFIG = """
[req]
distinguished_name = name
[name]
[server]
subjectAltName = IP:127.0.0.1
extendedKeyUsage = serverAuth, clientAuth
[client]
extendedKeyUsage = clientAuth
"""


class Certificates:
    """A CA, a server certificate for 127.0.0.1, and a client certificate without a common name.

    The server's is a client's as well, because etcd's gateway dials its own port with it."""

    def __init__(self, folder):
        self.folder = folder
        self.ca, self.ca_key = folder / "ca.pem", folder / "ca-key.pem"
        (folder / "openssl.cnf").write_text(CONFIG)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-subj", "/CN=test ca", "-days", "2", "-keyout", self.ca_key, "-out", self.ca)
        self.server, self.server_key = self.sign("server", "/CN=etcd")
        self.client, self.client_key = self.sign("client", "/O=tidewaiter")

    def openssl(self, *argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)

    def sign(self, name, subject):
        key, request, cert = (self.folder / f"{name}{end}" for end in ("-key.pem", ".csr", ".pem"))
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-subj", subject, "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
                     "-CAcreateserial", "-days", "2", "-extfile", self.folder / "openssl.cnf",
                     "-extensions", name, "-out", cert)
        return cert, key


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
