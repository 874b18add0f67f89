. "$HERE/fairness/vocabulary.sh"
polite control h4.quiet
polite same h1.gold
polite other h2.gold
polite class h2.quiet
sleep 0.5
tell begin control same other class
sleep 3
tell alone control same other class
