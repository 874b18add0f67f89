. "$HERE/local-fallback/vocabulary.sh"
from=$(attached_name)
client_yaml "$(port_of "$from" grpc)" operator >operator.client.yaml
from_here agent
ctl drain --reason maintenance >/dev/null
to=$(other "$from")
eventually 10 attached_to "$to"
sleep 0.5
# A buffer's worth of silence would be a second at least.
bar "gold when its server drains" gold 500
bar "slow when its server drains" slow 500
logged agent 'event=upstream\.drain '
stop "$from"
run_server "$from"
