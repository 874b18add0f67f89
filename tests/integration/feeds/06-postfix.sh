# A mail server of this step's own: its queue, its files, one port of the loopback.
daemons=/usr/lib/postfix/sbin
[ -x $daemons/master ] || die "no postfix here; run deploy/install-packages.sh test"
issue mail --spiffe spiffe://test/mail/m1 --dns localhost
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mail=$WORK/mail
mkdir -p "$mail"/config "$mail"/data "$mail"/queue/{pid,private,public}
chmod 711 "$WORK"  # its daemons run as `postfix`
chown postfix "$mail"/data "$mail"/queue/{private,public}
cat >"$mail/config/main.cf" <<CF
compatibility_level = 3.6
queue_directory = $mail/queue
data_directory = $mail/data
maillog_file = $mail/log
maillog_file_prefixes = $mail
myhostname = localhost
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
smtpd_tls_security_level = may
smtpd_tls_cert_file = $WORK/pki/mail.crt
smtpd_tls_key_file = $WORK/pki/mail.key
tls_random_source = egd:$WORK/egd.sock
CF
cat >"$mail/config/master.cf" <<CF
127.0.0.1:$port inet n - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
CF
# tlsmgr asks by 0x01, and takes none for a server without entropy: nobody has filled the buffer before.
stop agent
start_agent
eventually 10 metric_is agent entropyd_agent_upstream_connected = 1
before=$(metric agent '^entropyd_agent_delivered_bytes_total.class="default/gold"')
spawn master $daemons/master -c "$mail/config" -d
connects() { (exec 3<>"/dev/tcp/127.0.0.1/$port"); }
eventually 10 connects

openssl s_client -starttls smtp -connect "127.0.0.1:$port" -CAfile pki/ca.crt -verify_return_error \
  -verify_hostname localhost <<<QUIT >session.log 2>&1 || die "no TLS session: $(tail -n 20 "$mail/log")"
grep -q 'New, TLSv1.3' session.log
grep -q 'Verify return code: 0 (ok)' session.log

# tlsmgr seeded itself from the agent, with its tls_random_bytes.
drew() {
  "$BIN/entropyctl" --control "$WORK/agent.sock" guests -o json | /usr/bin/python3 -c '
import json, sys
had = [g["delivered"] for g in json.load(sys.stdin)["guests"] if g["program"] == "tlsmgr"]
sys.exit([int(n) for n in had] != [32])'
}
eventually 5 drew
after=$(metric agent '^entropyd_agent_delivered_bytes_total.class="default/gold"')
[ $((after - before)) -ge 32 ]
lacks "$mail/log" 'tlsmgr.*(EGD|entropy)|fatal|panic' || die "Postfix complains"
stop master 5 143
