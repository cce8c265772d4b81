# The image holds one static binary, CA certificates and an empty folder for the state. Time zones are in the
# binary. It runs as nobody in particular and writes to /data only.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN VERSION=$VERSION ./scripts/rootfs.sh /rootfs

FROM scratch
COPY --from=build /rootfs /
USER 65532:65532
WORKDIR /data
ENV SYNCER_STATE=bolt:/data/syncer.db SYNCER_MAPPINGS=/etc/syncer/mappings.yaml
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s CMD ["/syncer", "health"]
ENTRYPOINT ["/syncer"]
CMD ["serve"]
