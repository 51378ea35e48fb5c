# Seat Ledger as an image: built in one stage, run in another, by any user id, from a
# read-only root. What needs to be written lies under /var/lib/seat-ledger (a key, and what
# is known of a bug) and /tmp. Name a PostgreSQL of yours: the embedded one is not for this.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/seat-ledger
COPY requirements-web.lock ./
RUN /opt/seat-ledger/bin/pip install --no-cache-dir --require-hashes \
    -r requirements-web.lock
COPY pyproject.toml README.md LICENSE ./
COPY seat_ledger ./seat_ledger
COPY projections ./projections
COPY cli ./cli
RUN /opt/seat-ledger/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/seat-ledger /opt/seat-ledger
COPY scripts/image/entry /usr/local/bin/entry
ENV PATH=/opt/seat-ledger/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME /var/lib/seat-ledger
EXPOSE 8000
USER 10001:0
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["entry", "probe", "http://127.0.0.1:8000/healthz"]
ENTRYPOINT ["entry"]
CMD ["serve", "--api", "--host", "0.0.0.0"]
