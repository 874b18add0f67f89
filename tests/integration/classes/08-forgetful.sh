sed '/^state_dir:/d' good.yaml >server.yaml
start_server
ctl classes diff | grep -q 'no difference'
ctl classes set default/slow ceil=32KiB/s | grep -q 'its next start returns to server.yaml'
[ "$(metric server '^entropyd_class_ceil_bytes_per_second.*class="slow"')" = 32768 ]
stop server
start_server
ctl classes diff | grep -q 'no difference'
