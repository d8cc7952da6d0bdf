# Envoy's preStop hook: answers tell their clients to dial anew, and it goes on until nothing is under way, at most $1
# seconds; $2 is the admin page's port. Bash alone, as Envoy's image has no HTTP client.
admin() {
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return
  printf '%s %s HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n' "$1" "$2" >&3
  cat <&3
  exec 3>&-
}
port=$2
end=$((SECONDS + $1))
# Envoy is gone already where it cannot be reached: nothing is left to wait for.
admin POST '/drain_listeners?graceful&skip_exit' >/dev/null 2>&1 || exit 0
# Who dials learns from the Service within seconds that the pod ends; until then new requests still come.
sleep "$(($1 < 5 ? $1 : 5))"
while [ "$SECONDS" -lt "$end" ]; do
  admin GET '/stats?filter=^http\.gateway\.downstream_rq_active$' | grep -q 'rq_active: 0$' && exit 0
  sleep 0.5
done
