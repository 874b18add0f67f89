sed '/^state_dir:/d' good.yaml >server.yaml
start_server
ctl classes diff | grep 'no difference' >/dev/null
ctl classes set default/slow ceil=32KiB/s | grep 'its next start returns to server.yaml' >/dev/null
eventually 10 metric_is server '^entropyd_class_ceil_bytes_per_second.*class="slow"' = 32768
stop server
start_server
ctl classes diff | grep 'no difference' >/dev/null
