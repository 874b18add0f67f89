. "$HERE/sources/vocabulary.sh"
kill -STOP "$(pid_of swtpm)"
eventually 10 ask state tpm GONE 'its library has not answered for 2s|an earlier call into its library'
served
ask healthy-but tpm || die "others fell ill with it"
stop server 5
kill -CONT "$(pid_of swtpm)"
