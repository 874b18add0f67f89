. "$HERE/libvirt/vocabulary.sh"
eventually 60 says hosta hot event=no_device
libvirt_on hosta set hot --class default/gold --live -o json >set.json
/usr/bin/python3 -c '
import json
answer = json.load(open("set.json"))
assert len(answer["defined_changes"]) == 2 and len(answer["running_changes"]) == 2, answer'
eventually 20 has_read hosta hot 5
eventually 5 is_served_in hosta hot default/gold
libvirt_on hosta set hot --class default/slow --live | grep 'running:' >/dev/null
virsh_on hosta metadata hot --uri urn:entropyd:libvirt:1 --live | grep "class=[\"']slow" >/dev/null
eventually 5 is_served_in hosta hot default/slow
reads_on hosta hot
libvirt_on hosta show
libvirt_on hosta show -o json >show.json
/usr/bin/python3 -c '
import json
for domain in json.load(open("show.json")):
    assert [view["view"] for view in domain["views"]] == ["defined", "running"], domain
    for view in domain["views"]:
        assert view["class"] == "default/slow" and not view["trouble"], domain
        device = {"backend": "egd", "path": "/run/entropyd/egd.sock", "reconnect": True, "rate": False}
        assert view["devices"] == [device], domain'
libvirt_on hosta lint
