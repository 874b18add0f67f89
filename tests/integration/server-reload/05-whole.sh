. "$HERE/server-reload/vocabulary.sh"
nobody_noticed
noticed_nothing watch
stop streams 5 143
stop agent
stop server
