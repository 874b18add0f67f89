. "$HERE/attackers/05-left.sh"
