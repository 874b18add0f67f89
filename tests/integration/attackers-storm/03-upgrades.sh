ATTACK_SECONDS=600 JUDGE_TURNS=1
. "$HERE/attackers/03-upgrades.sh"
