. "$HERE/sources/vocabulary.sh"
ctl sources -o json >before.json
murder agent
eventually 10 ask state egd GONE 'egd.sock'
served
ask healthy-but egd || die "others fell ill with it"
start_agent
eventually 20 ask state egd HEALTHY 'EGD daemon at'
eventually 10 ask all-healthy before.json
