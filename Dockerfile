# Two images from one build: `docker build -t inference-api .` (the last stage) and
# `docker build -t loadgen --target loadgen .`
# They start from nothing: a binary, the C library it needs, and for the server ONNX Runtime, the locale that models of texts need, and the models.

FROM rust:1-bookworm AS build
# pip fetches the pinned ONNX Runtime wheel; `inference-api runtime install` checks its hash.
RUN apt-get update && apt-get install -y --no-install-recommends locales python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p inference-api -p loadgen
RUN mkdir -p /out/api/usr/local/bin /out/api/usr/local/lib /out/api/models /out/cache /out/loadgen/usr/local/bin \
    && cp target/release/inference-api /out/api/usr/local/bin/ \
    && cp target/release/loadgen /out/loadgen/usr/local/bin/ \
    && cp models/*.onnx models/*.json /out/api/models/ \
    && target/release/inference-api runtime install --dir /out/api/usr/local/lib \
    && mkdir -p /out/api/usr/lib/locale && localedef -i en_US -f UTF-8 --no-archive /out/api/usr/lib/locale/en_US.UTF-8 \
    && cp --parents -L /etc/ssl/certs/ca-certificates.crt /out/api/ \
    && ln -s "$(cd /out/api/usr/local/lib && ls libonnxruntime.so.*)" /out/api/usr/local/lib/libonnxruntime.so \
    && ldd target/release/inference-api /out/api/usr/local/lib/libonnxruntime.so | grep -o '/lib[^ ]*' | sort -u \
       | grep -v onnxruntime | xargs -I{} cp -L --parents {} /out/api/ \
    && ldd target/release/loadgen | grep -o '/lib[^ ]*' | sort -u | xargs -I{} cp -L --parents {} /out/loadgen/

FROM scratch AS loadgen
COPY --from=build /out/loadgen /
USER 65532:65532
EXPOSE 8089
ENTRYPOINT ["/usr/local/bin/loadgen"]
CMD ["--help"]

FROM scratch AS inference-api
COPY --from=build /out/api /
# Models of a registry are fetched into it; a volume here keeps them.
COPY --from=build --chown=65532:65532 /out/cache /cache
ENV ORT_DYLIB_PATH=/usr/local/lib/libonnxruntime.so \
    INFERENCE_MODEL=/models/iris.onnx \
    INFERENCE_BIND=0.0.0.0:8000 \
    LOCPATH=/usr/lib/locale \
    XDG_CACHE_HOME=/cache
USER 65532:65532
EXPOSE 8000
# It asks where INFERENCE_BIND says, and does not see `serve --bind`.
HEALTHCHECK --interval=2s --timeout=3s --start-period=5s CMD ["/usr/local/bin/inference-api", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/inference-api"]
CMD ["serve"]
