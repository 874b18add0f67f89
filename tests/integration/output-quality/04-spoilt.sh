refused() {  # KIND CHECK…: those checks find the fault
  local kind=$1 check
  shift
  /usr/bin/python3 "$HERE/output-quality/quality.py" spoil "$kind" <drbg >spoilt
  if /usr/bin/python3 "$HERE/output-quality/quality.py" check spoilt >verdict; then die "$kind is accepted"; fi
  for check in "$@"; do
    grep -q "$check: .*REFUSED" verdict || die "$check accepts $kind: $(cat verdict)"
  done
}
refused leaning-bits rngtest chi-square entropy mean
refused repeated-words rngtest
refused repeated-bytes serial-correlation
refused rare-value chi-square entropy
