. "$HERE/classes/vocabulary.sh"
# What stands in the place of the file is no file, and is not removed as one.
mv kept/classes.yaml aside.yaml
mkdir -p kept/classes.yaml/in-the-way
expect_failure 1 'nothing has changed: rename .*kept/classes.yaml.new' ctl classes set default/slow ceil=256KiB/s
expect_failure 1 'rename .*kept/classes.yaml.new' ctl classes reset
rm -r kept/classes.yaml
mv aside.yaml kept/classes.yaml
cmp kept/classes.yaml before.yaml
ctl classes diff | cmp - before.diff
gets 16 44
