# The system in one image, for web, worker, beat and migrations; the command says which.
# Name a digest to have the very same base each time: --build-arg PYTHON_IMAGE=python:3.11.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

# --- What is installed, and the static files ---------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN pip install --require-hashes -r requirements/base.txt
COPY . .
# Settings insist on what production needs; none of these values stays in the image.
RUN SECRET_KEY=only-for-collectstatic-0000000000000000000000000000000000 ALLOWED_HOSTS=localhost \
    DATABASE_URL=sqlite:////tmp/none REDIS_URL=memory:// python manage.py collectstatic --no-input \
    && python -m compileall -q /app

# --- What runs -----------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS runtime
# A number, so that an orchestrator can see that it is not root's.
RUN groupadd --system --gid 10001 budget \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin budget \
    && install --directory --owner 10001 --group 10001 /var/lib/budget
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=budget_system.settings
WORKDIR /app
USER 10001:10001
VOLUME /var/lib/budget
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=12s --start-period=60s --retries=4 \
    CMD ["python", "-m", "tools.inside.healthcheck", "ready"]
ENTRYPOINT ["/app/entrypoint.sh"]
CMD ["gunicorn", "budget_system.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "3", "--graceful-timeout", "25", "--no-control-socket"]

# --- With Flower, for those who want it: docker compose --profile flower up ----------------------------------------------
FROM build AS build-flower
COPY requirements/flower.txt requirements/flower.txt
RUN pip install --require-hashes -r requirements/base.txt -r requirements/flower.txt

FROM runtime AS flower
COPY --from=build-flower /opt/venv /opt/venv
EXPOSE 5555

# --- The last one is what `docker build .` makes ---------------------------------------------------------------------------
FROM runtime
