. "$HERE/sources/vocabulary.sh"
ctl sources -o json >before.json
end=$((SECONDS + ${SOURCES_SECONDS:-60}))
while [ $SECONDS -lt $end ]; do
  served
  all_healthy || die "see above"
  sleep 1
done
ask all-healthy before.json || die "see above"
ctl sources
