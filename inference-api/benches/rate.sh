#!/bin/sh
# Requests/s and CPU time a request of each BINARY, by turns, so that a noisy machine is noisy for all of them.
#
#     benches/rate.sh ROUNDS BINARY...        (CONNECTIONS=64 SECONDS_EACH=6)
#
# The server has CPU 0 and wrk CPU 1. CPU time a request is the steadier figure when others use the machine.
set -eu
here=$(dirname "$0")
rounds=$1
shift
server=
trap 'rm -f /tmp/rate.$$; [ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT
for _ in $(seq "$rounds"); do
    for binary in "$@"; do
        taskset -c 0 "$binary" serve --log error --model "$here/../../models/iris.onnx" --bind 127.0.0.1:8177 &
        server=$!
        sleep 0.7
        before=$(awk '{print $14 + $15}' /proc/$server/stat)
        taskset -c 1 wrk -t1 -c"${CONNECTIONS:-64}" -d"${SECONDS_EACH:-6}s" -s "$here/predict.lua" \
            http://127.0.0.1:8177/predict >/tmp/rate.$$
        after=$(awk '{print $14 + $15}' /proc/$server/stat)
        awk -v ticks=$((after - before)) -v binary="$binary" '/requests in/ {n = $1} /Requests.sec/ {rate = $2} /Non-2xx/
            END {printf "%-28s %8.0f requests/s  %5.1f us CPU\n", binary, rate, ticks * 10000 / n}' /tmp/rate.$$
        kill $server
        wait $server || true
        server=
    done
done
