"""RabbitMQ for tests: a private node, or one that the environment names; a vhost for each test."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from zcore.testing.processes import Server, free_ports, private_folder, run_program
from zcore.testing.programs import epmd_program, rabbitmq_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER = "zops"

# Starting `rabbitmqctl` takes half a second, a vhost a thirtieth of one: make several at once.
VHOSTS_AT_ONCE = 16

MAKE_VHOSTS = """
lists:foreach(fun(Number) ->
    Name = iolist_to_binary(["{prefix}-", integer_to_list(Number)]),
    ok = rabbit_vhost:add(Name, <<"{user}">>),
    ok = rabbit_auth_backend_internal:set_permissions(
        <<"{user}">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"{user}">>)
end, lists:seq(1, {count})), ok.
"""

SET_LIMITS = """
application:set_env(rabbit, consumer_timeout, {timeout}),
application:set_env(rabbit, channel_tick_interval, {look}).
"""

FULL = """
rabbit_policy:set(<<"{vhost}">>, <<"{queue}">>, <<"^{queue}$">>,
    [{{<<"max-length">>, 0}}, {{<<"overflow">>, <<"reject-publish">>}}], 0, <<"queues">>,
    <<"{user}">>).
"""


class RabbitMQServer:
    """A broker somebody else runs: one vhost, the one in its URL, for all tests."""

    def __init__(self, url: str) -> None:
        self.url = url

    def new_vhost_url(self) -> str:
        """The AMQP URL of a vhost for one test."""
        return self.url

    @property
    def version(self) -> str:
        """What the server calls itself, such as "3.12.1"; "" when that is not known."""
        return ""

    def stop(self) -> None:
        """Nothing to do: somebody else's server stays."""


class PrivateRabbitMQ(RabbitMQServer):
    """A node of our own on 127.0.0.1, with its own name server, cookie, ports and data.

    Raises `ServiceMissing` when RabbitMQ is not installed, `ServiceFailed` when it will not run.
    """

    def __init__(self) -> None:
        program = rabbitmq_program("rabbitmq-server")
        self._control = rabbitmq_program("rabbitmqctl")
        name_server = epmd_program()
        self.folder = private_folder("rabbitmq")
        self._password = secrets.token_urlsafe(12)
        self.port, self._names_port, self._peers_port = free_ports(3)
        super().__init__(self._vhost_url("/"))
        self._environment = self._write_configuration()
        self._vhosts: deque[str] = deque()
        self._names = self._start_name_server(name_server)
        self._server = Server([program], self.folder, environment=self._environment)
        try:
            self._server.wait_until(self._answers)
        except BaseException:
            self.stop()
            raise

    def new_vhost_url(self) -> str:
        """The AMQP URL of a vhost that no test has used yet."""
        if not self._vhosts:
            prefix = f"test-{secrets.token_hex(3)}"
            self._evaluate(MAKE_VHOSTS.format(prefix=prefix, user=USER, count=VHOSTS_AT_ONCE))
            self._vhosts.extend(f"{prefix}-{number + 1}" for number in range(VHOSTS_AT_ONCE))
        return self._vhost_url(self._vhosts.popleft())

    @property
    def version(self) -> str:
        """As its log says at the start."""
        said = re.search(r"RabbitMQ (\d[\w.+-]*)", self._server.last_words())
        return said.group(1) if said else ""

    def restart(self) -> None:
        """End the node, as its administrator would, and start it again."""
        self._server.restart()
        self._server.wait_until(self._answers)

    @contextmanager
    def short_of_memory(self) -> Iterator[None]:
        """While inside, the node has raised its alarm, and takes nothing from who publishes."""
        alarm = "{resource_limit, memory, node()}"
        self._evaluate(f"rabbit_alarm:set_alarm({{{alarm}, []}}).")
        try:
            yield
        finally:
            self._evaluate(f"rabbit_alarm:clear_alarm({alarm}).")

    @contextmanager
    def taking_back_after(self, seconds: int) -> Iterator[None]:
        """While inside, channels that are opened have so long for what was delivered to them.

        The node looks every second.
        """
        self._evaluate(SET_LIMITS.format(timeout=seconds * 1000, look=1_000))
        try:
            yield
        finally:
            self._evaluate(SET_LIMITS.format(timeout=1_800_000, look=60_000))  # its own defaults

    @contextmanager
    def taking_at_most(self, size: int) -> Iterator[None]:
        """While inside, channels that are opened take messages of at most `size` bytes."""
        self._evaluate(f"application:set_env(rabbit, max_message_size, {size}).")
        try:
            yield
        finally:
            self._evaluate("application:set_env(rabbit, max_message_size, 134217728).")

    def fill(self, url: str, queue: str) -> None:
        """From now on `queue`, in the vhost of `url`, takes nothing: it is as long as it may be."""
        vhost = url.rpartition("/")[2]
        self._evaluate(FULL.format(vhost=vhost, queue=queue, user=USER))

    def stop(self) -> None:
        """End the node and remove its data."""
        self._server.stop()
        self._names.stop()

    def _vhost_url(self, vhost: str) -> str:
        password, path = quote(self._password), quote(vhost, safe="")
        return f"amqp://{USER}:{password}@127.0.0.1:{self.port}/{path}"

    def _evaluate(self, expression: str) -> None:
        command = [str(self._control), "eval", " ".join(expression.split())]
        run_program(command, folder=self.folder, environment=self._environment)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _start_name_server(self, program: Path) -> Server:
        """Erlang's name server, ours: otherwise the node starts one that outlives it."""
        command = [str(program), "-port", str(self._names_port), "-address", "127.0.0.1"]
        return Server(command, private_folder("epmd"))

    def _write_configuration(self) -> dict[str, str]:
        """Write the node's files; returns the environment that it and its control tool need."""
        folder = self.folder
        (folder / "enabled_plugins").write_text("[].\n", "utf-8")
        (folder / "rabbitmq-env.conf").touch()
        (folder / "rabbitmq.conf").touch(0o600)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"default_user = {USER}\n"
            f"default_pass = {self._password}\n"
            "disk_free_limit.absolute = 50MB\n",
            "utf-8",
        )
        cookie = folder / ".erlang.cookie"
        cookie.touch(0o600)
        cookie.write_text(secrets.token_hex(16), "utf-8")
        cookie.chmod(0o400)
        return _environment(folder) | {
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_DIST_PORT": str(self._peers_port),
        }


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    on_loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return kept | {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_NODENAME": f"zops-{folder.name[-8:]}@localhost",
        "RABBITMQ_CTL_ERL_ARGS": on_loopback,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": on_loopback,
        # The start script becomes the server then, so that a signal reaches it.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
