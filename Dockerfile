# gemgate on one machine: two stages, no compiler and no root in the second.
#   docker build -t gemgate . && docker run --rm -p 127.0.0.1:8100:8100 --env-file .env -v gemgate:/data -v gemgate-keys:/keys gemgate
# No registry of images could be asked where this was written: put the digest behind the tag, here or by --build-arg (…@sha256:…).
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/gemgate
COPY requirements/run.txt requirements/run.txt
RUN /opt/gemgate/bin/pip install --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
# What builds it has hashes too, and stays behind with this stage.
COPY requirements/build.txt requirements/build.txt
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes --requirement requirements/build.txt \
    && /opt/build/bin/hatchling build -t wheel \
    && /opt/gemgate/bin/pip install --no-deps --no-index dist/*.whl && /opt/gemgate/bin/pip uninstall --yes pip

FROM python:${PYTHON}
RUN useradd --uid 10001 --create-home gemgate && install -d -m 700 -o gemgate -g gemgate /data /data/blobs /keys
COPY --from=build /opt/gemgate /opt/gemgate
# The key that seals cookies stays out of the data folder: a copy of one must not open the other.
ENV PATH=/opt/gemgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8100 \
    DATA_DIR=/data \
    COOKIE_KEY_FILE=/keys/cookie.key
USER gemgate
WORKDIR /data
VOLUME ["/data", "/keys"]
EXPOSE 8100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health\", timeout=4)"]
ENTRYPOINT ["gemgate"]
CMD ["serve"]
