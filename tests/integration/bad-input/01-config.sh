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
wrong "duplicate key 'listen', first at line 1" '$a listen: 127.0.0.1:1'
wrong "anchors are not supported" 's/^allow_software: true/allow_software: \&a true/'
wrong "tab; use spaces" 's/^  - {name: kernel/\t- {name: kernel/'
wrong "'16KB/s' is not a rate" 's|rate: 16KiB/s|rate: 16KB/s|'
wrong "class 'slow': ceil 8KiB/s is below the rate 16KiB/s" 's|ceil: 64KiB/s|ceil: 8KiB/s|'
wrong "class 'root': rate 100MiB/s is below the sum of its children's" 's|rate: 10MiB/s|rate: 1000MiB/s|'
wrong "'dice' is no driver; there are char_device" 's/driver: getrandom/driver: dice/'
wrong "driver getrandom is software" 's/^allow_software: true/allow_software: false/'
wrong "no source is called 'kernell'" 's/sources: \[kernel\]/sources: [kernell]/'
wrong "allow_software: 'yes' is not true or false" 's/^allow_software: true/allow_software: yes/'
wrong "pools\[0\].classes\[2\].name: no class name: 'größe' has the character 'ö'" 's/name: slow/name: größe/'
wrong "no class name: 'a/b \*' has the character '/'" 's|name: secret|name: "a/b *"|'
wrong "no pool name: 'größe' has the character 'ö'" 's/name: default/name: größe/; s|default/|größe/|g'
wrong "'nowhere/\*' names no leaf class" 's|"default/\*"|"nowhere/*"|'
wrong "metrics: 'foo' is no address; write HOST:PORT" 's/^metrics: .*/metrics: foo/'
wrong "state_dir: 'state' is not an absolute path" '$a state_dir: state'
wrong "sources\[0\].path: '/dev' is a directory; name a generator's device" \
  's|^sources:|&\n  - {name: away, driver: char_device, path: /dev}|'
# A file that ends too early, as an editor leaves it for a moment.
wrong "policy: there is no rule, so the server would shut everybody out" '/^policy:/,$d'
# What may be different for the server's user, or later, is a warning.
sed "s|^sources:|sources:\n  - {name: away, driver: char_device, path: $WORK/none}|" good.yaml >away.yaml
check away.yaml >away.said 2>&1
grep -q "warning: away.yaml:.*the source would be gone: open $WORK/none: No such file" away.said ||
  die "a device that is not there is no warning"
# What the start would refuse, the check refuses: addresses, and files of another kind.
wrong "listen: listen on no-such-host.invalid:7743: .*; correct the name" \
  's/^listen: .*/listen: no-such-host.invalid:7743/'
wrong "metrics: listen on 192.0.2.1:9743: bind: .*; choose an address that is this machine's" \
  's/^metrics: .*/metrics: 192.0.2.1:9743/'
wrong "metrics: '127.0.0.1:7743' is taken by listen \(0.0.0.0:7743\); choose another port" \
  's/^listen: .*/listen: 0.0.0.0:7743/; s/^metrics: .*/metrics: 127.0.0.1:7743/'
mkdir audits
mkfifo audits/fifo
ln -s "$WORK/audits/none" audits/link
for kind in 'a directory=' 'a FIFO=/fifo' 'a link=/link'; do
  wrong "audit_log: '$WORK/audits${kind#*=}' is ${kind%%=*}; name a file" "\$a audit_log: $WORK/audits${kind#*=}"
done
wrong "state_dir: .* is a link that leads nowhere" "\$a state_dir: $WORK/audits/link/state"
wrong "sources\[0\].name: no source name: 'a b' has the character ' '" \
  's/name: kernel,/name: "a b",/; s/sources: \[kernel\]/sources: ["a b"]/'
wrong "sources\[0\].group: no group name" 's/name: kernel,/name: kernel, group: "a b",/'
wrong "policy\[1\].identity: 'spiffe://test/reader/a b' would match nobody" 's|test/reader/\*|test/reader/a b|'
# Several directories that are missing are made by the start.
sed "\$a state_dir: $WORK/several/that/are/missing" good.yaml >deep.yaml
check deep.yaml
spawn deep "$BIN/entropyd" --config deep.yaml
eventually 20 test -d several/that/are/missing
stop deep
# A taken port is told with its key and its place.
spawn holder /usr/bin/python3 -c 'import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(600)'
eventually 10 test -s holder.log
taken=$(cat holder.log)
for key in listen metrics; do
  sed "s/^$key: .*/$key: 127.0.0.1:$taken/" good.yaml >taken.yaml
  check taken.yaml
  expect_failure 1 "taken.yaml:[0-9]+:[0-9]+: $key: listen on 127.0.0.1:$taken: .*; end what listens there" \
    timeout 20 "$BIN/entropyd" --config taken.yaml
done
stop holder 5 143
# What does nothing, and what nobody can check, is a warning with its place, of the check and in the log of the start.
warned() {  # pattern sed-script
  sed "$2" good.yaml >odd.yaml
  ! cmp -s good.yaml odd.yaml || die "the script '$2' changes nothing"
  check odd.yaml >odd.said 2>&1
  grep -Eq "warning: odd.yaml:[0-9]+:[0-9]+: $1" odd.said || die "no warning '$1': $(cat odd.said)"
}
warned 'sources\[1\].name: no pool names' 's/^pools:/  - {name: idle, driver: getrandom}\npools:/'
warned 'pools\[0\].capacity: does nothing' 's/quality: drbg/quality: drbg\n    capacity: 1MiB/'
warned 'policy\[1\].max_weight: does nothing' 's|role: reader,|role: reader, max_weight: 2,|'
warned 'sources\[1\].tcti: .*would be gone: open TPM device:/dev/none: No such file' \
  's|^pools:|  - {name: tpm, driver: tpm2, tcti: "device:/dev/none"}\npools:|'
up='{name: up, driver: upstream, address: "h:1", class: a/b, tls: {cert: /none.crt, key: /k, ca: /c}}'
warned 'sources\[1\].tls.cert: .*would be gone: read certificate /none.crt' "s|^pools:|  - $up\npools:|"
"$BIN/entropyctl" pki issue --dir pki --name anonymous --spiffe spiffe://test/server >anonymous.txt
warned 'tls.cert: .*has neither a DNS name nor an IP address' 's|pki/server\.|pki/anonymous.|g'
spawn odd "$BIN/entropyd" --config odd.yaml
eventually 20 grep -Eq 'event=config.warning reason=.*neither a DNS name' odd.log
stop odd
# The server's variable is its own. The one of before, which entropyctl has, too, still works.
ENTROPYD_SERVER_CONFIG=good.yaml ENTROPYD_CONFIG=none.yaml "$BIN/entropyd" --check-config
ENTROPYD_CONFIG=good.yaml "$BIN/entropyd" --check-config 2>variable.said
grep -q 'call it ENTROPYD_SERVER_CONFIG' variable.said
ENTROPYD_CONFIG=none.yaml check good.yaml
touch file
wrong "state_dir: '$WORK/file' is a file" "\$a state_dir: $WORK/file"
expect_failure 2 'read no-such.yaml: No such file' check no-such.yaml
sed "s|pki/server.key|pki/agent.key|" good.yaml >bad.yaml
expect_failure 2 'tls.key: .*agent.key: it does not belong to the certificate .*server.crt' check bad.yaml
sed "s|pki/server.crt|pki/none.crt|" good.yaml >bad.yaml
expect_failure 2 'tls.cert: read certificate .*none.crt: No such file' check bad.yaml
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
agent_wrong "listeners\[0\].mode: '0999' is not a file mode" 's|"0600"|"0999"|'
agent_wrong "'https://host:7743' is not HOST:PORT" 's|^servers: .*|servers: ["https://host:7743"]|'
agent_wrong "metrics: 'foo' is no address; write HOST:PORT" 's/^metrics: .*/metrics: foo/'
agent_wrong "state_dir: '$WORK/file' is a file" "s|^state_dir: .*|state_dir: $WORK/file|"
agent_wrong "is taken by listeners\[0\].path already" "s|$WORK/slow.sock|$WORK//egd.sock|"
agent_wrong "agent.sock.handover' beside it has" "s|^control: .*|control: /$(printf 'x%.0s' {1..90})/agent.sock|"
agent_wrong "metrics: '127.0.0.1:7744' is taken by listeners\[[0-9]\].listen already" \
  's|^metrics: .*|metrics: 127.0.0.1:7744|; s|^listeners:|&\n  - {listen: "127.0.0.1:7744", class: default/gold}|'
sed 's|^listeners:|&\n  - {listen: "127.0.0.1:7744", mode: "0600", class: default/gold}|' agent-good.yaml \
  >agent-odd.yaml
"$BIN/entropyd-hostagent" --config agent-odd.yaml --check-config >agent-odd.said 2>&1
grep -Eq 'warning: agent-odd.yaml:[0-9:]+ listeners\[0\].mode: does nothing: a TCP port' agent-odd.said
agent_wrong 'listeners\[0\]: has .path. and .listen.; keep one of them' \
  's|^listeners:|&\n  - {path: /run/x.sock, listen: "127.0.0.1:7745", class: default/gold}|'
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
