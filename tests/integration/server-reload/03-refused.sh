. "$HERE/server-reload/vocabulary.sh"
failed_is() { [ "$(metric server '^entropyd_reload_failed ')" = "$1" ]; }
# One mistake keeps everything else out.
for mistake in 's|driver: getrandom|driver: getrandom, path: /x|=server.yaml:[0-9]+:[0-9]+: sources\[0\].path: ' \
    's|sources: \[kernel\]|sources: [kernel, none]|=server.yaml:[0-9]+:[0-9]+: pools\[0\].sources\[1\]: ' \
    's|gold, parent: root|gold, parent: rot|=server.yaml:[0-9]+:[0-9]+: pools\[0\].classes\[1\]: .*rot' \
    's|^sources:|max_agents: none\nsources:|=server.yaml:[0-9]+:[0-9]+: max_agents: '; do
  sed "s|rate: 16KiB/s|rate: 17KiB/s|; ${mistake%%=*}" first.yaml >server.yaml
  expect_failure 2 "${mistake#*=}" ctl reload
  expect_failure 3 "configuration on disk is not in use: .*${mistake#*=}" ctl status
  eventually 5 failed_is 1
  tail -n 30 server.log | grep -E "event=server.reload_failed .*${mistake#*=}" >/dev/null
  [ "$(metric server '^entropyd_class_rate_bytes_per_second.class="slow"')" = 16384 ] || die "half of it was taken"
done

# A file that is missing is as wrong as one that is broken.
mv server.yaml away.yaml
expect_failure 2 'read .*server.yaml: No such file' ctl reload
mv away.yaml server.yaml
sed 's|pki/server.crt|pki/none.crt|' first.yaml >server.yaml
expect_failure 2 'server.yaml:[0-9]+:[0-9]+: tls.cert: read certificate .*none.crt: No such file' ctl reload

# Addresses: all else is taken, and the command does not say that all is.
sed 's|rate: 16KiB/s|rate: 17KiB/s|; s|^listen: .*|listen: 127.0.0.1:1|; s|^metrics: .*|metrics: 127.0.0.1:2|' \
  first.yaml >server.yaml
expect_failure 3 '^the server uses what is on disk now, except for these keys, which need a restart: listen, metrics$' \
  ctl reload
expect_failure 3 '"needs_restart":\["listen","metrics"\]' ctl reload --output json
grep -q 'event=server.needs_restart key=listen' server.log
ctl status >status.said
grep -q '^warning: the server uses the values that it was started with .*: listen, metrics; restart it' status.said ||
  die "status does not tell what needs a restart"
ctl status -o json | grep '"needs_restart":\["listen","metrics"\]' >/dev/null
eventually 10 metric_is server '^entropyd_class_rate_bytes_per_second.class="slow"' = 17408
failed_is 0
cp first.yaml server.yaml
ctl reload | grep '^the server uses what is on disk now' >/dev/null
ctl status >status.said
lacks status.said 'started with'
answered refused
