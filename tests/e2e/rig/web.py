"""What Consul's checks may ask outside of containers: an HTTP server, and one that answers gRPC's."""
import http.server
import os
import ssl
import threading

from .proc import Process, free_port
from .wait import until


class Web:
    """Answers everything with 200 and keeps what it was asked, on a port of its own; with certificates
    through TLS."""

    def __init__(self, certificates=None):
        self.seen = []  # (method, path, headers)
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                seen.append((self.command, self.path, self.headers))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_HEAD = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.server, certificates.server_key)
            # The handshake is for the thread of the connection, not for the one that accepts.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


GRPC_CONF = """\
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {dir}/tmp-body;
    proxy_temp_path {dir}/tmp-proxy;
    fastcgi_temp_path {dir}/tmp-fastcgi;
    uwsgi_temp_path {dir}/tmp-uwsgi;
    scgi_temp_path {dir}/tmp-scgi;
    server {{
        listen 127.0.0.1:{port} http2;
        listen 127.0.0.1:{tls_port} ssl http2;
        ssl_certificate {certificates.server};
        ssl_certificate_key {certificates.server_key};
        # A file is got, not posted; the answer to the wrong method is made the right one.
        location = /grpc.health.v1.Health/Check {{
            error_page 405 =200 /serving;
            return 405;
        }}
        location = /serving {{
            root {dir};
            default_type application/grpc;
            add_trailer grpc-status 0;
        }}
    }}
}}
"""


class GrpcHealth:
    """Says to every gRPC health check that it is serving: without TLS on port, with it on tls_port."""

    def __init__(self, folder, certificates):
        os.chmod(folder, 0o755)
        self.port, self.tls_port = free_port(), free_port()
        # Not compressed, 2 bytes, field 1 (status): 1 (SERVING).
        (folder / "serving").write_bytes(b"\0\0\0\0\2\x08\1")
        conf = folder / "nginx.conf"
        conf.write_text(GRPC_CONF.format(dir=folder, port=self.port, tls_port=self.tls_port,
                                         certificates=certificates))
        self.process = Process(["nginx", "-c", conf], folder, "grpc")
        until(lambda: (folder / "nginx.pid").exists(), lambda: self.process.err())

    def close(self):
        self.process.stop()
