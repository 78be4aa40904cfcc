"""The service's configuration: every environment variable it reads, typed, with its default.

This module is the only reader of the environment; `config_values` has the checks. A wrong value stops the start with
a message that names the variable; the tables of `docs/settings.md` and `.env.dist` are held to these fields by a test.
"""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from scheduler_service.config_values import (
    BrokerUrl,
    CommaSeparated,
    DatabaseUrl,
    LogLevel,
    Openings,
    Packages,
    Ports,
    QueueNames,
    Rate,
    RedisUrl,
    SigningSecrets,
)

PROJECT_DIR = Path(__file__).resolve().parent.parent
CALLBACK_QUEUE = "callbacks"
"""Of the tasks that tell of the end of others. No request may name it: that is how receivers know them."""


class ConfigurationError(Exception):
    """A variable of the environment has a value that the service cannot run with."""


class Config(BaseSettings):
    """One field per environment variable; the variable's name is the field's name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    # Django asks every value that is read from its settings for this attribute, and pydantic takes 6 µs to say that
    # there is none: more than the check of a whole task. True is what Django takes for none.
    _mask_wrapped: ClassVar[bool] = True

    secret_key: str = Field("", description="Django's secret; production refuses to start without one.")
    allowed_hosts: CommaSeparated = Field((), description="Host names the API answers to, comma-separated.")
    csrf_trusted_origins: CommaSeparated = Field(
        (), description="Origins (https://…) that may post forms, comma-separated."
    )
    database_url: DatabaseUrl = Field(
        "", description="postgres://… or sqlite:///…; empty: SQLite in the data folder."
    )
    celery_broker_url: BrokerUrl = Field(
        "",
        description="redis://…, redis+socket://…, amqp://…, or none (workers poll the table); "
        "empty: the socket in the data folder.",
    )
    scheduler_data_dir: Path = Field(
        PROJECT_DIR / ".data", description="Folder of the embedded database, broker socket and logs."
    )
    log_level: LogLevel = Field("INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    log_format: Literal["", "json", "text"] = Field(
        "", description="json or text; empty: json with the production settings, else text."
    )
    sentry_dsn: str = Field("", description="Where Sentry takes errors; needs the extra `sentry`.")
    otel_exporter_otlp_endpoint: str = Field(
        "",
        description="Where an OpenTelemetry collector takes traces (OTLP over HTTP); needs the extra `otel`.",
    )
    extra_apps: Packages = Field(
        (), description="Django apps with `operations.py` to load besides the service's own, comma-separated."
    )
    trust_proxy_headers: bool = Field(
        False,
        description="Believe X-Forwarded-Proto and the last address of X-Forwarded-For; only behind a proxy that sets "
        "both.",
    )
    api_keys_required: bool | None = Field(
        None,
        description="Answer 401 to requests without a key or a login; empty: true with the production settings, else "
        "false.",
    )
    https_only: bool = Field(True, description="Production: redirect to HTTPS, secure cookies, HSTS.")

    client_patience_seconds: float = Field(
        20,
        gt=0,
        le=600,
        description="How long a client may take to send a request or to read an answer; a second more per KiB.",
    )
    batch_max_tasks: int = Field(10_000, ge=1, le=100_000, description="Most tasks in one batch request.")
    max_body_bytes: int = Field(16 * 2**20, ge=1024, description="Largest request body, in bytes.")
    max_arguments_bytes: int = Field(
        256 * 1024, ge=64, description="Largest `arguments` of one task, in bytes of JSON."
    )
    max_result_bytes: int = Field(2**20, ge=64, description="Largest `result` of one task, in bytes of JSON.")

    key_requests_per_second: Rate = Field(
        100,
        ge=0,
        le=1e6,
        description="Requests a second of one key, if the key itself says none; 0: any number.",
    )
    key_waiting_tasks: int = Field(
        1_000_000,
        ge=0,
        description="Tasks of its project that may wait when a key sends more, if the key itself says none; 0: any.",
    )
    limits_redis_url: RedisUrl = Field(
        "",
        description="redis://… where web processes share what each key has sent; empty: the broker, if it is Redis.",
    )
    web_workers: int = Field(2, ge=1, description="Processes that serve the API.")

    default_max_attempts: int = Field(
        3, ge=1, le=100, description="Attempts, if task and operation say none."
    )
    default_timeout_seconds: float = Field(
        300, gt=0, description="Time limit of an attempt, if task and operation say none."
    )
    max_timeout_seconds: float = Field(3600, gt=0, description="Longest time limit that is accepted.")
    timeout_grace_seconds: float = Field(
        5, ge=0, description="Time a handler has to clean up after its limit, before its process is ended."
    )
    shutdown_grace_seconds: float = Field(
        25, ge=0, description="How long a stopping worker lets handlers go on before it interrupts them."
    )
    retry_base_seconds: float = Field(2, gt=0, description="Longest wait before the second attempt.")
    retry_cap_seconds: float = Field(3600, gt=0, description="Longest wait before any attempt.")

    lease_seconds: float = Field(
        60, ge=3, le=3600, description="How long a silent worker keeps a task before it is rescued."
    )
    claim_size: int = Field(500, ge=1, le=1000, description="Most quick tasks taken in one claim.")
    slice_seconds: float = Field(
        0.1, gt=0, le=5, description="How long claimed quick tasks may wait behind each other."
    )
    drain_seconds: float = Field(
        5, gt=0, le=60, description="How long one ring keeps a worker process busy before it rings again."
    )
    dedicated_queues: QueueNames = Field(
        (), description="Queues with workers of their own (`-Q name`); all others share the queue `tasks`."
    )
    task_events: bool = Field(True, description="Send the events that Flower shows, one set per task.")
    task_events_per_second: int = Field(
        200, ge=0, description="Most tasks that a worker process shows to Flower in a second; 0 shows all."
    )

    tick_slice: int = Field(1000, ge=1, le=10_000, description="Most schedules fired in one transaction.")
    tick_ahead_seconds: float = Field(
        3, ge=0, le=60, description="How long before its time an occurrence is laid down as a SCHEDULED task."
    )
    catch_up_window_seconds: float = Field(
        86_400,
        ge=0,
        description="How far back a missed occurrence may lie to be fired late, if its schedule says nothing.",
    )
    overlap_buffer_size: int = Field(
        100, ge=1, le=10_000, description="Most occurrences of a schedule that wait under `buffer_all`."
    )
    max_backfill_occurrences: int = Field(
        10_000, ge=1, le=1_000_000, description="Most occurrences in one backfill."
    )
    late_after_seconds: float = Field(
        60, gt=0, description="An occurrence fired later than this has the verdict LATE."
    )
    rescue_interval_seconds: float = Field(5, gt=0, description="Pause between looks for expired leases.")
    prune_interval_seconds: float = Field(60, gt=0, description="Pause between prunings of old tasks.")
    retention_success_days: float = Field(30, ge=0, description="Days to keep SUCCESS tasks; 0 keeps them.")
    retention_error_days: float = Field(90, ge=0, description="Days to keep ERROR tasks; 0 keeps them.")
    retention_cancelled_days: float = Field(
        30, ge=0, description="Days to keep CANCELLED tasks; 0 keeps them."
    )
    retention_expired_days: float = Field(30, ge=0, description="Days to keep EXPIRED tasks; 0 keeps them.")
    retention_occurrences_days: float = Field(
        400, ge=0, description="Days to keep the ledger of occurrences; 0 keeps it."
    )
    retention_audit_days: float = Field(365, ge=0, description="Days to keep the audit log; 0 keeps it.")
    idempotency_hours: float = Field(
        24, ge=1, description="Hours for which the answer to a request with an `Idempotency-Key` is kept."
    )
    callback_max_attempts: int = Field(
        8, ge=1, le=100, description="Attempts to tell a `callback_url` that its task has ended."
    )
    callback_retry_base_seconds: float = Field(
        30,
        gt=0,
        description="Longest wait before the second attempt to tell a `callback_url`; it doubles each time.",
    )
    http_allowed_hosts: Openings = Field(
        (),
        description="What `http.request` may reach besides public addresses and `HTTP_ALLOWED_PORTS`: host, "
        "host:port, address, or network, comma-separated.",
    )
    http_allowed_ports: Ports = Field(
        (80, 443), description="Ports that `http.request` may reach, comma-separated."
    )
    http_max_response_bytes: int = Field(
        64 * 1024,
        ge=0,
        le=16 * 2**20,
        description="Most bytes of a body that `http.request` reads and keeps.",
    )
    http_signing_secrets: SigningSecrets = Field(
        SecretStr(""),
        description="What `http.request` signs with: whsec_… for every host or host=whsec_… for one, comma-separated; "
        "two for one host give two signatures.",
    )
    health_max_lag_seconds: float = Field(
        120,
        gt=0,
        description="`/health/ready` is `lagging`, or `stalled` if nothing claims, when due work has waited longer.",
    )

    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Who reads `/metrics` sends it as a bearer token; production serves none without it.",
    )
    metrics_dir: str = Field(
        "",
        description="Folder in which the processes of one machine count; empty: `metrics` in the data folder.",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port on which workers and beat serve their metrics; 0: none."
    )
    metrics_host: str = Field("127.0.0.1", description="Address for METRICS_PORT.")

    @property
    def has_broker(self) -> bool:
        """Whether rings are sent; without a broker, workers poll the table (`manage.py poll`)."""
        return self.celery_broker_url != "none"


def load() -> Config:
    """Read the environment.

    Raises ConfigurationError with one line per wrong variable, naming it and saying what would do.
    """
    try:
        return Config()
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError("The environment is not usable:\n  " + "\n  ".join(lines)) from None
