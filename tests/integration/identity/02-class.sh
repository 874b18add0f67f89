. "$HERE/identity/guests.sh"
guest web "$WORK/known.sock" slow
draws web 1000
is web class default/slow || die "web is served in $(field web class)"
is web uuid "$(uuid_of web)" || die "web's uuid is $(field web uuid)"
is web identified_by libvirt
is web delivered 1000
guest odd "$WORK/known.sock" nowhere
draws odd 100
is odd class default/gold
eventually 10 metric_is agent '^entropyd_agent_class_refused_total' = 1
grep -q 'guest.class_refused' "$WORK/agent.log"
leave odd
