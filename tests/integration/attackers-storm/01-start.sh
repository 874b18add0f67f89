. "$HERE/attackers/01-start.sh"
