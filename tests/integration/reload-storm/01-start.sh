. "$HERE/server-reload/01-start.sh"
