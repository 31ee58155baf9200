#!/bin/sh
# The shop comes up, serves through its load balancer, and gets a new version while
# requests keep coming. `make demo` runs this. It leaves the shop running.
set -eu
cd "$(dirname "$0")/../.."

drydock=bin/drydock
load_log=$(mktemp)
load=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

finish() {
	[ -z "$load" ] || kill "$load" 2>/dev/null || true
	rm -f "$load_log"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Who may not bind port 80 gets the balancer on 8080.
first_free=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
if [ "$(id -u)" != 0 ] && [ "$first_free" -gt 80 ] && [ -z "${DRYDOCK_PORT_OFFSET:-}" ]; then
	export DRYDOCK_PORT_OFFSET=8000
	echo "You may not listen on port 80, so the load balancer gets port 8080 (DRYDOCK_PORT_OFFSET=8000)."
fi
port=$((80 + ${DRYDOCK_PORT_OFFSET:-0}))
url=http://localhost
[ "$port" = 80 ] || url=$url:$port

start_daemon() {
	if [ "$(id -u)" = 0 ]; then state=/var/lib/drydock; else state=$HOME/.drydock; fi
	state=${DRYDOCK_STATE_DIR:-$state}
	mkdir -p "$state"
	say "Starting the daemon; its log is $state/daemon.log"
	if command -v setsid >/dev/null; then detach=setsid; else detach=nohup; fi
	$detach $drydock daemon >>"$state/daemon.log" 2>&1 </dev/null &
	daemon=$!
	left=30
	until $drydock status >/dev/null 2>&1; do
		left=$((left - 1))
		if [ "$left" = 0 ] || ! kill -0 "$daemon" 2>/dev/null; then
			tail -n 15 "$state/daemon.log" >&2
			echo "The daemon did not start: the last lines of its log are above." >&2
			exit 1
		fi
		sleep 1
	done
}

# request shows one answer of the shop, or at least its status where there is no curl.
request() {
	printf '\nGET %s\n' "$url$1"
	if command -v curl >/dev/null; then
		curl -sS -w '  (%{http_code})\n' "$url$1"
	else
		$drydock load "$url$1" --rate 1 --duration 1s --fail-on 5xx,errors
	fi
}

$drydock status >/dev/null 2>&1 || start_daemon

say "Bringing up examples/shop"
$drydock up examples/shop

say "The shop answers at $url"
request /api/users/1
request /api/users/1
request /api/orders/1
request /api/payments/7001
request /health
request /nowhere

say "Deploying user-service v2 under 100 requests/s"
$drydock load "$url/api/users/1" --rate 100 --duration 30s >"$load_log" 2>&1 </dev/null &
load=$!
deployed=0
$drydock deploy user-service --image shop/user-service:v2 || deployed=$?

say "Waiting for the load to end"
verdict=0
wait "$load" || verdict=$?
load=
cat "$load_log"
request /api/users/1

say "The shop is still up"
cat <<END
  look   $drydock status          tasks, targets and deployments
         $drydock events          what happened, each with its cause
         $drydock why             for every failed request: why
         curl $url/api/orders/1
  stop   make down                removes everything that is ours
END
[ "$deployed" = 0 ] && [ "$verdict" = 0 ]
