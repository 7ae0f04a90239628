"""A Bokeh server in a thread of its own, on the loopback address alone."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from cortical_attention.report.live import fill

HOST = "127.0.0.1"
DELIVERY = 10.0  # s; chosen: that long, the end is waited for to reach a page, and a browser that was opened to come


class Served:
    """Pages of a story at an address.

    Attributes
    ----------
    port : int
    url : str
    """

    def __init__(self, story, listening):
        listening.setblocking(False)
        self.story, self.listening, self.port = story, listening, listening.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}/"
        self.loop = self.tornado = None
        self.started = threading.Event()

    def run(self):
        """Serve until `stop`; the body of the thread."""
        asyncio.set_event_loop(asyncio.new_event_loop())
        self.loop = IOLoop.current()
        application = Application(FunctionHandler(lambda document: fill(document, self.story)))
        origins = [f"{host}:{self.port}" for host in (HOST, "localhost")]
        self.tornado = BokehTornado({"/": application}, extra_websocket_origins=origins)
        http = HTTPServer(self.tornado)
        http.add_sockets([self.listening])
        server = BaseServer(self.loop, self.tornado, http)
        server.start()
        self.loop.add_callback(self.started.set)
        self.loop.start()
        server.stop()
        self.loop.run_sync(http.close_all_connections)
        self.loop.close()

    def stop(self):
        """End the thread."""
        self.loop.add_callback(self.loop.stop)

    def wait(self, expected=False):
        """Wait until every open page has shown the end, `DELIVERY` at most; with `expected` also for the first to open."""
        asyncio.run_coroutine_threadsafe(self._delivered(expected), self.loop.asyncio_loop).result()

    async def _delivered(self, expected):
        """Runs in the thread of the server."""
        until = time.monotonic() + DELIVERY
        while time.monotonic() < until:
            opened = [each.document for each in self.tornado.get_sessions("/") if each.connection_count]
            if all(each in self.story.delivered for each in opened) and (self.story.delivered or not expected):
                return
            await asyncio.sleep(0.05)


@contextmanager
def served(story, port=0):
    """Serve pages of a story as long as the context lasts.

    Parameters
    ----------
    story : report.live.Story
    port : int
        0: any that is free.

    Yields
    ------
    Served

    Raises
    ------
    OSError
        If the port is in use, or may not be used.
    """
    server = Served(story, socket.create_server((HOST, port)))
    thread = threading.Thread(target=server.run, daemon=True, name="pages")
    thread.start()
    server.started.wait()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
