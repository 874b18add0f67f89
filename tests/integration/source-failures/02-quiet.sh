. "$HERE/source-failures/vocabulary.sh"
begin
sleep 2
tell watch quiet | figure longest_ms >baseline
echo "   $(tail -n 1 watch.log)"
credited_good_ones_only
