for file in drbg full; do
  /usr/bin/python3 "$HERE/output-quality/quality.py" check $file || die "what pool $file delivered is refused"
done
