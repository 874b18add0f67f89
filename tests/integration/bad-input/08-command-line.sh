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
refused '--days: 0 is not a whole number between 1 and' pki issue --dir pki --name days --spiffe spiffe://test/days \
  --days 0
[ ! -e days ] && [ ! -e pki/days.crt ] || die "a certificate of 0 days is there"
refused '--deadline: 0 is not a whole number between 1 and 3600' drain --deadline 0
refused 'NAME is required' guests add
refused 'NAME is required' guests remove
"$BIN/entropyctl" pki init --dir brief --days 30 >brief.txt
"$BIN/entropyctl" pki issue --dir brief --name long --spiffe spiffe://test/long --days 31 >long.txt 2>&1
grep -q 'note: .* as long as its authority, and not for 31 days' long.txt || die "it is cut silently: $(cat long.txt)"
"$BIN/entropyctl" pki issue --dir brief --name short --spiffe spiffe://test/short --days 29 >short.txt 2>&1
lacks short.txt 'note:' || die "nothing was cut: $(cat short.txt)"
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

# Text goes into messages, which are UTF-8. Nobody is asked, and no other line is said.
bad=$(printf 'w\377')
for arguments in 'guests add' 'guests remove' 'guests add web --class' 'guests add web --path' 'sources test' \
  'sources show' 'drain --identity' 'drain --reason' 'classes set' 'classes reset' 'get --bytes 1 --class' \
  'demo --dir'; do
  refused "^entropyctl: INVALID_ARGUMENT: 'w.xff' is not UTF-8$" $arguments "$bad"
done
ENTROPYD_CLASS=$bad refused "ENTROPYD_CLASS: 'w.xff' is not UTF-8" get --bytes 1

refused 'a character of this name cannot be shown; choose another --dir' demo --dir "$WORK/a
b"
mkdir everybody
chmod 777 everybody
refused 'may be written by everybody.*; choose another --dir' demo --dir "$WORK/everybody/demo"
echo >a-file
refused 'a-file is a file; name a directory' demo --dir a-file
for option in '--guest-bytes 1KiB' '--kernel x' '--accel tcg'; do
  refused 'requires --guest' demo $option
done
refused '99TiB is too large; the most is 1TiB' get --bytes 99TiB
refused "there is no option '--rate'; write rate=5MiB/s; see" classes set default/gold --rate 5MiB/s
refused 'a-file: it is a file; give a directory' pki issue --dir a-file --name x
refused 'read pki: it is a directory; give a file' pki revoke --dir pki --cert pki
expect_failure 2 '--linger: it takes no value' "$BIN/entropyd-hostagent" --linger=maybe
expect_failure 2 'this looks like agent.yaml; entropyd reads server.yaml' "$BIN/entropyd" --config agent.yaml
expect_failure 2 'this looks like server.yaml; entropyd-hostagent reads agent.yaml' \
  "$BIN/entropyd-hostagent" --config server.yaml
refused 'this looks like server.yaml; entropyctl reads client.yaml' --config server.yaml pools
ENTROPYD_CONFIG=/nonexist refused 'ENTROPYD_CONFIG: read /nonexist: No such file' status
for control in "$WORK" a-file; do
  expect_failure 69 "(is a directory|is no socket); give the agent's control socket" \
    "$BIN/entropyctl" --control "$control" guests
done
expect_failure 69 'Or this is not its control socket; give' "$BIN/entropyctl" --control "$WORK/egd.sock" guests

# docs/json.md names every command that prints JSON: all that do something.
/usr/bin/python3 - "$BIN/entropyctl" "$ROOT/docs/json.md" <<'PYTHON'
import re, subprocess, sys
def below(words):
    text = subprocess.run([sys.argv[1], *words, "--help"], capture_output=True, text=True, check=True).stdout
    listed = re.search(r"^Subcommands:\n(.*?)\n\n", text, re.S | re.M)
    return re.findall(r"^  ([a-z-]+) ", listed[1], re.M) if listed else []
def commands(words):
    for name in below(words):
        if [*words, name] not in (["agent"], ["libvirt"], ["pki"]):  # they have commands below them only
            yield " ".join([*words, name])
        yield from commands([*words, name])
document = open(sys.argv[2]).read()
all_of_them = list(commands([]))
assert len(all_of_them) > 30, all_of_them
lacking = [c for c in all_of_them if not re.search(rf"^## (.*, )?{c}(,|$)|`{c}`", document, re.M)]
assert not lacking, f"docs/json.md lacks {lacking}"
PYTHON

alike "$("$BIN/entropyctl" version)" "$("$BIN/entropyctl" --version)"

# A configuration that is missing is as wrong as one that is broken, and so is one of its files.
printf 'server: [\n' >broken.yaml
printf 'server: "localhost:1"\ntls: {cert: none.crt, key: none.key, ca: none.ca}\n' >astray.yaml
for case in none.yaml=none.yaml broken.yaml=broken.yaml '.=a directory' astray.yaml=none.crt; do
  for command in pools classes 'get --bytes 1 --class a/b'; do
    expect_failure 2 "${case#*=}" "$BIN/entropyctl" --config "${case%%=*}" $command
  done
done

# An answer that nobody gets is no answer.
for arguments in '--help' '--version' 'classes simulate plan.json' 'classes simulate plan.json -o json'; do
  echo '{"capacity": 1, "load": {"a": 1},
    "classes": [{"name": "root"}, {"name": "a", "parent": "root", "rate": 1}]}' >plan.json
  "$BIN/entropyctl" $arguments >/dev/null
  expect_failure 1 'write to standard output' bash -c "'$BIN/entropyctl' $arguments >/dev/full"
done

for command in status sources pools classes agents self-test 'classes diff' 'get --bytes 8 --class default/gold'; do
  for output in text json; do
    who=operator
    [ "${command%% *}" != get ] || who=reader
    expect_failure 1 'write to standard output: No space left on device' \
      bash -c "'$BIN/entropyctl' --config '$WORK/$who.client.yaml' $command -o $output >/dev/full"
  done
done
for command in guests 'top --once' status; do
  expect_failure 1 'write to standard output: No space left on device' \
    bash -c "'$BIN/entropyctl' --control '$WORK/agent.sock' $command >/dev/full"
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
status=0
$operator --ca foreign/ca.crt pools >pools.out 2>pools.err || status=$?
[ $status = 69 ] || die "exit $status instead of 69"
[ ! -s pools.out ] && [ "$(grep -cv '^  ' pools.err)" = 1 ] || die "it says: $(cat pools.err)"
status=0
$operator --ca foreign/ca.crt pools -o json >pools.out 2>pools.err || status=$?
[ $status = 69 ] || die "exit $status instead of 69"
[ ! -s pools.out ] || die "an error has an answer: $(cat pools.out)"
/usr/bin/python3 -c 'import json
error = json.load(open("pools.err"))["error"]
assert error["code"] == "UNAVAILABLE" and error["exit_status"] == 69 and "another CA" in error["message"], error'
status=0
$operator --ca foreign/ca.crt status -o json >status.out 2>status.err || status=$?
[ $status = 69 ] || die "exit $status instead of 69: $(cat status.err)"
/usr/bin/python3 -c 'import json
status = json.load(open("status.out"))
assert not status["healthy"] and any("the server does not answer" in t for t in status["troubles"]), status'
expect_failure 2 'record: --out: pki is a directory; name a file' \
  $operator sources record kernel --samples 10 --out pki --force
expect_failure 2 'record: --out: create /nodir/x: No such file or directory; name a file in a directory that is there' \
  $operator sources record kernel --samples 10 --out /nodir/x
status=0
$operator --server 127.0.0.1:1 status >status.out 2>status.err || status=$?
[ $status = 69 ] || die "exit $status instead of 69: $(cat status.err)"
grep -qx 'NO ANSWER: the server' status.out || die "it says: $(cat status.out)"
lacks status.out 'refused' || die "it says the same twice: $(cat status.out)"
grep -q 'entropyctl: UNAVAILABLE: ' status.err || die "it says: $(cat status.err)"
expect_failure 1 'that of a reader draws' $operator get --bytes 10 --class default/gold
status=0
$operator get --bytes 10 --class default/gold >said 2>&1 || status=$?
[ $status = 1 ] || die "exit $status instead of 1"
lacks said 'after 0 of' || die "it tells of nothing that was drawn"
expect_failure 1 'no agent .*; entropyctl agents lists' $operator drain --identity spiffe://test/agent/nobody
# A file that cannot be read, or whose content is wrong, ends every command alike.
for command in 'pki revoke --dir pki --cert none' 'classes simulate none' 'libvirt convert none'; do
  expect_failure 2 'read none: No such file or directory' "$BIN/entropyctl" $command
done
expect_failure 2 'no authority; make one' "$BIN/entropyctl" pki issue --dir none --name x
echo nonsense >nonsense
for command in 'pki revoke --dir pki --cert nonsense' 'classes simulate nonsense' 'libvirt convert nonsense'; do
  expect_failure 2 'entropyctl: INVALID_ARGUMENT: ' "$BIN/entropyctl" $command
done
expect_failure 2 "there is no directory $WORK/none; make it" $operator guests add web --path "$WORK/none/web.sock"
[ ! -e "$WORK/none" ] || die "it made a directory that was mistyped"
