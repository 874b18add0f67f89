. "$HERE/sources/vocabulary.sh"
ctl sources -o json >before.json
murder swtpm
eventually 10 ask state tpm GONE 'TPM swtpm:path=.*the TSS answers 0x'
served
ask healthy-but tpm || die "others fell ill with it"
grep -q 'event=source.gone.*source=tpm.*TSS answers' server.log || die "no word of it in the log"
start_swtpm
eventually 20 ask state tpm HEALTHY 'TPM of IBM'
eventually 10 ask all-healthy before.json
served
