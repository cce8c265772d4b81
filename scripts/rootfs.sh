#!/bin/sh
# Makes the file system of the container image in a folder: the binary, certificates, a place for the state,
# and nothing else. The Dockerfile copies exactly this; a test runs it under chroot.
set -eu
root=$1
version=${VERSION:-dev}
mkdir -p "$root/etc/ssl/certs" "$root/data" "$root/tmp"
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X syncer/internal/obs.version=$version" -o "$root/syncer" ./cmd/syncer
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'syncer:x:65532:65532::/data:/sbin/nologin' > "$root/etc/passwd"
echo 'syncer:x:65532:' > "$root/etc/group"
chmod 1777 "$root/tmp"
chmod 0700 "$root/data"
# Only root can give files away; in an image build it is root.
if [ "$(id -u)" = 0 ]; then chown 65532:65532 "$root/data"; fi
