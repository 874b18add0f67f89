. "$HERE/shy-sources/vocabulary.sh"
is hsm GONE || die "hsm is $(of hsm state) with a wrong PIN"
of hsm reason | grep "the token refused the PIN in $WORK/pin" >/dev/null || die "hsm is gone because: $(of hsm reason)"
grep -q 'event=source.gone source=hsm .*CKR_PIN_INCORRECT' server.log || die "the log does not name the module's code"
[ "$(lines source.gone hsm)" = 1 ] || die "the log tells a wrong PIN $(lines source.gone hsm) times"

echo 4711-right >pin.new
chmod 400 pin.new
mv pin.new pin
eventually 20 is hsm HEALTHY
ctl sources show hsm >shown
for file in server.log shown server.yaml; do
  lacks $file '4711-(right|wrong)' || die "a PIN is in $file"
done
