ctl classes set default/secret ceil=2MiB/s
ctl classes set default/slow ceil=32KiB/s
ctl classes set default/gold prio=1
stop server
cp server.yaml good.yaml
sed '/name: secret/d; s|rate: 16KiB/s, ceil: 64KiB/s|rate: 48KiB/s|' good.yaml >server.yaml
: >server.log
start_server
[ "$(grep -c 'level=warning event=class.change_ignored' server.log)" = 2 ]
grep 'class.change_ignored' server.log | grep 'class=default/secret.*is configured' >/dev/null
grep 'class.change_ignored' server.log | grep 'class=default/slow.*below the rate 48KiB/s' >/dev/null
ctl classes diff >said
grep -Eq '^default/secret +ceil +- .*ignored' said && grep -Eq '^default/gold +prio +0 +1 ' said || die "$(cat said)"
grep -q secret kept/classes.yaml
ctl classes reset default/secret
lacks kept/classes.yaml secret || die "a change that was reset is kept"
stop server
cp good.yaml server.yaml
start_server
ctl classes diff | grep -E '^default/slow +ceil +64KiB/s +32KiB/s +[^ ]+ +[^ ]+$' >/dev/null ||
  die "what fits again is not in force again"
stop server
for spoil in 's/ceil:/ciel:/' 's/^version: 1/version: 2/' 's/set: {.*/set: {/'; do
  cp kept/classes.yaml sound
  sed "$spoil" sound >kept/classes.yaml
  ! cmp -s sound kept/classes.yaml || die "the script '$spoil' spoils nothing"
  for how in '' --check-config; do
    expect_failure 2 'kept/classes.yaml.*remove it to return to the figures of server.yaml' \
      timeout 10 "$BIN/entropyd" --config server.yaml $how
  done
  cp sound kept/classes.yaml
done
