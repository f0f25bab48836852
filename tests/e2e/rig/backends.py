"""Servers behind nginx without containers: each says who it is, by HTTP, TCP or UDP."""
import http.server
import socketserver
import threading

from .proc import free_port


class HttpHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.server.name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class TcpHandler(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            self.wfile.write(self.server.name.encode() + b"\n")


class UdpHandler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(self.server.name.encode(), self.client_address)


class ThreadingServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


SERVERS = {
    "http": (ThreadingServer, HttpHandler),
    "tcp": (ThreadingServer, TcpHandler),
    "udp": (socketserver.UDPServer, UdpHandler),
}


class Backend:
    """Listens on a port of loopback and answers with its name, which is ADDRESS:PORT where none is given,
    so that answers can be compared with what an upstream lists."""

    def __init__(self, kind="http", name=None, port=None):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        server, handler = SERVERS[kind]
        self.server = server(("127.0.0.1", self.port), handler)
        self.server.name = name or self.address
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                                       daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Backends:
    """Those of one test."""

    def __init__(self):
        self.made = []

    def add(self, kind="http", name=None):
        self.made.append(Backend(kind, name))
        return self.made[-1]

    def close(self):
        for backend in self.made:
            backend.close()
