. "$HERE/server-reload/05-whole.sh"
