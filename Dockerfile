# `program` is a node and every other command; `balancer` is nginx together with the program, which follows the membership.

FROM node:22-bookworm-slim AS dashboard
WORKDIR /build/static
COPY static/package.json static/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY schema.graphql /build/schema.graphql
COPY static ./
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
COPY --from=dashboard /build/static/dist static/dist
# For `horolog --version`: --build-arg HOROLOG_COMMIT=$(git rev-parse --short=12 HEAD). The context has no repository.
ARG HOROLOG_COMMIT
# Without the caches a changed line would build every dependency again.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/horolog /usr/local/bin/horolog

FROM nginx:1.28-bookworm AS balancer
COPY --from=build /usr/local/bin/horolog /usr/local/bin/horolog
COPY deploy/nginx/nginx.conf /etc/nginx/nginx.conf
RUN install -d -o nginx -g nginx /etc/nginx/horolog
USER nginx

FROM debian:bookworm-slim AS program
# The roots that PostgreSQL and webhooks are checked by.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin horolog
COPY --from=build /usr/local/bin/horolog /usr/local/bin/horolog
USER horolog
ENV HOROLOG_LISTEN=0.0.0.0:8081
EXPOSE 8081
# Ready means joined and leasing; a node that waits for its database is alive, but not yet that.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["horolog", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["horolog"]
CMD ["serve"]
