. "$HERE/libvirt/vocabulary.sh"
# finds CODE SED_SCRIPT: in a domain made of the good one.
finds() {
  sed -e 's|<name>cold|<name>broken|; /<uuid>/d' -e "$2" after >broken.xml
  if virsh_on hosta dominfo broken >/dev/null 2>&1; then virsh_on hosta undefine broken >/dev/null; fi
  virsh_on hosta define "$WORK/broken.xml"
  expect_failure 3 "\"findings\":\[\{\"domain\":\"broken\",\"view\":\"defined\",\"code\":\"$1\"[^}]*\}\]" \
    libvirt_on hosta lint broken -o json
}
finds no-reconnect '/<reconnect/d'
# A remedy is a command, and mends it.
expect_failure 3 '^broken \(defined\): no-reconnect: ' libvirt_on hosta lint broken
remedy=$({ libvirt_on hosta lint broken || [ $? = 3 ]; } | sed -n 's/^  mend: entropyctl libvirt //p')
libvirt_on hosta $remedy
libvirt_on hosta lint broken
finds rate "s|<rng model=.*|&<rate bytes='1024' period='1000'/>|"
finds device-elsewhere 's|/run/entropyd/egd.sock|/run/entropyd/old.sock|'
finds class-without-device '/<rng/,/<\/rng>/d'
finds class-unknown 's|class=.slow.|class="nope"|'
finds class-closed 's|class=.slow.|class="secret"|'
finds kernel-device "s|<rng model=.*|<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>&|"
# A listener that heeds no metadata; the second half of the remedy is a command again.
finds class-ignored 's|/run/entropyd/egd.sock|/run/entropyd/plain.sock|'
remedy=$({ libvirt_on hosta lint broken || [ $? = 3 ]; } |
  sed -n 's/^  mend: set identify: libvirt .*; or `entropyctl libvirt \(.*\)`$/\1/p')
libvirt_on hosta $remedy
libvirt_on hosta lint broken
virsh_on hosta undefine broken

# The element as the idea was first written down: libvirt refuses it, and takes what `convert` makes.
sed -e 's|<name>cold|<name>converted|; /<uuid>/d; /<entropyd:/d' -e '/<rng/,/<\/rng>/d' \
  -e "s|</devices>|<rng model='virtio'><backend model='pool' name='default' class='gold'/></rng></devices>|" \
  after >pool.xml
expect_failure 1 "unknown RNG backend model 'pool'" virsh_on hosta define "$WORK/pool.xml"
"$BIN/entropyctl" libvirt convert <pool.xml >converted.xml
virsh_on hosta define --validate "$WORK/converted.xml"
libvirt_on hosta set converted --class default/gold | grep 'nothing had to be changed' >/dev/null
virsh_on hosta undefine converted
