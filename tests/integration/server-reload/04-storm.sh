. "$HERE/server-reload/vocabulary.sh"
storm 200
