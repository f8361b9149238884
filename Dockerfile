# The service alone: no training code's dependencies, no TensorFlow, no compiler, no pip in the environment that serves.
# --build-arg REQUIREMENTS=requirements-otel.lock adds what sends OpenTelemetry traces; requirements.lock leaves out what
# reads DICOM, 95 MB.
# .ci/prove-image performs these steps without an engine: it copies what COPY names and runs what the install steps, CMD
# and HEALTHCHECK run.

FROM python:3.11.15-slim-trixie AS build
WORKDIR /src
COPY docker/install docker/install
COPY requirements.lock requirements-dicom.lock requirements-otel.lock ./
ARG REQUIREMENTS=requirements-dicom.lock
RUN docker/install dependencies /opt/medidiagnose
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY models models
COPY schemas schemas
COPY training training
RUN docker/install service /opt/medidiagnose

FROM python:3.11.15-slim-trixie
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin medidiagnose
COPY --from=build /opt/medidiagnose /opt/medidiagnose
COPY docker/healthcheck /usr/local/bin/
ENV PATH=/opt/medidiagnose/bin:$PATH \
    MEDIDIAGNOSE_HOST=0.0.0.0 \
    MEDIDIAGNOSE_PORT=5000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["healthcheck"]
CMD ["medidiagnose", "serve"]
