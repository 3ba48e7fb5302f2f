# syntax=docker/dockerfile:1
FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/gatewayd
COPY requirements.lock /src/
RUN /opt/gatewayd/bin/pip install --require-hashes -r /src/requirements.lock
COPY . /src
RUN /opt/gatewayd/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels /src \
    && /opt/gatewayd/bin/pip install --no-deps /wheels/*.whl

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="gatewayd" \
      org.opencontainers.image.description="The Anthropic Messages API on any OpenAI-compatible provider" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/opt/gatewayd/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATABASE_URL=sqlite:////data/gatewayd.db \
    GATEWAYD_CONFIG_DIR=/app/configs
RUN install -d -o 10001 -g 10001 /data
COPY --from=build /opt/gatewayd /opt/gatewayd
COPY configs /app/configs
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["gatewayd", "healthcheck"]
ENTRYPOINT ["gatewayd"]
CMD ["serve"]
