make_pki
server_yaml >good.yaml
check() { "$BIN/entropyd" --config "$1" --check-config; }
wrong() {  # pattern sed-script: the good configuration, spoilt
  sed "$2" good.yaml >bad.yaml
  ! cmp -s good.yaml bad.yaml || die "the script '$2' spoils nothing"
  expect_failure 2 "bad.yaml:[0-9]+:[0-9]+: .*$1" check bad.yaml
}
check good.yaml
wrong "unknown key 'listn'; did you mean 'listen'" 's/^listen:/listn:/'
wrong "duplicate" '$a listen: 127.0.0.1:1'
wrong "alias|anchor" 's/^allow_software: true/allow_software: \&a true/'
wrong "tab" 's/^  - {name: kernel/\t- {name: kernel/'
wrong "not a rate" 's|rate: 16KiB/s|rate: 16KB/s|'
wrong "ceil" 's|ceil: 64KiB/s|ceil: 8KiB/s|'
wrong "rate" 's|rate: 10MiB/s|rate: 1000MiB/s|'
wrong "char_device|getrandom" 's/driver: getrandom/driver: dice/'
wrong "allow_software" 's/^allow_software: true/allow_software: false/'
wrong "kernell" 's/sources: \[kernel\]/sources: [kernell]/'
wrong "true.*false|boolean" 's/^allow_software: true/allow_software: yes/'
wrong "pools\[0\].classes\[2\].name: no class name: 'größe' has the character 'ö'" 's/name: slow/name: größe/'
wrong "no class name: 'a/b \*' has the character '/'" 's|name: secret|name: "a/b *"|'
wrong "no pool name: 'größe' has the character 'ö'" 's/name: default/name: größe/; s|default/|größe/|g'
wrong "nowhere" 's|"default/\*"|"nowhere/*"|'
wrong "metrics: 'foo' is no address; write HOST:PORT" 's/^metrics: .*/metrics: foo/'
wrong "state_dir: 'state' is not an absolute path" '$a state_dir: state'
# A file that ends too early, as an editor leaves it for a moment.
wrong "policy: there is no rule, so the server would shut everybody out" '/^policy:/,$d'
# What may be different for the server's user, or later, is a warning.
sed "s|^sources:|sources:\n  - {name: away, driver: char_device, path: $WORK/none}|" good.yaml >away.yaml
check away.yaml >away.said 2>&1
grep -q "warning: away.yaml:.*the source would be gone: open $WORK/none: No such file" away.said ||
  die "a device that is not there is no warning"
touch file
wrong "state_dir: '$WORK/file' is a file" "\$a state_dir: $WORK/file"
expect_failure 2 'no-such.yaml' check no-such.yaml
sed "s|pki/server.key|pki/agent.key|" good.yaml >bad.yaml
expect_failure 2 'key' check bad.yaml
sed "s|pki/server.crt|pki/none.crt|" good.yaml >bad.yaml
expect_failure 2 'none.crt' check bad.yaml
# An OpenSSL that lacks what it needs is named as such, with OpenSSL's own words.
printf 'openssl_conf = init\n[init]\nalg_section = algorithms\n[algorithms]\ndefault_properties = fips=yes\n' >fips.cnf
for program in "$BIN/entropyd --config good.yaml --check-config" "$BIN/entropyd --config good.yaml"; do
  # shellcheck disable=SC2086
  expect_failure 2 'configure OpenSSL: it gives no SHA256: unsupported .*fips' \
    env OPENSSL_CONF="$WORK/fips.cnf" $program
done
agent_yaml 7743 >agent-good.yaml
"$BIN/entropyd-hostagent" --config agent-good.yaml --check-config
# What --check-config refuses is refused at the start, too.
agent_wrong() {  # pattern sed-script
  sed "$2" agent-good.yaml >agent-bad.yaml
  ! cmp -s agent-good.yaml agent-bad.yaml || die "the script '$2' spoils nothing"
  expect_failure 2 "agent-bad.yaml:[0-9]+:[0-9]+: .*$1" "$BIN/entropyd-hostagent" --config agent-bad.yaml --check-config
  expect_failure 2 "agent-bad.yaml:[0-9]+:[0-9]+: .*$1" timeout 20 "$BIN/entropyd-hostagent" --config agent-bad.yaml
}
agent_wrong "unknown key 'severs'; did you mean 'servers'" 's/^servers:/severs:/'
agent_wrong 'mode' 's|"0600"|"0999"|'
agent_wrong "'https://host:7743' is not HOST:PORT" 's|^servers: .*|servers: ["https://host:7743"]|'
agent_wrong "metrics: 'foo' is no address; write HOST:PORT" 's/^metrics: .*/metrics: foo/'
agent_wrong "state_dir: '$WORK/file' is a file" "s|^state_dir: .*|state_dir: $WORK/file|"
agent_wrong "is taken by listeners\[0\].path already" "s|$WORK/slow.sock|$WORK//egd.sock|"
agent_wrong "agent.sock.handover' beside it has" "s|^control: .*|control: /$(printf 'x%.0s' {1..90})/agent.sock|"
mkdir directory
agent_wrong "'$WORK/directory' is there and is no socket" "s|$WORK/slow.sock|$WORK/directory|"
agent_wrong "state_dir: '/proc/entropyd' cannot be kept in /proc" "s|^state_dir: .*|state_dir: /proc/entropyd|"
# A start waits for files of TLS (faults/10-unlucky-start.sh); the check refuses them.
sed "s|$WORK/pki/ca.crt|$WORK/pki/agent.crt|" agent-good.yaml >agent-bad.yaml
expect_failure 2 "agent-bad.yaml:[0-9]+:[0-9]+: tls.ca: check CA $WORK/pki/agent.crt: no certificate in it may sign" \
  "$BIN/entropyd-hostagent" --config agent-bad.yaml --check-config
mkfifo fifo.yaml
expect_failure 2 'read fifo.yaml: it is a FIFO; give a regular file' \
  timeout 20 "$BIN/entropyd" --config fifo.yaml --check-config
"$BIN/entropyd" --config <(cat good.yaml) --check-config
