# syntax=docker/dockerfile:1

FROM swift:6.3.1-bookworm AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    libjemalloc-dev liblz4-dev libpg-query-dev libpq-dev librdkafka-dev libsnappy-dev libzstd-dev pkg-config \
    zlib1g-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /weir
COPY Package.swift Package.resolved* ./
COPY Sources Sources
COPY Tests Tests
COPY Benchmarks Benchmarks
COPY Pipelines Pipelines
# Cached between builds; the binary is copied out because the cache is not part of the image. The Swift runtime is linked
# into it: what remains are the Debian libraries of the second stage.
RUN --mount=type=cache,target=/weir/.build \
  swift build -c release --product weir --static-swift-stdlib \
  && install -D --strip .build/release/weir /out/weir

FROM debian:bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    ca-certificates libjemalloc2 liblz4-1 libpg-query1504.0 libpq5 librdkafka1 libsnappy1v5 libzstd1 tzdata zlib1g \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --home-dir /var/lib/weir --create-home --shell /usr/sbin/nologin weir
COPY --from=build /out/weir /usr/local/bin/weir
COPY Pipelines /pipelines
USER weir
WORKDIR /var/lib/weir
ENV WEIR_HTTP_HOST=0.0.0.0 \
  WEIR_HTTP_PORT=8080 \
  WEIR_CHECKPOINT_DIR=/var/lib/weir/checkpoints \
  WEIR_LOG_FORMAT=json
VOLUME /var/lib/weir
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=6s --start-period=20s --retries=3 \
  CMD ["weir", "health", "--url", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["weir"]
CMD ["run", "/pipelines/telemetry/pipeline.sql"]
