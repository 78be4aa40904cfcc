# syntax=docker/dockerfile:1
# One image for every role: web (the default command), worker, scheduler worker, beat, Flower and migrate.

FROM python:3.13-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/venv/bin:$PATH
WORKDIR /app

FROM base AS requirements
# Or `telemetry`: with the extras for Sentry and OpenTelemetry.
ARG REQUIREMENTS=runtime
RUN python -m venv /opt/venv
COPY requirements/${REQUIREMENTS}.lock requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --cache-dir /var/cache/pip --disable-pip-version-check --require-hashes -r "requirements/${REQUIREMENTS}.lock"

# For `docker compose --profile dev`: the project is mounted, nothing is copied.
FROM requirements AS dev
COPY requirements/dev.lock requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --cache-dir /var/cache/pip --disable-pip-version-check --require-hashes -r requirements/dev.lock
CMD ["sleep", "infinity"]

FROM base AS runtime
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin scheduler
COPY --from=requirements /opt/venv /opt/venv
COPY . .
ENV DJANGO_SETTINGS_MODULE=scheduler_service.settings.production
# Production settings want a secret and hosts; these live for this step only and reach no layer.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    ALLOWED_HOSTS=build.invalid \
    DATABASE_URL=sqlite:///:memory: \
    python manage.py collectstatic --noinput
# By number: Kubernetes' runAsNonRoot cannot check a name.
USER 10001
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "--worker-class", "scheduler_service.webserver.worker.Worker", \
     "--threads", "4", "--workers", "2", "--bind", "0.0.0.0:8000", "--keep-alive", "75", \
     "--forwarded-allow-ips", "", "--worker-connections", "500", "--limit-request-line", "8190", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket", \
     "--logger-class", "scheduler_service.gunicorn_logs.Logger", "--access-logfile", "-", \
     "scheduler_service.wsgi:application"]
