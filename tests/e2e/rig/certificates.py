"""A certificate authority of the tests' own, made with openssl."""
import subprocess

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
        self.server, self.server_key = self.sign("server", "/CN=server")
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
