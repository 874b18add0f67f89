. "$HERE/attackers-storm/03-upgrades.sh"
