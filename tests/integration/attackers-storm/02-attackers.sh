. "$HERE/attackers/02-attackers.sh"
