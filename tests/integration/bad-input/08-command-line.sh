# Command lines that mean nothing: refused at once, without a server or an agent.
refused() { local pattern=$1; shift; expect_failure 2 "$pattern" "$BIN/entropyctl" "$@"; }
for seconds in nan inf -1 x; do
  refused 'is not a number between 0 and' demo --seconds $seconds
  refused 'is not a number between 0.1 and 3600' top --interval $seconds
  refused 'is not a number between 0 and 3600' classes --seconds $seconds
  refused 'is not a number between 0 and 3600' guest-boot --seed-wait $seconds
  refused 'is not a number between 1 and 36000' guest-boot --limit $seconds
done
refused '--days: 0 is not a whole number between 1 and 36500' pki init --dir days --days 0
refused '--days' pki issue --dir pki --name days --spiffe spiffe://test/days --days 0
[ ! -e days ] && [ ! -e pki/days.crt ] || die "a certificate of 0 days is there"
refused '--deadline: 0 is not a whole number between 1 and 3600' drain --deadline 0
refused 'NAME is required' guests add
refused 'NAME is required' guests remove
echo no certificate >not.pem
refused 'not.pem: .*not a certificate in PEM' pki revoke --dir pki --cert not.pem
"$BIN/entropyctl" pki issue --dir pki --name nameless >nameless.txt 2>&1
grep -q '^identity cn:nameless$' nameless.txt
grep -q 'note: .*only a CN' nameless.txt

refused "unknown command 'stauts'; did you mean 'status'?" stauts
refused "unknown command 'agent-upgrade-now'; see entropyctl --help" agent-upgrade-now
refused "unknown command 'upgarde'; did you mean 'upgrade'?" agent upgarde
refused "unknown command 'isue'; did you mean 'issue'?" pki isue --dir pki --name x
refused "unknown command 'ste'; did you mean 'set'?" classes ste default/gold ceil=1MiB/s
refused "unknown command 'recrod'; did you mean 'record'?" sources recrod kernel
refused "unknown command 'removee'; did you mean 'remove'?" guests removee web
refused "unknown command 'lnt'; did you mean 'lint'?" libvirt lnt
refused "unknown command 'zzzzzz'; see entropyctl pki --help" pki zzzzzz
refused "unknown command 'simulate'; did you mean 'entropyctl classes simulate'?" simulate --help
refused "unknown command 'list'; see entropyctl sources --help" sources list --help
refused "entropyctl status: not expected: 'now'; see entropyctl status --help" status now --help
refused "entropyctl status: there is no option '--bogus'; see entropyctl status --help" status --bogus
refused 'entropyctl get: --bytes: its value is missing; see entropyctl get --help' get --bytes
# What is not named must not stand for all.
refused 'entropyctl drain: --identity: the value is empty .*; see entropyctl drain --help' drain --identity ''
refused 'entropyctl classes reset: CLASS: the value is empty .*; see entropyctl classes reset --help' classes reset ''
refused 'entropyctl classes: --pool: the value is empty .*; see entropyctl classes --help' classes --pool ''
refused '--control: it may be given only once' status --control a --control b
for program in entropyd entropyd-hostagent; do
  expect_failure 2 "$program: not expected: 'now'; see $program --help" "$BIN/$program" now --help
done

alike "$("$BIN/entropyctl" version)" "$("$BIN/entropyctl" --version)"

# A configuration that is missing is as wrong as one that is broken, and so is one of its files.
printf 'server: [\n' >broken.yaml
printf 'server: "localhost:1"\ntls: {cert: none.crt, key: none.key, ca: none.ca}\n' >astray.yaml
for config in none.yaml broken.yaml . astray.yaml; do
  for command in pools classes 'get --bytes 1 --class a/b'; do
    expect_failure 2 'none.yaml|broken.yaml|a directory|none.crt' "$BIN/entropyctl" --config $config $command
  done
done

# An answer that nobody gets is no answer.
for arguments in '--help' '--version' 'classes simulate plan.json' 'classes simulate plan.json -o json'; do
  echo '{"capacity": 1, "load": {"a": 1},
    "classes": [{"name": "root"}, {"name": "a", "parent": "root", "rate": 1}]}' >plan.json
  "$BIN/entropyctl" $arguments >/dev/null
  expect_failure 1 'write to standard output' bash -c "'$BIN/entropyctl' $arguments >/dev/full"
done

for program in entropyd entropyd-hostagent; do
  yaml=server.yaml
  [ $program = entropyd ] || yaml=agent.yaml
  for arguments in --help --version --describe-config "--config $yaml --check-config"; do
    "$BIN/$program" $arguments >/dev/null
    expect_failure 1 'write to standard output: No space left on device, .*; make room' \
      bash -c "'$BIN/$program' $arguments >/dev/full"
    expect_failure 1 'write to standard output: it is closed, .*; give it a file' \
      bash -c "'$BIN/$program' $arguments >&-"
  done
done
expect_failure 1 'write to standard output: it is closed' bash -c "'$BIN/entropyctl' --help >&-"
expect_failure 1 'write to standard output: No space left' bash -c "'$BIN/entropyctl' demo --seconds 1 >/dev/full"

echo '{}' >empty.yaml
expect_failure 69 'no server was asked' "$BIN/entropyctl" --config empty.yaml --control "$WORK/nobody.sock" status
"$BIN/entropyctl" agent --help >help.txt
grep -q upgrade help.txt

# Whoever is refused learns what to give instead.
operator="$BIN/entropyctl --config $WORK/operator.client.yaml"
expect_failure 69 'another name: .*--server-name' $operator --server-name wrong pools
# The error is all that it says: none of gRPC's own lines stand before it. As JSON it is one object.
"$BIN/entropyctl" pki init --dir foreign --name foreign >foreign.txt
expect_failure 69 'another CA' $operator --ca foreign/ca.crt pools
if $operator --ca foreign/ca.crt pools >pools.out 2>pools.err; then die "a server of another CA was believed"; fi
[ ! -s pools.out ] && [ "$(grep -cv '^  ' pools.err)" = 1 ] || die "it says: $(cat pools.err)"
if $operator --ca foreign/ca.crt pools -o json >pools.out 2>pools.err; then die "it was believed"; fi
[ ! -s pools.out ] || die "an error has an answer: $(cat pools.out)"
/usr/bin/python3 -c 'import json
error = json.load(open("pools.err"))["error"]
assert error["code"] == "UNAVAILABLE" and error["exit_status"] == 69 and "another CA" in error["message"], error'
if $operator --ca foreign/ca.crt status -o json >status.out 2>status.err; then die "it is called healthy"; fi
/usr/bin/python3 -c 'import json
status = json.load(open("status.out"))
assert not status["healthy"] and any("the server does not answer" in t for t in status["troubles"]), status'
expect_failure 1 'that of a reader draws' $operator get --bytes 10 --class default/gold
if $operator get --bytes 10 --class default/gold >said 2>&1; then die "an operator draws bytes"; fi
lacks said 'after 0 of' || die "it tells of nothing that was drawn"
expect_failure 1 'no agent .*; entropyctl agents lists' $operator drain --identity spiffe://test/agent/nobody
expect_failure 1 'read none.crt: No such file or directory; correct the path' \
  "$BIN/entropyctl" pki revoke --dir pki --cert none.crt
expect_failure 2 "there is no directory $WORK/none; make it" $operator guests add web --path "$WORK/none/web.sock"
[ ! -e "$WORK/none" ] || die "it made a directory that was mistyped"
