# syntax=docker/dockerfile:1
# The image of workers that run jobs of your own: Python, Runlane, and your project. Copy this file into your project as
# Dockerfile, and put wheels in dist/ first: python -m pip wheel --no-deps --wheel-dir dist .
# and Runlane's own there too, unless your package index has it.

FROM python:3.12-slim
ARG RUNLANE_VERSION=0.2.0
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp runlane
ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RUNLANE_JOBS=my_jobs
COPY dist /dist
RUN pip install --no-cache-dir --find-links /dist "runlane[server]==${RUNLANE_VERSION}" /dist/my_jobs-*.whl
# Jobs that use a browser: add playwright to the dependencies of your project, and these two lines.
# ENV PLAYWRIGHT_BROWSERS_PATH=/opt/browsers
# RUN playwright install-deps chromium && playwright install chromium
USER 10001
WORKDIR /tmp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 CMD ["runlane", "health", "--worker"]
CMD ["runlane", "worker"]
