"""Who we are to etcd: the user's name and password, and the token that they were changed for.

Owns the login, shared by the connections of one lane: a heartbeat must not wait for a login that
another request waits for. Keeps the password to itself: nothing here puts it into a text.

A token is good for all members of the cluster and for some minutes (`--auth-token-ttl`) after it
was used last, or, of another kind, after it was made; and until users or roles change. Nobody can
tell from the token, so whoever is refused with it asks for another, once
(`test_a_login_that_expires_is_renewed_within_the_call`). Servers without users refuse the login; as
etcdctl does, we then go on without (`test_credentials_are_no_harm_to_a_server_without_users`),
until they ask for a user (`test_users_may_be_turned_on_while_members_run`).
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import etcd3.etcdrpc as rpc
import grpc

from coord_etcd.connection import Connection
from coord_etcd.deadline import Deadline

__all__ = ["Login", "User"]

_NOT_ENABLED = "authentication is not enabled"


class User(NamedTuple):
    """A login. Never shown."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"User({self.name!r}, password not shown)"


class Login:
    """The token of a user, or of nobody. Any thread."""

    def __init__(self, user: User | None) -> None:
        self._user = user
        self._lock = threading.Lock()
        self._token = ""
        self.refused = False
        """Whether the server says that it knows no users."""

    @property
    def name(self) -> str:
        """The user's name; "" if there is none."""
        return self._user.name if self._user is not None else ""

    def token(self, connection: Connection, deadline: Deadline) -> str:
        """The token to send along, after a login if need be. Raises grpc.RpcError."""
        if self._user is None or self._token or self.refused:
            return self._token
        return self.renew(connection, deadline, instead_of="")

    def renew(self, connection: Connection, deadline: Deadline, *, instead_of: str) -> str:
        """A token other than the one that was refused. Raises grpc.RpcError."""
        if self._user is None or not self._lock.acquire(timeout=deadline.left_s):
            return self._token
        try:
            if self._token == instead_of:
                self._token = self._log_in(self._user, connection, deadline.left_s)
            return self._token
        finally:
            self._lock.release()

    def _log_in(self, user: User, connection: Connection, timeout_s: float) -> str:
        request = rpc.AuthenticateRequest(name=user.name, password=user.password)
        try:
            answer = connection.send("Authenticate", request, timeout_s=timeout_s, token="")
        except grpc.RpcError as error:
            if _NOT_ENABLED in (error.details() or ""):
                self.refused = True
                return ""
            raise
        self.refused = False
        return str(answer.token)
