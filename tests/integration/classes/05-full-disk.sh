. "$HERE/classes/vocabulary.sh"
# Whatever is written to /dev/full finds no space.
ln -s /dev/full kept/classes.yaml.new
expect_failure 1 'nothing has changed: write .*kept/classes.yaml.new: .*[Nn]o space' \
  ctl classes set default/slow ceil=256KiB/s
ln -sf /dev/full kept/classes.yaml.new
expect_failure 1 '[Nn]o space' ctl classes reset
cmp kept/classes.yaml before.yaml
ctl classes diff | cmp - before.diff
gets 16 44
