. "$HERE/attackers/06-log.sh"
