ATTACK_SECONDS=600
. "$HERE/attackers/03-upgrades.sh"
