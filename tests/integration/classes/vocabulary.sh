# Words of this suite's steps.
load() {  # draws from default/slow as fast as it may
  spawn load bash -c '
    exec "$1" --config reader.client.yaml get --bytes 1GiB --class default/slow --raw >/dev/null' _ "$BIN/entropyctl"
}
delivered() { metric server '^entropyd_class_delivered_bytes_total.*class="slow"'; }
# gets LEAST MOST (KiB): what default/slow is given in the coming second.
gets() {
  local before began bytes took
  before=$(delivered)
  began=$(date +%s%N)
  sleep 1
  bytes=$(delivered)
  took=$((($(date +%s%N) - began) / 1000000))
  bytes=$(((bytes - before) * 1000 / took))
  echo "   $((bytes / 1024)) KiB/s"
  [ $bytes -ge $(($1 * 1024)) ] && [ $bytes -le $(($2 * 1024)) ] ||
    die "default/slow gets $bytes bytes/s, not $1 to $2 KiB/s"
}
drift() { metric server "^entropyd_class_drift.*class=\"$1\""; }
