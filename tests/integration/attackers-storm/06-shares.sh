. "$HERE/attackers/04-shares.sh"
