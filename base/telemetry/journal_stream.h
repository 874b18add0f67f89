// Whether a descriptor leads to systemd's journal, which takes a line's priority from a prefix such
// as "<4>" (sd-daemon(3)).
//
// Errors: none; what cannot be looked at is no journal.
//
// Thread safety: reads the environment, which nobody may change at the same time.
#pragma once

namespace entropyd {

// systemd tells by JOURNAL_STREAM, "DEVICE:INODE", which file that is (systemd.exec(5)).
bool LeadsToJournal(int fd);

}  // namespace entropyd
