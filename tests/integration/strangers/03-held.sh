. "$HERE/strangers/vocabulary.sh"
strangers one 40 127.0.0.2 silent
strangers two 40 127.0.0.3 hello
reader_is_served
healthy
eventually 60 handshakes_are 0
reader_is_served
for name in one two; do
  open=$(gone $name)
  [ "$open" = 0 ] || die "$open connections of '$name' are still open"
done
