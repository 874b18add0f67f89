for name in gold slow; do noticed_nothing $name; done
