"""Settings -> the guards: keys, rates, places and masking."""

import time

from gateway.adapters.keyring import Keyring
from gateway.adapters.metrics import Metrics
from gateway.adapters.rates import Rates, memory_rates, redis_rates
from gateway.admission import AdaptiveLimit, FixedLimit, Limit
from gateway.domain import Caller, Role, Server
from gateway.guards import Guards
from gateway.places import Room, Rooms
from gateway.ports import Analyzer
from gateway.settings import Settings


def rooms_of(settings: Settings, metrics: Metrics) -> Rooms:
    """The places at every server. A trained model runs on this process's own cores, and its time says
    nothing about a server."""

    def limit_of(server: Server) -> Limit:
        if server is Server.HERE or not settings.adaptive_limit:
            return FixedLimit(settings.max_in_flight)
        return AdaptiveLimit(
            settings.max_in_flight, settings.adaptive_least, settings.adaptive_tolerance, time.monotonic()
        )

    rooms = {server: Room(limit_of(server), settings.batch_share) for server in Server}
    for server, room in rooms.items():
        metrics.places(server, room, settings.max_in_flight)
    return Rooms(rooms)


def guards_of(settings: Settings, analyzer: Analyzer, rooms: Rooms, metrics: Metrics) -> Guards:
    """Make them inside the running loop."""
    return Guards(
        Keyring(
            settings.api_keys_file,
            _fixed_keys(settings),
            settings.requests_per_minute,
            settings.tokens_per_minute,
            settings.max_parallel,
        ),
        _rates(settings, metrics),
        analyzer,
        settings.masking_policies,
        mask_personal_data=settings.mask_personal_data,
        rooms=rooms,
    )


def limits_told(settings: Settings) -> dict[str, object]:
    """What callers are told of what they may ask."""
    return {
        "max_in_flight": settings.max_in_flight,
        "max_body_bytes": settings.max_body_bytes,
        "max_message_chars": settings.max_message_chars,
        "max_completion_tokens": settings.max_completion_tokens,
        "max_instances": settings.max_instances,
        "dataset_max_bytes": settings.dataset_max_bytes,
        "llm_timeout_s": settings.llm_timeout_s,
    }


def _rates(settings: Settings, metrics: Metrics) -> Rates:
    url = settings.redis_url.get_secret_value()
    if not url:
        return memory_rates()
    return redis_rates(url, settings.redis_timeout_s, metrics.uncounted)


def _fixed_keys(settings: Settings) -> dict[str, Caller]:
    keys = {}
    if settings.api_key:
        keys[settings.api_key.get_secret_value()] = Caller(
            "settings",
            Role.ADMIN,
            settings.requests_per_minute,
            settings.tokens_per_minute,
            settings.max_parallel,
        )
    if settings.metrics_key:
        keys[settings.metrics_key.get_secret_value()] = Caller("metrics", Role.METRICS, 600)
    return keys
