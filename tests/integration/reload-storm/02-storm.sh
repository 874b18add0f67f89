. "$HERE/server-reload/vocabulary.sh"
storm 1000
