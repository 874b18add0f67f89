. "$HERE/classes/vocabulary.sh"
# What stands in the place of the new file is no file, and is not removed as one.
mkdir -p kept/classes.yaml.new/in-the-way
expect_failure 1 'nothing has changed: write .*kept/classes.yaml.new: ' ctl classes set default/slow ceil=256KiB/s
expect_failure 1 'write .*kept/classes.yaml.new: ' ctl classes reset
rm -r kept/classes.yaml.new
cmp kept/classes.yaml before.yaml
ctl classes diff | cmp - before.diff
gets 16 44
