. "$HERE/server-reload/vocabulary.sh"
cp server.yaml first.yaml
sed -i 's|^sources:|max_agents: 9\nsources:\n  - {name: other, driver: getrandom}|
        s|^    sources: .*|    sources: [kernel, other]|
        s|^pools:|pools:\n  - {name: scarce, quality: full, capacity: 4KiB, sources: [other], classes: [TOP, X]}|
        s|TOP, X|{name: top, rate: 1MiB/s}, {name: x, parent: top, rate: 1MiB/s}|
        s|^      - {name: gold, .*|      - {name: metals, parent: root, rate: 20MiB/s}\
      - {name: gold, parent: metals, rate: 12MiB/s}|
        /{name: slow,/d
        s|"default/\*"|"default/*", "scarce/*"|' server.yaml
ctl reload | tee reload.log
{
  echo 'the server uses what is on disk now'
  cat <<TEXT
source added other
pool changed default: sources
pool added scarce
class removed default/slow
class moved default/gold: below metals now
class changed default/gold: rate 10MiB/s -> 12MiB/s
class added default/metals
class added scarce/top
class added scarce/x
limit changed max_agents: 10000 -> 9
policy changed
TEXT
} >wanted
# The same when the server has looked at its files before it was asked.
diff wanted reload.log
grep -q 'event=server.reloaded .*changes=11 sources=1 pools=2 classes=6 limits=1' server.log
grep -q 'event=config.changed kind=class change=moved name=default/gold detail="below metals now"' server.log
eventually 10 metric_is server '^entropyd_class_rate_bytes_per_second.class="gold"' = 12582912
scarce_gives() { AS=reader ctl get --bytes 64 --class scarce/x --hex; }
eventually 20 scarce_gives
eventually 10 metric_is server '^entropyd_pool_ready.pool="scarce"' = 1
eventually 10 metric_is server '^entropyd_source_state.*source="other",state="healthy"' = 1
AS=reader expect_failure 1 'NOT_FOUND: .*the server has no such class' ctl get --bytes 64 --class default/slow --hex
# With max_agents: 9 these nine stay, and a tenth may not come.
expect_failure 1 'a stream ended' timeout 20 "$BIN/it_stall_watch" tenth.control "localhost:$(port_of server grpc)" \
  pki/agent.crt pki/agent.key pki/ca.crt default/gold 1 4096 20
rm -f tenth.control

# And back, by SIGHUP.
cp first.yaml server.yaml
kill -HUP "$(pid_of server)"
gone() {
  curl -fsS "http://127.0.0.1:$(port_of server http)/metrics" >metrics.page || return 1
  lacks metrics.page 'scarce|metals|source="other"'
}
eventually 5 gone
eventually 10 metric_is server '^entropyd_class_rate_bytes_per_second.class="gold"' = 10485760
AS=reader ctl get --bytes 64 --class default/slow --hex >/dev/null
answered taken
