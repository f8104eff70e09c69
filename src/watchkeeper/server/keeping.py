"""What an admin keeps: keys, and backups."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.errors import UnknownModel
from watchkeeper.pipeline.keys import Key
from watchkeeper.server.body import read_words
from watchkeeper.server.documents import KeyBody, KeyShown, NewKey
from watchkeeper.server.encoding import json_answer, plain, to_json
from watchkeeper.server.openapi import WITH_BODY, Said, binary, json_of, listed
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import Name, Nothing, Revoking
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of
from watchkeeper.server.streaming import Streamed

TAR = "application/x-tar"


async def list_keys(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """List the keys of the project, without their secrets."""
    del where
    services = services_of(request)
    keys = await services.limits.control.run(functools.partial(services.pipeline.keys.list, key_of(request).project))
    return json_answer(to_json({"keys": [_shown(key) for key in keys]}))


async def create_key(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """Make a key. Its secret is shown in this answer, and never again."""
    del where
    services, by = services_of(request), key_of(request)
    body = cast(KeyBody, await read_words(request, KeyBody))
    if body.expires is not None and body.expires <= datetime.now(UTC):
        raise Problem(422, f"The key would expire at {body.expires.isoformat()}, which is past. Name a time to come.")

    def call() -> tuple[str, Key]:
        made = services.pipeline.keys.create(body.name, body.role, by.project, body.expires)
        detail = {"name": body.name, "role": body.role, "expires": plain(body.expires)}
        services.pipeline.note_audit(by.project, by.name, "key.create", made[1].id, detail)
        return made

    secret, key = await services.limits.control.run(call)
    return json_answer(to_json({"secret": secret, "key": _shown(key)}), 201)


async def revoke_key(request: Request, id: Name, where: Annotated[Revoking, fastapi.Query()]) -> Response:  # noqa: A002
    """Refuse a key from now on. The project's last admin key only where ``force`` says so."""
    services, by = services_of(request), key_of(request)

    def call() -> bool:
        revoked = services.pipeline.keys.revoke(id, by.project, force=where.force)
        if revoked:
            services.pipeline.note_audit(by.project, by.name, "key.revoke", id, {})
        return revoked

    if not await services.limits.control.run(call):
        known = await services.limits.control.run(functools.partial(services.pipeline.keys.list, by.project))
        raise UnknownModel("key that is not revoked with the id", id[:40], [k.id for k in known if k.revoked is None])
    return Response(status_code=204)


async def get_backup(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """Get a consistent backup of the whole store as a tar; one at a time."""
    del where
    services, by = services_of(request), key_of(request)
    limits = services.limits

    def call() -> Iterator[bytes]:
        services.pipeline.note_audit(by.project, by.name, "backup.export", "store", {})
        return services.pipeline.backup()

    limits.one_backup.claim()
    try:
        pieces = await limits.backup.run(call)
    except BaseException:
        limits.one_backup.release()
        raise
    return await Streamed.begin(limits.backup, pieces, TAR, limits.one_backup.release)


def _shown(key: Key) -> dict[str, Any]:
    return {field.name: getattr(key, field.name) for field in fields(key)}


ROUTES = (
    Route("GET", "/api/v1/keys", list_keys, Said(listed("keys", KeyShown))),
    Route("POST", "/api/v1/keys", create_key, Said(json_of(NewKey), (*WITH_BODY, 503), json_of(KeyBody), 201)),
    Route("DELETE", "/api/v1/keys/{id}", revoke_key, Said({}, (404, 409, 503), status=204)),
    Route("GET", "/api/v1/backup", get_backup, Said(binary(TAR), (503,))),
)
